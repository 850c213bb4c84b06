"""Several losses on one network, and updates by hand, in which a step breaks a later backward."""

from __future__ import annotations

from choosing import program

PROGRAMS = {
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
    "two_optimizers_of_one_trunk": program(
        """
        def main():
            trunk, left, right = mlp(4, 4), mlp(4, 1), mlp(4, 1)
            opt_left = torch.optim.SGD([*trunk.parameters(), *left.parameters()], lr=0.1)
            opt_right = torch.optim.SGD([*trunk.parameters(), *right.parameters()], lr=0.1)
            for x in torch.randn(2, 5, 4):
                h = trunk(x)
                loss_left, loss_right = left(h).pow(2).mean(), (right(h) - 1).pow(2).mean()
                opt_left.zero_grad()
                loss_left.backward(retain_graph=True)
                opt_left.step()
                opt_right.zero_grad()
                loss_right.backward()
                opt_right.step()
            return [trunk, left, right]
        """,
        "trunk(x)", "opt_left.step()", "loss_right.backward()",
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
    "mutual_learning": program(
        """
        def main():
            left, right = mlp(4, 3), mlp(4, 3)
            opt_left = torch.optim.SGD(left.parameters(), lr=0.1)
            opt_right = torch.optim.SGD(right.parameters(), lr=0.1)
            for x in torch.randn(2, 5, 4):
                a, b = left(x), right(x)
                loss_left = a.pow(2).mean() + F.mse_loss(a, b)
                loss_right = (b - 1).pow(2).mean() + F.mse_loss(b, a)
                opt_left.zero_grad()
                loss_left.backward(retain_graph=True)
                opt_left.step()
                opt_right.zero_grad()
                loss_right.backward()
                opt_right.step()
            return [left, right]
        """,
        "left(x)", "opt_left.step()", "loss_right.backward()",
    ),
    "by_hand_past_autograd": program(
        """
        def step(parameters, rate):
            for p in parameters:
                if p.grad is not None:
                    p.data -= rate * p.grad
                    p.grad = None


        def main():
            body, near, far = mlp(3, 4), nn.Linear(4, 1), nn.Linear(4, 1)
            for x in torch.randn(2, 5, 3):
                h = body(x)
                near_loss, far_loss = near(h).pow(2).mean(), (far(h) - 1).pow(2).mean()
                near_loss.backward(retain_graph=True)
                step([*body.parameters(), *near.parameters()], 0.1)
                far_loss.backward()
                step([*body.parameters(), *far.parameters()], 0.1)
            return [body, near, far]
        """,
        "body(x)", ["p.data -= rate * p.grad", "step([*body.parameters(), *near.parameters()], 0.1)"],
        "far_loss.backward()", rule="FIP301", by="operator",
    ),
    "decay_in_a_helper": program(
        """
        def shrink(rate, model):
            for name, p in model.named_parameters():
                if "weight" in name:
                    p.data.mul_(1 - rate)


        def main():
            net = mlp(3, 2)
            for x in torch.randn(2, 5, 3):
                net.zero_grad()
                loss = net(x).pow(2).mean()
                shrink(0.1, net)
                loss.backward()
                for p in net.parameters():
                    p.data.sub_(p.grad)
            return [net]
        """,
        "net(x)", ["p.data.mul_(1 - rate)", "shrink(0.1, net)"], "loss.backward()", rule="FIP301", by="operator",
    ),
    "climb_and_return": program(
        """
        class Ascent:
            def __init__(self, parameters):
                self.parameters, self.moves = list(parameters), []

            @torch.no_grad()
            def climb(self):
                self.moves = [0.5 * p.grad for p in self.parameters]
                for p, move in zip(self.parameters, self.moves):
                    p.add_(move)

            @torch.no_grad()
            def come_back(self):
                for p, move in zip(self.parameters, self.moves):
                    p.sub_(move)


        def main():
            net = mlp(3, 2)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            ascent = Ascent(net.parameters())
            for x in torch.randn(2, 5, 3):
                loss = net(x).pow(2).mean()
                optimizer.zero_grad()
                loss.backward(retain_graph=True)
                ascent.climb()
                optimizer.zero_grad()
                loss.backward()
                ascent.come_back()
                optimizer.step()
            return [net]
        """,
        "net(x)", ["p.add_(move)", "ascent.climb()"], "loss.backward()", by="operator",
    ),
    "climb_cleared_by_an_optimizer": program(
        """
        def main():
            net = mlp(3, 2)
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            for x in torch.randn(2, 5, 3):
                loss = net(x).pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                with torch.no_grad():
                    moves = [0.5 * p.grad for p in net.parameters()]
                    for p, move in zip(net.parameters(), moves):
                        p.add_(move)
                opt.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for p, move in zip(net.parameters(), moves):
                        p.sub_(move)
                opt.step()
            return [net]
        """,
        "net(x)", "p.add_(move)", "loss.backward()", by="operator",
    ),
}  # fmt: skip
