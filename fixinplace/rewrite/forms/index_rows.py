"""`for row in x: row.mul_(2)`: `for i in range(len(x)): x[i].mul_(2)`."""

from __future__ import annotations

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example


def _edit(case: Case, node: Node) -> Node:
    return node


REWRITE = Rewrite(
    name="index-rows",
    rules=("FIP101", "FIP104"),
    what="A loop over a tensor that does nothing but write its variable goes by index, after one clone: "
    "`for row in x: row.mul_(2)` becomes `for i in range(len(x)): x[i].mul_(2)`.",
    why="The rows are views that one call gave: torch refuses to write them, and a new row would not reach `x`.",
    safety="Safe if nobody else looks at the tensor.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                for row in y:
                    row.mul_(2)
                return y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                y = y.clone()
                for i in range(len(y)):
                    y[i].mul_(2)
                return y
            """,
        ),
    ),
    effect=Effect.COPY,
    takes=lambda case, node: False,
    edit=_edit,
    cost="one copy of what the loop goes over",
)
