"""`h += 1` after `pair = [h, x]`: `h = h + 1`, `pair[0] = h`."""

from __future__ import annotations

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example


def _edit(case: Case, node: Node) -> Node:
    return node


REWRITE = Rewrite(
    name="held-places",
    rules=("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109"),
    what="A write to a tensor that a list or a tuple holds in a place that is written down, `pair = [h, x]`, makes a "
    "new tensor and puts it there: `pair[0] = h`. A view that was put in is made again, and a tuple is built anew from "
    "what it holds. In the other direction `pair[0] += 1` is followed by `h = pair[0]`.",
    why="Whoever reads the place later looks at what is written.",
    safety="Safe where the name is not bound anew behind that line, the list never is, and it is only read otherwise.",
    examples=(
        example(
            """
            import torch


            def f(x):
                h = x.exp()
                pair = [h, x]
                h += 1
                return pair[0] * pair[1]
            """,
            """
            import torch


            def f(x):
                h = x.exp()
                pair = [h, x]
                h = h + 1
                pair[0] = h
                return pair[0] * pair[1]
            """,
        ),
        example(
            """
            import torch


            def f(x):
                h = torch.tanh(x)
                parts = (h, x, h[1:])
                h.mul_(2)
                return parts[0].sum() + (parts[2] ** 2).sum()
            """,
            """
            import torch


            def f(x):
                h = torch.tanh(x)
                parts = (h, x, h[1:])
                h = h.mul(2)
                parts = (h, parts[1], h[1:])
                return parts[0].sum() + (parts[2] ** 2).sum()
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=lambda case, node: False,
    edit=_edit,
    cost="one more tensor of the target's size is alive",
)
