"""`hs[i] += e` on a tensor in a list or a dict: `hs[i] = hs[i] + e`."""

from __future__ import annotations

import libcst as cst

from fixinplace.model import Place
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.forms.augmented_assignment import OPERATORS
from fixinplace.rewrite.precedence import right_operand
from fixinplace.rewrite.values import kept_dtype


def _takes(case: Case, node: Node) -> bool:
    known = isinstance(node, cst.AugAssign) and type(node.operator) in OPERATORS
    return known and case.facts.place is Place.ITEM


def _edit(case: Case, node: Node) -> cst.Assign:
    assert isinstance(node, cst.AugAssign) and isinstance(node.target, cst.Subscript)
    operator = OPERATORS[type(node.operator)]()
    # libcst's base class of these operators declares no fields; each concrete one has both.
    before, after = node.operator.whitespace_before, node.operator.whitespace_after  # type: ignore[attr-defined]
    value = kept_dtype(case, cst.BinaryOperation(node.target, operator, right_operand(operator, node.value)))
    return cst.Assign([cst.AssignTarget(node.target, before, after)], value)


REWRITE = Rewrite(
    name="container-place",
    rules=("FIP103",),
    what="`hs[i] op= e`, where `hs` is a list or a dict of tensors, becomes `hs[i] = hs[i] op e`.",
    why="`hs[i] op= e` writes into the tensor that lies there, which earlier ops may have kept for their backward; the "
    "place of the list can hold a new tensor instead.",
    safety="Safe where the container is made in the function, nothing else holds the tensor, and each of its places is "
    "known to hold a tensor of its own: a display, or a comprehension whose element computes something.",
    examples=(
        example(
            """
            import torch


            def f(x):
                hs = [torch.tanh(x * k) for k in (1, 2)]
                hs[0] += hs[1]
                return hs[0] * hs[1]
            """,
            """
            import torch


            def f(x):
                hs = [torch.tanh(x * k) for k in (1, 2)]
                hs[0] = hs[0] + hs[1]
                return hs[0] * hs[1]
            """,
        ),
    ),
    effect=Effect.REPLACE,
    takes=_takes,
    edit=_edit,
    cost="one more tensor of {target}'s size is alive",
)
