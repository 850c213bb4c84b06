"""Adversarial training scripts in which a step breaks a later backward."""

from __future__ import annotations

from choosing import program

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
    "gan_latent_methods": program(
        """
        class Trainer:
            def __init__(self):
                self.G, self.D, self.E = mlp(4, 6), mlp(6, 1), mlp(6, 4)
                self.opt_g = torch.optim.SGD(self.G.parameters(), lr=0.1)
                self.opt_e = torch.optim.SGD(self.E.parameters(), lr=0.1)

            def forward(self):
                self.code = self.E(self.real)
                self.noise = torch.randn(5, 4)
                self.fake = self.G(self.noise)
                self.again = self.E(self.fake)

            def backward_ge(self):
                self.loss_g = F.softplus(-self.D(self.fake)).mean() + (self.G(self.code) - self.real).abs().mean()
                self.loss_g.backward(retain_graph=True)

            def backward_latent(self):
                self.loss_z = (self.again - self.noise).abs().mean()
                self.loss_z.backward()

            def update(self):
                self.opt_g.zero_grad()
                self.opt_e.zero_grad()
                self.backward_ge()
                self.opt_e.step()
                self.opt_g.zero_grad()
                self.backward_latent()
                self.opt_g.step()

            def optimize(self):
                self.forward()
                self.update()


        def main():
            trainer = Trainer()
            for _ in range(2):
                trainer.real = torch.randn(5, 6)
                trainer.optimize()
            return [trainer.G, trainer.D, trainer.E]
        """,
        ["self.E(self.fake)", "self.forward()", "trainer.optimize()"],
        ["self.opt_e.step()", "self.update()", "trainer.optimize()"],
        ["self.loss_z.backward()", "self.backward_latent()", "self.update()", "trainer.optimize()"],
    ),
    "gan_rounds": program(
        """
        def main():
            G, D = mlp(4, 6), mlp(6, 1)
            opt_g = torch.optim.SGD(G.parameters(), lr=0.1)
            opt_d = torch.optim.SGD(D.parameters(), lr=0.1)
            for _ in range(2):
                z = torch.randn(5, 4)
                for _ in range(2):
                    opt_d.zero_grad()
                    fake = G(z)
                    loss_d = F.softplus(D(fake.detach())).mean() + F.softplus(-D(torch.randn(5, 6))).mean()
                    loss_d.backward()
                    opt_d.step()
                for _ in range(2):
                    opt_g.zero_grad()
                    loss_g = F.softplus(-D(fake)).mean()
                    loss_g.backward(retain_graph=True)
                    opt_g.step()
            return [G, D]
        """,
        "G(z)", "opt_g.step()", "loss_g.backward(retain_graph=True)",
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
    "gan_clipped_by_a_method": program(
        """
        class Trainer:
            def __init__(self):
                self.gen, self.critic = mlp(4, 6), mlp(6, 1)
                self.opt_gen = torch.optim.SGD(self.gen.parameters(), lr=0.1)
                self.opt_critic = torch.optim.SGD(self.critic.parameters(), lr=0.1)

            def clip(self):
                '''Keeps the critic near to 1-Lipschitz.'''
                with torch.no_grad():
                    for p in self.critic.parameters():
                        p.clamp_(-0.05, 0.05)

            def optimize(self, real):
                fake = self.gen(torch.randn(len(real), 4))
                score = self.critic(fake).mean()
                distance = self.critic(real).mean() - self.critic(fake.detach()).mean()
                self.opt_critic.zero_grad()
                distance.neg().backward()
                self.opt_critic.step()
                self.clip()
                self.opt_gen.zero_grad()
                score.neg().backward()
                self.opt_gen.step()


        def main():
            trainer = Trainer()
            for real in torch.randn(2, 5, 6):
                trainer.optimize(real)
            return [trainer.gen, trainer.critic]
        """,
        ["self.critic(fake)", "trainer.optimize(real)"],
        ["self.opt_critic.step()", "trainer.optimize(real)"],
        ["score.neg().backward()", "trainer.optimize(real)"],
    ),
    "gan_clipped_by_its_critic": program(
        """
        class Critic(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = mlp(6, 1)

            def forward(self, x):
                return self.net(x)

            def clip(self, c=0.05):
                for p in self.parameters():
                    p.data.clamp_(-c, c)


        def main():
            gen, critic = mlp(4, 6), Critic()
            opt_gen = torch.optim.SGD(gen.parameters(), lr=0.1)
            opt_critic = torch.optim.SGD(critic.parameters(), lr=0.1)
            for real in torch.randn(2, 5, 6):
                fake = gen(torch.randn(len(real), 4))
                loss = critic(fake.detach()).mean() - critic(real).mean()
                score = -critic(fake).mean()
                opt_critic.zero_grad()
                loss.backward()
                opt_critic.step()
                critic.clip()
                opt_gen.zero_grad()
                score.backward()
                opt_gen.step()
            return [gen, critic]
        """,
        ["self.net(x)", "critic(fake)"],
        "opt_critic.step()",
        "score.backward()",
    ),
}  # fmt: skip
