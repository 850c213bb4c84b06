"""`row += v` for a view that cannot be put back: `x = x.clone()` and `row = x[0, 1]` on lines before."""

from __future__ import annotations

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.kin import must_clone


def _edit(case: Case, node: Node) -> Node:
    return node


REWRITE = Rewrite(
    name="clone-base",
    rules=("FIP101", "FIP104", "FIP105", "FIP106", "FIP113", "FIP114"),
    what="`v += e`, where `v` is a view of `x` and `x` is read later, gets `x = x.clone()` and the view of that on "
    "lines before, and stays as it is. It is the last resort: where the new value can be put back into `x`, by a "
    "scatter or by the inverse view, that is done. So does a write into `x.float()`, `x.to(...)`, `x.contiguous()` or "
    "`x.reshape(...)`, which may be `x` itself, a view or a copy: made of the clone it is again what it was.",
    why="The write goes into a new tensor, so that what earlier ops have kept stays as it was, and who looked at the "
    "old one looks at the new one.",
    safety="Safe if nobody but the names that are made anew looks at the tensor. Refused in loops, where a clone in "
    "each round would make the cost quadratic.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                part = y[0, 1:]
                part += 1
                return y * 2
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                part = y[0, 1:]
                y = y.clone()
                part = y[0, 1:]
                part += 1
                return y * 2
            """,
        ),
    ),
    effect=Effect.COPY,
    takes=lambda case, node: must_clone(case),
    edit=_edit,
    cost="one copy of what {target} is a view of",
    overrides=True,
)
