"""`x[mask] = 0`: `x = x.masked_fill(mask, 0)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.lines import expression
from fixinplace.rewrite.masks import Masked, masked
from fixinplace.rewrite.values import method


def applies(case: Case, store: Masked) -> bool:
    """A number that can be evaluated after the index as well as before it."""
    return case.facts.scalar and store.plain_value


def _takes(case: Case, node: Node) -> bool:
    store = masked(case, node)
    return store is not None and applies(case, store)


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    store = masked(case, node)
    assert store is not None and case.target is not None
    return method(expression(case.target), "masked_fill", store.mask, store.value)


REWRITE = Rewrite(
    name="masked-fill",
    rules=("FIP109",),
    what="`x[mask] = 0` becomes `x = x.masked_fill(mask, 0)`.",
    why="A store into a mask writes into a tensor that earlier ops may have kept for their backward.",
    safety="Safe if nobody else looks at the tensor, where the mask certainly has the tensor's shape.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y[y > 1] = 0.5
                return z + y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y = y.masked_fill(y > 1, 0.5)
                return z + y
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
)
