"""Several tasks on one trunk, each with an optimizer over the trunk and its own head, in a loop."""

from __future__ import annotations

from choosing import program

_SAVE, _NEEDED = "trunk(x)", "loss.backward(retain_graph=True)"
PROGRAMS = {
    "tasks_in_a_dict": program(
        """
        def main():
            names = ["left", "right"]
            trunk, heads = mlp(4, 4), nn.ModuleDict({name: mlp(4, 1) for name in names})
            optimizers = {
                name: torch.optim.SGD([*trunk.parameters(), *heads[name].parameters()], lr=0.1) for name in names
            }
            for x in torch.randn(2, 5, 4):
                h = trunk(x)
                for n, name in enumerate(names):
                    loss = (heads[name](h) - n).pow(2).mean()
                    optimizers[name].zero_grad()
                    loss.backward(retain_graph=True)
                    optimizers[name].step()
            return [trunk, heads]
        """,
        _SAVE, "optimizers[name].step()", _NEEDED,
    ),
    "tasks_in_a_list": program(
        """
        def main():
            trunk, heads = mlp(4, 4), nn.ModuleList([mlp(4, 1), mlp(4, 1)])
            optimizers = [torch.optim.SGD([*trunk.parameters(), *h.parameters()], lr=0.1) for h in heads]
            for x in torch.randn(2, 5, 4):
                h = trunk(x)
                losses = [(head(h) - n).pow(2).mean() for n, head in enumerate(heads)]
                for loss, optimizer in zip(losses, optimizers):
                    optimizer.zero_grad()
                    loss.backward(retain_graph=True)
                    optimizer.step()
            return [trunk, heads]
        """,
        _SAVE, "optimizer.step()", _NEEDED,
    ),
    "tasks_written_out": program(
        """
        def main():
            trunk, left, right = mlp(4, 4), mlp(4, 1), mlp(4, 1)
            shared = list(trunk.parameters())
            opts = {
                "left": torch.optim.SGD(shared + list(left.parameters()), lr=0.1),
                "right": torch.optim.SGD(shared + list(right.parameters()), lr=0.1),
            }
            for x in torch.randn(2, 5, 4):
                h = trunk(x)
                heads = {"left": left, "right": right}
                for key, opt in opts.items():
                    loss = (heads[key](h) - 1).pow(2).mean()
                    opt.zero_grad()
                    loss.backward(retain_graph=True)
                    opt.step()
            return [trunk, left, right]
        """,
        _SAVE, "opt.step()", _NEEDED,
    ),
    "tasks_with_one_optimizer": program(
        """
        def main():
            names = ["left", "right"]
            trunk, heads = mlp(4, 4), nn.ModuleDict({name: mlp(4, 1) for name in names})
            optimizer = torch.optim.SGD([*trunk.parameters(), *heads.parameters()], lr=0.1)
            for x in torch.randn(2, 5, 4):
                h = trunk(x)
                losses = {name: (heads[name](h) - n).pow(2).mean() for n, name in enumerate(names)}
                for name in names:
                    optimizer.zero_grad()
                    losses[name].backward(retain_graph=True)
                    torch.nn.utils.clip_grad_norm_(trunk.parameters(), 1.0)
                    optimizer.step()
            return [trunk, heads]
        """,
        _SAVE, "optimizer.step()", "losses[name].backward(retain_graph=True)",
    ),
}  # fmt: skip

# A choice for the first two leaves the third.
THREE = program(
    """
    def main():
        trunk, left, right, last = mlp(4, 4), mlp(4, 1), mlp(4, 1), mlp(4, 1)
        opt_left = torch.optim.SGD([*trunk.parameters(), *left.parameters()], lr=0.1)
        opt_right = torch.optim.SGD([*trunk.parameters(), *right.parameters()], lr=0.1)
        opt_last = torch.optim.SGD([*trunk.parameters(), *last.parameters()], lr=0.1)
        for x in torch.randn(2, 5, 4):
            h = trunk(x)
            loss_left, loss_right = left(h).pow(2).mean(), (right(h) - 1).pow(2).mean()
            loss_last = last(h).sin().mean()
            opt_left.zero_grad()
            loss_left.backward(retain_graph=True)
            opt_left.step()
            opt_right.zero_grad()
            loss_right.backward(retain_graph=True)
            opt_right.step()
            opt_last.zero_grad()
            loss_last.backward()
            opt_last.step()
        return [trunk, left, right, last]
    """,
    _SAVE, "opt_left.step()", "loss_right.backward(retain_graph=True)",
)  # fmt: skip
