"""Actors, critics and shared networks in which a step breaks a later backward."""

from __future__ import annotations

from choosing import program

PROGRAMS = {
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
    "modules_by_local_names": program(
        """
        class Agent(nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder = mlp(4, 3)
                self.actor = mlp(3, 2)
                self.critic = mlp(5, 1)


        class Trainer:
            def __init__(self, agent):
                self.agent = agent
                a = self.agent
                self.critic_opt = torch.optim.SGD([*a.encoder.parameters(), *agent.critic.parameters()], lr=0.1)
                self.actor_opt = torch.optim.SGD(a.actor.parameters(), lr=0.1)

            def update(self, x, action, reward):
                net = self.agent
                z = net.encoder(x)
                critic_loss = (net.critic(torch.cat([z, action], 1)) - reward).pow(2).mean()
                self.critic_opt.zero_grad()
                critic_loss.backward(retain_graph=True)
                self.critic_opt.step()
                actor_loss = (net.actor(z) - action).pow(2).mean()
                self.actor_opt.zero_grad()
                actor_loss.backward()
                self.actor_opt.step()


        def main():
            trainer = Trainer(Agent())
            for _ in range(2):
                trainer.update(torch.randn(5, 4), torch.randn(5, 2), torch.randn(5, 1))
            return [trainer.agent]
        """,
        ["net.encoder(x)", "trainer.update(torch.randn(5, 4), torch.randn(5, 2), torch.randn(5, 1))"],
        ["self.critic_opt.step()", "trainer.update(torch.randn(5, 4), torch.randn(5, 2), torch.randn(5, 1))"],
        ["actor_loss.backward()", "trainer.update(torch.randn(5, 4), torch.randn(5, 2), torch.randn(5, 1))"],
    ),
}  # fmt: skip
