"""`h += 1` after `skips.append(h)`: `h = h.clone()` before the list gets it."""

from __future__ import annotations

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example


def _edit(case: Case, node: Node) -> Node:
    return node


REWRITE = Rewrite(
    name="clone-earlier",
    rules=("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109", "FIP113", "FIP114"),
    what="A tensor that a container, another name or a view has got before it is written is cloned on a line before "
    "that: `h = h.clone()`, `skips.append(h)`, and the write stays as it is.",
    why="All who share the tensor go on sharing one memory, the clone's, and see the write. What earlier ops have kept "
    "is the old tensor, which nobody writes.",
    safety="Safe where the tensor was made by an assignment to the name that is cloned, and nobody else had it yet. "
    "Refused where something computes with the tensor between the clone and the write.",
    examples=(
        example(
            """
            import torch


            def f(x):
                skips = []
                for n in range(2):
                    x = torch.sigmoid(x)
                    skips.append(x)
                    x += n
                return sum(skips)
            """,
            """
            import torch


            def f(x):
                skips = []
                for n in range(2):
                    x = torch.sigmoid(x)
                    x = x.clone()
                    skips.append(x)
                    x += n
                return sum(skips)
            """,
        ),
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                if len(x) > 2:
                    row = y[0]
                else:
                    row = y[1]
                row.mul_(3)
                return y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                y = y.clone()
                if len(x) > 2:
                    row = y[0]
                else:
                    row = y[1]
                row.mul_(3)
                return y
            """,
        ),
    ),
    effect=Effect.COPY,
    takes=lambda case, node: False,
    edit=_edit,
    cost="one copy of the tensor",
)
