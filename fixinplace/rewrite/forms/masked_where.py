"""`x[mask] = y[mask]`: `x = torch.where(mask, y, x)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.lines import expression
from fixinplace.rewrite.masks import masked
from fixinplace.rewrite.values import function, kept_dtype


def _takes(case: Case, node: Node) -> bool:
    store = masked(case, node)
    return store is not None and store.source is not None and case.facts.torch is not None


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    store = masked(case, node)
    assert store is not None and store.source is not None and case.target is not None
    return kept_dtype(case, function(f"{case.facts.torch}.where", store.mask, store.source, expression(case.target)))


REWRITE = Rewrite(
    name="masked-where",
    rules=("FIP109",),
    what="`x[mask] = y[mask]` becomes `x = torch.where(mask, y, x)`, for one and the same mask on both sides.",
    why="A store into a mask writes into a tensor that earlier ops may have kept for their backward.",
    safety="Never called safe: `y` is taken to have the shape of `x`, of which only a run can be sure.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y[y > 1] = z[y > 1]
                return z + y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y = torch.where(y > 1, z, y)
                return z + y
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
    exact=lambda case, node: False,
)
