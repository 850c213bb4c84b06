"""`x += e` on a name: `x = x + e`."""

from __future__ import annotations

import libcst as cst

from fixinplace.model import Place
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.lines import expression
from fixinplace.rewrite.precedence import right_operand
from fixinplace.rewrite.values import kept_dtype

OPERATORS: dict[type[cst.BaseAugOp], type[cst.BaseBinaryOp]] = {
    cst.AddAssign: cst.Add,
    cst.SubtractAssign: cst.Subtract,
    cst.MultiplyAssign: cst.Multiply,
    cst.DivideAssign: cst.Divide,
    cst.FloorDivideAssign: cst.FloorDivide,
    cst.ModuloAssign: cst.Modulo,
    cst.PowerAssign: cst.Power,
    cst.LeftShiftAssign: cst.LeftShift,
    cst.RightShiftAssign: cst.RightShift,
    cst.BitAndAssign: cst.BitAnd,
    cst.BitOrAssign: cst.BitOr,
    cst.BitXorAssign: cst.BitXor,
}
"""All but `@=`, which binds a new tensor already."""


def _takes(case: Case, node: Node) -> bool:
    known = isinstance(node, cst.AugAssign) and type(node.operator) in OPERATORS
    return known and case.facts.place in (Place.NAME, Place.ATTRIBUTE)


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    assert isinstance(node, cst.AugAssign) and case.target is not None
    operator = OPERATORS[type(node.operator)]()
    value = cst.BinaryOperation(expression(case.target), operator, right_operand(operator, node.value))
    return kept_dtype(case, value)


REWRITE = Rewrite(
    name="operator",
    rules=("FIP101", "FIP102"),
    what="`x op= e` becomes `x = x op e`, for a name and for an attribute of names.",
    why="`x op= e` writes into the tensor that earlier ops may have kept for their backward; `x = x op e` leaves that "
    "tensor as it is and binds the name to a new one.",
    safety="Safe if nobody else looks at the tensor. Where operands may have a wider dtype, the result is cast to "
    "`x.dtype`, as the in-place form does; its gradient is then rounded elsewhere, so that this is not called safe. "
    "With `--verify off`, sums of which only a dtype is in doubt get that cast too, and are safe: no gradient "
    "flows to their `e`.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = torch.exp(x)
                y /= y.sum() + 1
                return y
            """,
            """
            import torch


            def f(x):
                y = torch.exp(x)
                y = y / (y.sum() + 1)
                return y
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
)
