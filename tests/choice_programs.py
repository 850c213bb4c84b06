"""Training scripts in which a step, or a carried graph, breaks a later backward; the marks are what a trace tells."""

from __future__ import annotations

from choosing import Program

_HEAD = """
import torch
from torch import nn
import torch.nn.functional as F


def mlp(i, o):
    return nn.Sequential(nn.Linear(i, 8), nn.Tanh(), nn.Linear(8, o))


"""


def program(body: str, save: str | list[str], step: str | list[str], needed: str | list[str],
            rule: str = "FIP201", by: str = "optimizer") -> Program:  # fmt: skip
    """A program below the common imports."""
    import textwrap

    return Program(_HEAD.lstrip("\n") + textwrap.dedent(body).lstrip("\n"), save, step, needed, rule, by=by)


PROGRAMS = {
    "gan_shared_score": program(
        """
        def main():
            net_g, net_d = mlp(4, 6), mlp(6, 1)
            opt_g = torch.optim.SGD(net_g.parameters(), lr=0.1)
            opt_d = torch.optim.SGD(net_d.parameters(), lr=0.1)
            bce = nn.BCEWithLogitsLoss()
            for step in range(2):
                real = torch.randn(5, 6)
                fake = net_g(torch.randn(5, 4))
                d_real = net_d(real)
                d_fake = net_d(fake)
                loss_d = bce(d_real, torch.ones(5, 1)) + bce(d_fake, torch.zeros(5, 1))
                loss_g = bce(d_fake, torch.ones(5, 1))

                # the discriminator
                opt_d.zero_grad()
                loss_d.backward(retain_graph=True)
                opt_d.step()

                # the generator
                opt_g.zero_grad()
                loss_g.backward()
                opt_g.step()
            return [net_g, net_d]
        """,
        "net_d(fake)", "opt_d.step()", "loss_g.backward()",
    ),
    "gan_generator_first": program(
        """
        def main():
            G, D = mlp(4, 6), mlp(6, 1)
            opt_g, opt_d = torch.optim.SGD(G.parameters(), lr=0.1), torch.optim.SGD(D.parameters(), lr=0.1)
            ones, zeros = torch.ones(5, 1), torch.zeros(5, 1)
            for step in range(2):
                real = torch.randn(5, 6)
                fake = G(torch.randn(5, 4))

                opt_g.zero_grad()
                loss_g = F.binary_cross_entropy_with_logits(D(fake), ones)
                loss_g.backward(retain_graph=True)
                opt_g.step()

                opt_d.zero_grad()
                loss_d = F.binary_cross_entropy_with_logits(D(real), ones)
                loss_d = loss_d + F.binary_cross_entropy_with_logits(D(fake), zeros)
                loss_d.backward()
                opt_d.step()
            return [G, D]
        """,
        "G(torch.randn(5, 4))", "opt_g.step()", "loss_d.backward()",
    ),
    "gan_every_second_step": program(
        """
        def train(netG, netD, optG, optD, sched_d, steps):
            for i in range(steps):
                fake = netG(torch.randn(5, 4))
                score = netD(fake).mean()
                d_loss = score - netD(torch.randn(5, 6)).mean()
                g_loss = -score

                netD.zero_grad()
                d_loss.backward(retain_graph=True)
                optD.step()
                sched_d.step()
                for p in netD.parameters():
                    p.data.clamp_(-0.5, 0.5)  # the Lipschitz constraint

                if i % 2 == 1:
                    optG.zero_grad()
                    g_loss.backward()
                    optG.step()


        def main():
            netG, netD = mlp(4, 6), mlp(6, 1)
            optG = torch.optim.SGD(netG.parameters(), lr=0.1)
            optD = torch.optim.SGD(netD.parameters(), lr=0.1)
            train(netG, netD, optG, optD, torch.optim.lr_scheduler.StepLR(optD, 1), 4)
            return [netG, netD]
        """,
        ["netD(fake)", "train(netG, netD, optG, optD, torch.optim.lr_scheduler.StepLR(optD, 1), 4)"],
        ["optD.step()", "train(netG, netD, optG, optD, torch.optim.lr_scheduler.StepLR(optD, 1), 4)"],
        ["g_loss.backward()", "train(netG, netD, optG, optD, torch.optim.lr_scheduler.StepLR(optD, 1), 4)"],
    ),
    "gan_scaler": program(
        """
        def main():
            G, D = mlp(4, 6), mlp(6, 1)
            opt_g = torch.optim.SGD(G.parameters(), lr=0.1)
            opt_d = torch.optim.SGD(D.parameters(), lr=0.1)
            scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
            for step in range(2):
                with torch.autocast("cpu", enabled=False):
                    fake = G(torch.randn(5, 4))
                    pred = D(fake)
                    loss_d = F.softplus(pred).mean() + F.softplus(-D(torch.randn(5, 6))).mean()
                    loss_g = F.softplus(-pred).mean()
                opt_d.zero_grad(set_to_none=True)
                scaler.scale(loss_d).backward(retain_graph=True)
                scaler.unscale_(opt_d)
                nn.utils.clip_grad_norm_(D.parameters(), 1.0)
                scaler.step(opt_d)
                scaler.update()
                opt_g.zero_grad(set_to_none=True)
                scaler.scale(loss_g).backward()
                scaler.step(opt_g)
                scaler.update()
            return [G, D]
        """,
        "D(fake)", "scaler.step(opt_d)", "scaler.scale(loss_g).backward()",
    ),
    "gan_methods": program(
        """
        class Trainer:
            def __init__(self):
                self.G, self.D = mlp(4, 6), mlp(6, 1)
                self.opt_g = torch.optim.SGD(self.G.parameters(), lr=0.1)
                self.opt_d = torch.optim.SGD(self.D.parameters(), lr=0.1)

            def forward(self):
                self.fake = self.G(self.z)
                self.pred_fake = self.D(self.fake)
                self.pred_real = self.D(self.real)

            def backward_d(self):
                self.loss_d = F.softplus(self.pred_fake).mean() + F.softplus(-self.pred_real).mean()
                self.loss_d.backward(retain_graph=True)

            def backward_g(self):
                self.loss_g = F.softplus(-self.pred_fake).mean()
                self.loss_g.backward()

            def optimize(self):
                self.forward()
                self.opt_d.zero_grad()
                self.backward_d()
                self.opt_d.step()
                self.opt_g.zero_grad()
                self.backward_g()
                self.opt_g.step()


        def main():
            trainer = Trainer()
            for _ in range(2):
                trainer.z, trainer.real = torch.randn(5, 4), torch.randn(5, 6)
                trainer.optimize()
            return [trainer.G, trainer.D]
        """,
        ["self.D(self.fake)", "self.forward()", "trainer.optimize()"],
        ["self.opt_d.step()", "trainer.optimize()"],
        ["self.loss_g.backward()", "self.backward_g()", "trainer.optimize()"],
    ),
    "gan_update_helper": program(
        """
        def update_d(D, opt_d, fake, real):
            loss = F.softplus(D(fake.detach())).mean() + F.softplus(-D(real)).mean()
            opt_d.zero_grad()
            loss.backward()
            opt_d.step()
            return loss.item()


        def main():
            G, D = mlp(4, 6), mlp(6, 1)
            opt_g = torch.optim.SGD(G.parameters(), lr=0.1)
            opt_d = torch.optim.SGD(D.parameters(), lr=0.1)
            for _ in range(2):
                fake = G(torch.randn(5, 4))
                g_loss = F.softplus(-D(fake)).mean()
                d_loss = update_d(D, opt_d, fake, torch.randn(5, 6))
                opt_g.zero_grad()
                g_loss.backward()
                opt_g.step()
            return [G, D]
        """,
        "D(fake)", ["opt_d.step()", "update_d(D, opt_d, fake, torch.randn(5, 6))"], "g_loss.backward()",
    ),
    "actor_critic": program(
        """
        def update(policy, value_net, opt_p, opt_v, batch):
            states, actions, returns = batch
            dist = torch.distributions.Categorical(logits=policy(states))
            values = value_net(states).squeeze(-1)
            advantage = returns - values

            value_loss = advantage.pow(2).mean()
            policy_loss = -(dist.log_prob(actions) * advantage).mean()

            opt_v.zero_grad()
            value_loss.backward(retain_graph=True)
            nn.utils.clip_grad_norm_(value_net.parameters(), 0.5)
            opt_v.step()

            opt_p.zero_grad()
            policy_loss.backward()
            opt_p.step()
            return policy_loss.item()


        def main():
            policy, critic = mlp(3, 2), mlp(3, 1)
            opt_policy = torch.optim.SGD(policy.parameters(), lr=0.1)
            opt_critic = torch.optim.SGD(critic.parameters(), lr=0.1)
            for _ in range(2):
                batch = torch.randn(5, 3), torch.randint(2, (5,)), torch.randn(5)
                update(policy, critic, opt_policy, opt_critic, batch)
            return [policy, critic]
        """,
        ["value_net(states)", "update(policy, critic, opt_policy, opt_critic, batch)"],
        ["opt_v.step()", "update(policy, critic, opt_policy, opt_critic, batch)"],
        ["policy_loss.backward()", "update(policy, critic, opt_policy, opt_critic, batch)"],
    ),
    "ddpg": program(
        """
        class Agent:
            def __init__(self):
                self.actor, self.critic = mlp(3, 2), mlp(5, 1)
                self.actor_opt = torch.optim.SGD(self.actor.parameters(), lr=0.1)
                self.critic_opt = torch.optim.SGD(self.critic.parameters(), lr=0.1)

            def learn(self, s, a, target):
                q = self.critic(torch.cat([s, a], 1))
                critic_loss = F.mse_loss(q, target)
                actor_loss = -self.critic(torch.cat([s, self.actor(s)], 1)).mean()

                self.critic_opt.zero_grad()
                critic_loss.backward()
                self.critic_opt.step()

                self.actor_opt.zero_grad()
                actor_loss.backward()
                self.actor_opt.step()


        def main():
            agent = Agent()
            for _ in range(2):
                agent.learn(torch.randn(5, 3), torch.randn(5, 2), torch.randn(5, 1))
            return [agent.actor, agent.critic]
        """,
        ["self.critic(torch.cat([s, self.actor(s)], 1))", "agent.learn("],
        ["self.critic_opt.step()", "agent.learn("],
        ["actor_loss.backward()", "agent.learn("],
    ),
    "sac_two_critics": program(
        """
        def main():
            actor, critic1, critic2 = mlp(3, 2), mlp(5, 1), mlp(5, 1)
            actor_optim = torch.optim.SGD(actor.parameters(), lr=0.1)
            critic1_optim = torch.optim.SGD(critic1.parameters(), lr=0.1)
            critic2_optim = torch.optim.SGD(critic2.parameters(), lr=0.1)
            for _ in range(2):
                s, a, target = torch.randn(5, 3), torch.randn(5, 2), torch.randn(5, 1)
                pi = actor(s) + torch.randn(5, 2)
                q1_pi = critic1(torch.cat([s, pi], 1))
                q2_pi = critic2(torch.cat([s, pi], 1))
                actor_loss = -torch.min(q1_pi, q2_pi).mean()
                q1_loss = F.mse_loss(critic1(torch.cat([s, a], 1)), target)
                q2_loss = F.mse_loss(critic2(torch.cat([s, a], 1)), target)

                critic1_optim.zero_grad()
                q1_loss.backward()
                critic1_optim.step()
                critic2_optim.zero_grad()
                q2_loss.backward()
                critic2_optim.step()

                actor_optim.zero_grad()
                actor_loss.backward()
                actor_optim.step()
            return [actor, critic1, critic2]
        """,
        "critic1(torch.cat([s, pi], 1))", "critic1_optim.step()", "actor_loss.backward()",
    ),
    "critics_in_a_loop": program(
        """
        def main():
            actor, critics = mlp(3, 2), nn.ModuleList([mlp(5, 1), mlp(5, 1)])
            actor_opt = torch.optim.SGD(actor.parameters(), lr=0.1)
            critic_opts = [torch.optim.SGD(c.parameters(), lr=0.1) for c in critics]
            for _ in range(2):
                s, a, target = torch.randn(5, 3), torch.randn(5, 2), torch.randn(5, 1)
                sa = torch.cat([s, actor(s)], 1)
                actor_loss = -torch.stack([critic(sa) for critic in critics]).mean()
                for critic, opt in zip(critics, critic_opts):
                    critic_loss = F.mse_loss(critic(torch.cat([s, a], 1)), target)
                    opt.zero_grad()
                    critic_loss.backward()
                    opt.step()
                actor_opt.zero_grad()
                actor_loss.backward()
                actor_opt.step()
            return [actor, *critics]
        """,
        "critic(sa)", "opt.step()@1", "actor_loss.backward()",
    ),
    "shared_trunk": program(
        """
        def main():
            encoder, head_a, head_b = mlp(3, 4), mlp(4, 1), mlp(4, 2)
            opt_a = torch.optim.SGD([*encoder.parameters(), *head_a.parameters()], lr=0.1)
            opt_b = torch.optim.SGD(head_b.parameters(), lr=0.1)
            for _ in range(2):
                x, y = torch.randn(5, 3), torch.randint(2, (5,))
                features = encoder(x)
                loss_a = head_a(features).pow(2).mean()
                loss_b = F.cross_entropy(head_b(features), y)
                opt_a.zero_grad()
                loss_a.backward(retain_graph=True)
                opt_a.step()
                opt_b.zero_grad()
                loss_b.backward()
                opt_b.step()
            return [encoder, head_a, head_b]
        """,
        "encoder(x)", "opt_a.step()", "loss_b.backward()",
    ),
    "second_loss": program(
        """
        def main():
            net = mlp(4, 2)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            for x in torch.randn(2, 5, 4):
                out = net(x)
                fit = (out - 1).pow(2).mean()
                sparsity = out.abs().mean()
                optimizer.zero_grad()
                fit.backward(retain_graph=True)
                optimizer.step()
                optimizer.zero_grad()
                sparsity.backward()
                optimizer.step()
            return [net]
        """,
        "net(x)", "optimizer.step()@1", "sparsity.backward()",
    ),
    "second_loss_accumulated": program(
        """
        def main():
            net = mlp(4, 2)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            out = net(torch.randn(5, 4))
            loss = 0.0
            for k in range(2):
                loss = loss + out[:, k].pow(2).mean()
            penalty = 0.0
            penalty += out.abs().mean()
            optimizer.zero_grad()
            loss.backward(retain_graph=True)
            optimizer.step()  # first
            penalty.backward()
            optimizer.step()  # second
            return [net]
        """,
        "net(torch.randn(5, 4))", "optimizer.step()@1", "penalty.backward()",
    ),
    "sharpness_aware": program(
        """
        class SAM(torch.optim.SGD):
            @torch.no_grad()
            def first_step(self, zero_grad=False):
                for group in self.param_groups:
                    for p in group["params"]:
                        self.state[p]["old"] = p.clone()
                        p.add_(0.05 * p.grad)
                if zero_grad:
                    self.zero_grad()

            @torch.no_grad()
            def second_step(self, zero_grad=False):
                for group in self.param_groups:
                    for p in group["params"]:
                        p.copy_(self.state[p]["old"])
                self.step()
                if zero_grad:
                    self.zero_grad()


        def main():
            model = mlp(4, 2)
            optimizer = SAM(model.parameters(), lr=0.1)
            for x in torch.randn(2, 5, 4):
                out = model(x)
                loss = out.pow(2).mean()
                loss.backward(retain_graph=True)
                optimizer.first_step(zero_grad=True)
                loss.backward()
                optimizer.second_step(zero_grad=True)
            return [model]
        """,
        "model(x)", ["p.add_(0.05 * p.grad)", "optimizer.first_step(zero_grad=True)"], "loss.backward()",
    ),
    "second_loss_draws_data": program(
        """
        def main():
            net, head = mlp(4, 3), mlp(3, 1)
            batches = iter(torch.randn(20, 5, 4))
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            opt_head = torch.optim.SGD(head.parameters(), lr=0.1)
            for _ in range(2):
                z = net(next(batches))
                loss1 = z.pow(2).mean()
                loss2 = head(z).abs().mean()
                opt.zero_grad()
                loss1.backward(retain_graph=True)
                opt.step()
                opt_head.zero_grad()
                loss2.backward()
                opt_head.step()
            return [net, head]
        """,
        "net(next(batches))", "opt.step()", "loss2.backward()",
    ),
    "environment_in_between": program(
        """
        class Env:
            def step(self, action):
                return torch.randn(5, 3) + action.mean()


        def main():
            env, policy, model = Env(), mlp(3, 2), mlp(3, 1)
            opt_p = torch.optim.SGD(policy.parameters(), lr=0.1)
            opt_m = torch.optim.SGD(model.parameters(), lr=0.1)
            action = policy(torch.randn(5, 3))
            state = env.step(action)
            loss_p = action.pow(2).mean()
            loss_m = model(state).pow(2).mean()
            opt_p.zero_grad()
            loss_p.backward(retain_graph=True)
            opt_p.step()
            opt_m.zero_grad()
            loss_m.backward()
            opt_m.step()
            return [policy, model]
        """,
        "policy(torch.randn(5, 3))", "opt_p.step()", "loss_m.backward()",
    ),
    "input_rebound": program(
        """
        def main():
            net, probe = mlp(4, 4), mlp(4, 1)
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            opt_probe = torch.optim.SGD(probe.parameters(), lr=0.1)
            x = torch.randn(5, 4)
            z = net(x)
            loss = z.pow(2).mean()
            later = probe(z).mean()
            opt.zero_grad()
            loss.backward(retain_graph=True)
            x = torch.randn(5, 4)
            opt.step()
            opt_probe.zero_grad()
            later.backward()
            opt_probe.step()
            return [net, probe]
        """,
        "net(x)", "opt.step()", "later.backward()",
    ),
    "step_in_a_branch": program(
        """
        def main():
            G, D = mlp(4, 6), mlp(6, 1)
            opt_g = torch.optim.SGD(G.parameters(), lr=0.1)
            opt_d = torch.optim.SGD(D.parameters(), lr=0.1)
            for i in range(3):
                fake = G(torch.randn(5, 4))
                loss_d = F.softplus(D(fake.detach())).mean()
                loss_g = F.softplus(-D(fake)).mean()
                if i % 2 == 0:
                    opt_d.zero_grad()
                    loss_d.backward()
                    opt_d.step()
                opt_g.zero_grad()
                loss_g.backward()
                opt_g.step()
            return [G, D]
        """,
        "D(fake)", "opt_d.step()", "loss_g.backward()",
    ),
    "leaves_in_between": program(
        """
        def main():
            G, D = mlp(4, 6), mlp(6, 1)
            opt_g = torch.optim.SGD(G.parameters(), lr=0.1)
            opt_d = torch.optim.SGD(D.parameters(), lr=0.1)
            for i in range(3):
                loss_g = F.softplus(-D(G(torch.randn(5, 4)))).mean()
                loss_d = F.softplus(D(torch.randn(5, 6))).mean()
                opt_d.zero_grad()
                loss_d.backward()
                opt_d.step()
                if i == 0:
                    continue
                opt_g.zero_grad()
                loss_g.backward()
                opt_g.step()
            return [G, D]
        """,
        "D(G(torch.randn(5, 4)))", "opt_d.step()", "loss_g.backward()",
    ),
    "one_module_cleared_for_all": program(
        """
        class Pair(nn.Module):
            def __init__(self):
                super().__init__()
                self.G, self.D = mlp(4, 6), mlp(6, 1)


        def main():
            pair = Pair()
            opt_g = torch.optim.SGD(pair.G.parameters(), lr=0.1)
            opt_d = torch.optim.SGD(pair.D.parameters(), lr=0.1)
            for i in range(2):
                loss_g = F.softplus(-pair.D(pair.G(torch.randn(5, 4)))).mean()
                loss_d = F.softplus(pair.D(torch.randn(5, 6))).mean()
                pair.zero_grad()
                loss_d.backward()
                opt_d.step()
                if i:
                    pair.zero_grad()
                loss_g.backward()
                opt_g.step()
            return [pair.G, pair.D]
        """,
        "pair.D(pair.G(torch.randn(5, 4)))", "opt_d.step()", "loss_g.backward()",
    ),
    "one_step_per_helper": program(
        """
        class Learner:
            def __init__(self):
                self.net, self.head = mlp(3, 4), mlp(4, 1)
                self.opts = {
                    "net": torch.optim.SGD(self.net.parameters(), lr=0.1),
                    "head": torch.optim.SGD(self.head.parameters(), lr=0.1),
                }

            def apply(self, name, loss, **options):
                self.opts[name].zero_grad()
                loss.backward(**options)
                self.opts[name].step()

            def train(self, x):
                z = self.net(x)
                out = self.head(z)
                aux = z.abs().mean()
                main = out.pow(2).mean()
                self.apply("net", aux, retain_graph=True)
                self.apply("head", main)


        def main():
            learner = Learner()
            learner.train(torch.randn(5, 3))
            return [learner.net, learner.head]
        """,
        ["self.net(x)", "learner.train(torch.randn(5, 3))"],
        ["self.opts[name].step()", 'self.apply("net", aux, retain_graph=True)', "learner.train(torch.randn(5, 3))"],
        ["loss.backward(**options)", 'self.apply("head", main)', "learner.train(torch.randn(5, 3))"],
    ),
    "penalty_by_autograd_grad": program(
        """
        def main():
            D, w = mlp(6, 1), nn.Linear(6, 6)
            opt_d = torch.optim.SGD(D.parameters(), lr=0.1)
            x = w(torch.randn(5, 6))
            score = D(x)
            loss = score.pow(2).mean()
            opt_d.zero_grad()
            loss.backward(retain_graph=True)
            opt_d.step()
            (grad,) = torch.autograd.grad(score.sum(), x)
            w.weight.grad = None
            x.backward(grad)
            return [D, w]
        """,
        "D(x)", "opt_d.step()", "torch.autograd.grad(score.sum(), x)",
    ),
    "by_hand": program(
        """
        def main():
            net = mlp(4, 2)
            x = torch.randn(5, 4)
            out = net(x)
            fit, size = (out - 1).pow(2).mean(), out.abs().mean()
            fit.backward(retain_graph=True)
            with torch.no_grad():
                for p in net.parameters():
                    p -= 0.1 * p.grad
                    p.grad = None
            size.backward()
            return [net]
        """,
        "net(x)", "p -= 0.1 * p.grad", "size.backward()", by="operator",
    ),
    "script": program(
        """
        enc, dec = mlp(4, 3), mlp(3, 4)
        disc = mlp(3, 1)
        temperature = nn.Parameter(torch.ones(()))
        opt_disc = torch.optim.SGD(disc.parameters(), lr=0.1)
        opt_enc = torch.optim.SGD(enc.parameters(), lr=0.1)
        opt_dec = torch.optim.SGD([*dec.parameters(), temperature], lr=0.1)

        for i, x in enumerate(torch.randn(4, 5, 4)):
            z = enc(x)
            judged = disc(z)
            loss_disc = F.softplus(judged).mean() + F.softplus(-disc(torch.randn(5, 3))).mean()
            loss_ae = (temperature * dec(z) - x).pow(2).mean() - F.logsigmoid(judged).mean()
            loss_disc.backward(retain_graph=True)
            if i % 2 == 1:
                opt_disc.step()
                opt_disc.zero_grad()
            opt_enc.zero_grad()
            opt_dec.zero_grad()
            loss_ae.backward()
            opt_enc.step()
            opt_dec.step()


        def main():
            return [enc, dec, disc]
        """,
        "disc(z)", "opt_disc.step()", "loss_ae.backward()",
    ),
    "closure": program(
        """
        def main():
            encoder, head = mlp(3, 4), nn.Linear(4, 1)
            opt = torch.optim.LBFGS([*encoder.parameters(), *head.parameters()], lr=0.1, max_iter=3)
            x, y = torch.randn(5, 3), torch.randn(5, 1)
            features = encoder(x)

            def closure():
                opt.zero_grad()
                loss = F.mse_loss(head(features), y)
                loss.backward(retain_graph=True)
                return loss

            opt.step(closure)
            return [encoder, head]
        """,
        ["encoder(x)"], ["opt.step(closure)"], ["loss.backward(retain_graph=True)", "opt.step(closure)"],
    ),
    "accelerator": program(
        """
        class Accelerator:
            def backward(self, loss, **options):
                loss.backward(**options)


        def train(accelerator, nets, opts, data):
            for x in data:
                z = nets["encoder"](x)
                rec = nets["decoder"](z)
                size = z.pow(2).mean()
                error = (rec - x).pow(2).mean()
                opts["encoder"].zero_grad()
                accelerator.backward(size, retain_graph=True)
                opts["encoder"].step()
                opts["decoder"].zero_grad()
                accelerator.backward(error)
                opts["decoder"].step()


        def main():
            nets = {"encoder": mlp(4, 3), "decoder": mlp(3, 4)}
            opts = {name: torch.optim.SGD(net.parameters(), lr=0.1) for name, net in nets.items()}
            train(Accelerator(), nets, opts, torch.randn(2, 5, 4))
            return list(nets.values())
        """,
        ['nets["encoder"](x)', "train(Accelerator(), nets, opts, torch.randn(2, 5, 4))"],
        ['opts["encoder"].step()', "train(Accelerator(), nets, opts, torch.randn(2, 5, 4))"],
        ["loss.backward(**options)", "accelerator.backward(error)",
         "train(Accelerator(), nets, opts, torch.randn(2, 5, 4))"],
    ),
    "cached_features": program(
        """
        def main():
            encoder, head = mlp(3, 4), nn.Linear(4, 1)
            opt = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1)
            x = torch.randn(5, 3)
            features = encoder(x)  # (batch, 4)
            for epoch in range(3):
                loss = head(features).pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [encoder, head]
        """,
        "encoder(x)", "opt.step()", "loss.backward(retain_graph=True)",
    ),
    "old_log_probabilities": program(
        """
        def main():
            policy = mlp(3, 2)
            optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
            states, actions, returns = torch.randn(5, 3), torch.randint(2, (5,)), torch.randn(5)
            old_log_probs = F.log_softmax(policy(states), -1)[torch.arange(5), actions]
            for _ in range(3):
                log_probs = F.log_softmax(policy(states), -1)[torch.arange(5), actions]
                ratio = (log_probs - old_log_probs).exp()
                loss = -(ratio * returns).mean()
                optimizer.zero_grad()
                loss.backward(retain_graph=True)
                optimizer.step()
            return [policy]
        """,
        "policy(states)@1", "optimizer.step()", "loss.backward(retain_graph=True)",
    ),
    "carried_gru": program(
        """
        def main():
            cell, head = nn.GRUCell(3, 4), nn.Linear(4, 1)
            opt = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)
            h = torch.zeros(2, 4)
            for t in range(3):
                x, y = torch.randn(2, 3), torch.randn(2, 1)
                h = cell(x, h)
                loss = (head(h) - y).pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [cell, head]
        """,
        "cell(x, h)", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "carried_lstm": program(
        """
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.lstm = nn.LSTM(3, 4)
                self.head = nn.Linear(4, 1)

            def forward(self, x, hidden):
                out, hidden = self.lstm(x, hidden)
                return self.head(out), hidden


        def main():
            model = Model()
            opt = torch.optim.SGD(model.parameters(), lr=0.1)
            hidden = None
            for chunk in torch.randn(3, 5, 2, 3):
                out, hidden = model(chunk, hidden)
                loss = out.pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [model]
        """,
        ["self.lstm(x, hidden)", "model(chunk, hidden)"], "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "carried_pair": program(
        """
        def main():
            cell = nn.LSTMCell(3, 4)
            opt = torch.optim.SGD(cell.parameters(), lr=0.1)
            h, c = torch.zeros(2, 4), torch.zeros(2, 4)
            losses = []
            for t in range(6):
                h, c = cell(torch.randn(2, 3), (h, c))
                losses.append(h.pow(2).mean())
                if t % 2 == 1:
                    loss = torch.stack(losses).sum()
                    opt.zero_grad()
                    loss.backward(retain_graph=True)
                    opt.step()
                    losses = []
            return [cell]
        """,
        "cell(torch.randn(2, 3), (h, c))", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "carried_list": program(
        """
        def main():
            cells = nn.ModuleList([nn.RNNCell(3, 3), nn.RNNCell(3, 3)])
            opt = torch.optim.SGD(cells.parameters(), lr=0.1)
            hs = [torch.zeros(2, 3) for _ in cells]
            for t in range(3):
                x = torch.randn(2, 3)
                for i, cell in enumerate(cells):
                    hs[i] = cell(x, hs[i])
                    x = hs[i]
                loss = x.pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [cells]
        """,
        "cell(x, hs[i])", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "carried_in_a_module": program(
        """
        class Memory(nn.Module):
            def __init__(self):
                super().__init__()
                self.cell = nn.GRUCell(3, 4)
                self.h = torch.zeros(2, 4)

            def forward(self, x):
                self.h = self.cell(x, self.h)
                return self.h


        def main():
            memory = Memory()
            opt = torch.optim.SGD(memory.parameters(), lr=0.1)
            for t in range(3):
                loss = memory(torch.randn(2, 3)).pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [memory]
        """,
        ["self.cell(x, self.h)", "memory(torch.randn(2, 3))"], "opt.step()", "loss.backward(retain_graph=True)",
        "FIP207",
    ),
    "carried_by_an_agent": program(
        """
        class Agent:
            def __init__(self):
                self.cell = nn.GRUCell(3, 4)
                self.opt = torch.optim.SGD(self.cell.parameters(), lr=0.1)
                self.h = None

            def observe(self, x):
                self.h = self.cell(x, self.h)
                loss = self.h.pow(2).mean()
                self.opt.zero_grad()
                loss.backward(retain_graph=True)
                self.opt.step()


        def main():
            agent = Agent()
            for x in torch.randn(3, 2, 3):
                agent.observe(x)
            return [agent.cell]
        """,
        ["self.cell(x, self.h)", "agent.observe(x)"], ["self.opt.step()", "agent.observe(x)"],
        ["loss.backward(retain_graph=True)", "agent.observe(x)"], "FIP207",
    ),
    "carried_and_handed_over": program(
        """
        def main():
            cell = nn.RNNCell(3, 4)
            opt = torch.optim.SGD(cell.parameters(), lr=0.1)
            h = torch.zeros(2, 4)
            for t in range(3):
                h_next = cell(torch.randn(2, 3), h)
                loss = h_next.pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
                h = h_next
            return [cell]
        """,
        "cell(torch.randn(2, 3), h)", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "carried_through_a_function": program(
        """
        def learn(cell, opt, x, h):
            h_new = cell(x, h)
            loss = h_new.pow(2).mean()
            opt.zero_grad()
            loss.backward(retain_graph=True)
            opt.step()
            return h_new


        def main():
            cell = nn.RNNCell(3, 4)
            opt = torch.optim.SGD(cell.parameters(), lr=0.1)
            state = torch.zeros(2, 4)
            for x in torch.randn(3, 2, 3):
                state = learn(cell, opt, x, state)
            return [cell]
        """,
        ["cell(x, h)", "learn(cell, opt, x, state)"], ["opt.step()", "learn(cell, opt, x, state)"],
        ["loss.backward(retain_graph=True)", "learn(cell, opt, x, state)"], "FIP207",
    ),
    "running_total": program(
        """
        def main():
            net = mlp(3, 1)
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            total = torch.zeros(())
            for x in torch.randn(3, 5, 3):
                total = total + net(x).pow(2).mean()
                opt.zero_grad()
                total.backward(retain_graph=True)
                opt.step()
            return [net]
        """,
        "net(x)", "opt.step()", "total.backward(retain_graph=True)", "FIP207",
    ),
}  # fmt: skip
