"""`y += 1` where `x` may be `y`: `old = y`, `y = y + 1`, `x = y if x is old else x`."""

from __future__ import annotations

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example


def _edit(case: Case, node: Node) -> Node:
    return node


ASSUMES = "code that cannot be seen here returns the tensor that it is given, or something new, but no view of it"
"""What is assumed where a name may stand for what such code returned."""

REWRITE = Rewrite(
    name="ask-names",
    rules=("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109", "FIP113", "FIP114"),
    what="A write to a tensor that another name is on some ways only (`y = x if fast else x.clone()`) makes a new "
    "tensor, and the other name is bound to it if it stood for the old one: `x = y if x is old else x`.",
    why="On the ways where the two are one tensor, whoever reads the other name looks at what is written.",
    safety="Safe where both names are the function's own and bound for certain, and no view has made any of them: then "
    "they stand for the very tensor, or for two that share nothing.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                z = y if len(x) > 2 else y.clone()
                z += 1
                return y * z
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                z = y if len(x) > 2 else y.clone()
                old = z
                z = z + 1
                y = z if y is old else y
                return y * z
            """,
        ),
        example(
            """
            import torch


            def f(x):
                y = torch.tanh(x)
                z = y
                if len(x) > 3:
                    z = z * 2
                z[0] = 1
                return y * z
            """,
            """
            import torch


            def f(x):
                y = torch.tanh(x)
                z = y
                if len(x) > 3:
                    z = z * 2
                old = z
                z = z.clone()
                z[0] = 1
                y = z if y is old else y
                return y * z
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=lambda case, node: False,
    edit=_edit,
    cost="one more tensor of the target's size is alive, and so is the old one",
)
