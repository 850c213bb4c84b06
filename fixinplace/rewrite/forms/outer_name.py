"""`def grow(): y.add_(1)` inside a function: `nonlocal y`, `y = y.add(1)`."""

from __future__ import annotations

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example


def _edit(case: Case, node: Node) -> Node:
    return node


REWRITE = Rewrite(
    name="outer-name",
    rules=("FIP104", "FIP105", "FIP106"),
    what="A nested function that writes a tensor of the function around it declares the name `nonlocal`, and binds it: "
    "`y.add_(1)` becomes `y = y.add(1)`.",
    why="All functions that read the name read one variable, and so see the new tensor.",
    safety="Offered where that variable is all that anybody has of the tensor, and the nested function is only called, "
    "by its name, in statements of their own. What an enclosing function holds is a guess: a run proves it.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()

                def grow():
                    y.add_(1)

                grow()
                return y * 2
            """,
            """
            import torch


            def f(x):
                y = x.exp()

                def grow():
                    nonlocal y
                    y = y.add(1)

                grow()
                return y * 2
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=lambda case, node: False,
    edit=_edit,
    cost="one more tensor of the target's size is alive",
)
