"""`for h in hs: h.mul_(2)` over a list of tensors: `for i, h in enumerate(hs): hs[i] = h.mul(2)`."""

from __future__ import annotations

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example


def _edit(case: Case, node: Node) -> Node:
    return node


REWRITE = Rewrite(
    name="loop-places",
    rules=("FIP101", "FIP104", "FIP105", "FIP106"),
    what="A loop over a list or a dict of tensors that writes them through its variable binds each place to the new "
    "tensor: `for h in hs: h.mul_(2)` becomes `for i, h in enumerate(hs): hs[i] = h.mul(2)`, and "
    "`for h in table.values()` goes over `table.items()`.",
    why="The tensors may be what earlier ops have kept for their backward; the places of the list can hold new ones.",
    safety="Safe where the container is made in the function, the loop does not touch it otherwise, nobody else who "
    "has the tensors looks at them later, and each of its places is known to hold a tensor of its own.",
    examples=(
        example(
            """
            import torch


            def f(x):
                hs = [torch.tanh(x * k) for k in (1, 2)]
                for h in hs:
                    h += 1
                return hs[0] * hs[1]
            """,
            """
            import torch


            def f(x):
                hs = [torch.tanh(x * k) for k in (1, 2)]
                for i, h in enumerate(hs):
                    hs[i] = h + 1
                return hs[0] * hs[1]
            """,
        ),
        example(
            """
            import torch


            def f(x):
                table = {"a": x.exp(), "b": torch.tanh(x)}
                for h in table.values():
                    h.mul_(2).add_(1)
                return table["a"] * table["b"]
            """,
            """
            import torch


            def f(x):
                table = {"a": x.exp(), "b": torch.tanh(x)}
                for key, h in table.items():
                    table[key] = h.mul(2).add(1)
                return table["a"] * table["b"]
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=lambda case, node: False,
    edit=_edit,
    cost="one more tensor of the size of each in the loop is alive",
)
