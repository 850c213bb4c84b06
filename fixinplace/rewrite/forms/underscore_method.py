"""`x.add_(e)`: `x = x.add(e)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.catalogue import Form
from fixinplace.model import Refused
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.kin import has_value
from fixinplace.rewrite.values import cast, kept_dtype, no_name_to_cast

_FORMS = (Form.SAME, Form.CAST)
_CUMULATIVE = ("Tensor.cumsum_", "Tensor.cumprod_")
"""Out of place these widen integers and nothing else; cast back they are what wraps around in place."""
_WITHOUT_DERIVATIVE = "Tensor.logical_"
"""Autograd does not record `x.logical_and_(y)`: the gradient of the result goes to the old `x` as if it were that."""


def _takes(case: Case, node: Node) -> bool:
    method = isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)
    return method and case.writer.form in _FORMS and has_value(case)


def _refusal(case: Case, node: Node) -> Refused | None:
    if case.writer.name.startswith(_WITHOUT_DERIVATIVE):
        return Refused("no-counterpart", "torch lets the gradient pass the write unchanged: there is no right gradient")
    return no_name_to_cast(case) if case.writer.form is Form.CAST or case.facts.mixed else None


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    assert isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)
    plain = (case.writer.counterpart or "").rpartition(".")[2]
    value = node.with_changes(func=node.func.with_changes(attr=cst.Name(plain)))
    return cast(case, value) if case.writer.form is Form.CAST else kept_dtype(case, value)


REWRITE = Rewrite(
    name="method",
    rules=("FIP104",),
    what="`x.add_(e)` becomes `x = x.add(e)`; `r = x.add_(e)` becomes `x = r = x.add(e)` if `x` is read later, and "
    "`r = x.add(e)` if not; inside an expression the new value gets a line of its own before.",
    why="A method ending in `_` writes into its tensor, which earlier ops may have kept for their backward.",
    safety="Safe if nobody else looks at the tensor. Comparisons, logical and cumulative methods give another dtype "
    "out of place: their result is always cast, and only that of cumulative ones called safe. In-place logical "
    "methods on a tensor that requires grad are refused: autograd does not record them, so that no gradient is right.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.sigmoid()
                y.mul_(2).add_(x)
                return y
            """,
            """
            import torch


            def f(x):
                y = x.sigmoid()
                y = y.mul(2).add(x)
                return y
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    exact=lambda case, node: case.writer.form is Form.SAME or case.writer.name in _CUMULATIVE,
)
