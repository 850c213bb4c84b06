"""`x.cumsum_(0)`: `x = x.clone()` on a line before, where only that is the same for certain."""

from __future__ import annotations

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.forms import clone_first


def _takes(case: Case, node: Node) -> bool:
    return case.facts.cloned and case.target is not None


REWRITE = Rewrite(
    name="clone-whole",
    rules=("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109", "FIP113"),
    what="With `--verify off`, `x.masked_fill_(m, v)` gets `x = x.clone()` on a line before and stays as it is, where "
    "the out-of-place form might give other strides, or promote what it gives to another dtype.",
    why="The write goes into a new tensor, so that what earlier ops have kept stays as it was. A run would prove the "
    "shorter form; a clone has the strides and the dtype of its tensor, and the same op writes it.",
    safety="Safe if nobody else looks at the tensor, and no operand is a view of it. Not in loops.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = torch.exp(x).t()
                z = y * y
                y.masked_fill_(x > 0, 0.5)
                return (z @ y).t().contiguous()
            """,
            """
            import torch


            def f(x):
                y = torch.exp(x).t()
                z = y * y
                y = y.clone()
                y.masked_fill_(x > 0, 0.5)
                return (z @ y).t().contiguous()
            """,
            run=False,
        ),
    ),
    effect=Effect.COPY,
    takes=_takes,
    edit=clone_first.REWRITE.edit,
    exact=clone_first.REWRITE.exact,
    cost="one copy of {target}",
    overrides=True,
)
