"""`x.fill_diagonal_(v)`: `x = x.clone().fill_diagonal_(v)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.model import Place
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.values import method, operand


def _takes(case: Case, node: Node) -> bool:
    known = isinstance(node, cst.Call) and case.writer.name == "Tensor.fill_diagonal_"
    return known and case.facts.place not in (Place.SUBSCRIPT, Place.SLOT, Place.VIEW)


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    assert isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)
    return node.with_changes(func=node.func.with_changes(value=method(operand(case, node), "clone")))


REWRITE = Rewrite(
    name="fill-diagonal",
    rules=("FIP114",),
    what="`x.fill_diagonal_(v)` becomes `x = x.clone().fill_diagonal_(v)`.",
    why="The diagonal of a tensor that earlier ops may have kept is overwritten; torch has no such op out of place.",
    safety="Safe if nobody else looks at the tensor: nothing can have kept the clone yet.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y.fill_diagonal_(0.0)
                return z @ y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y = y.clone().fill_diagonal_(0.0)
                return z @ y
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
)
