"""`F.relu(x, inplace=True)`: `x = F.relu(x)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.model import Refused
from fixinplace.rewrite.arguments import flag, is_true, switched_off, without
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.conditions import draws_the_same
from fixinplace.rewrite.kin import has_value


def _takes(case: Case, node: Node) -> bool:
    return isinstance(node, cst.Call) and has_value(case)


def _refusal(case: Case, node: Node) -> Refused | None:
    assert isinstance(node, cst.Call)
    index = flag(node, case.writer)
    if index is None or not (case.facts.perhaps or is_true(node.args[index].value)):
        return Refused("unknown-op", "whether the call writes in place is decided by a value that is not known here")
    return None


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    assert isinstance(node, cst.Call)
    index = flag(node, case.writer)
    assert index is not None
    return without(node, index) or switched_off(node, index)


REWRITE = Rewrite(
    name="inplace-argument",
    rules=("FIP106",),
    what="`F.relu(x, inplace=True)` becomes `x = F.relu(x)`; `r = F.relu(x, inplace=True)` becomes `x = r = F.relu(x)` "
    "if `x` is read later, and `r = F.relu(x)` if not.",
    why="With `inplace` the function writes into its argument, which earlier ops may have kept for their backward.",
    safety="Safe if nobody else looks at the tensor. Dropout is too, and the report says "
    "that other devices than the processor may draw other numbers; `rrelu` never is.",
    examples=(
        example(
            """
            import torch
            import torch.nn.functional as F


            def f(x):
                y = torch.tanh(x)
                F.relu(y, inplace=True)
                return y
            """,
            """
            import torch
            import torch.nn.functional as F


            def f(x):
                y = torch.tanh(x)
                y = F.relu(y)
                return y
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    exact=lambda case, node: draws_the_same(case.writer),
)
