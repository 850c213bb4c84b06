"""`torch._foreach_add_([a, b], 1)`: `a, b = torch._foreach_add([a, b], 1)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.model import Refused
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.values import renamed


def _takes(case: Case, node: Node) -> bool:
    return isinstance(node, cst.Call) and case.facts.each


def _refusal(case: Case, node: Node) -> Refused | None:
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return Refused("no-counterpart", f"`{case.writer.counterpart}` has no name here, and no import is added")
    if case.facts.mixed:
        return Refused("dtype-may-change", "the results must be cast to the dtypes of the tensors that they replace")
    return None


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    value = renamed(case, node)
    assert value is not None
    return value


REWRITE = Rewrite(
    name="foreach",
    rules=("FIP115",),
    what="`torch._foreach_add_([a, b], 1)` becomes `a, b = torch._foreach_add([a, b], 1)`, and of a list `hs` that the "
    "function has made itself, `hs[:] = torch._foreach_add(hs, 1)`.",
    why="One call writes all of the tensors, which earlier ops may have kept for their backward.",
    safety="Safe where the names, or the places of the list, hold a tensor of their own each, nobody else looks at "
    "these later, and the operands are none of them.",
    examples=(
        example(
            """
            import torch


            def f(x):
                a, b = x.exp(), torch.tanh(x)
                torch._foreach_add_([a, b], 1)
                return a * b
            """,
            """
            import torch


            def f(x):
                a, b = x.exp(), torch.tanh(x)
                a, b = torch._foreach_add([a, b], 1)
                return a * b
            """,
        ),
        example(
            """
            import torch


            def f(x):
                hs = [x.exp(), torch.tanh(x)]
                torch._foreach_mul_(hs, 2)
                return hs[0] * hs[1]
            """,
            """
            import torch


            def f(x):
                hs = [x.exp(), torch.tanh(x)]
                hs[:] = torch._foreach_mul(hs, 2)
                return hs[0] * hs[1]
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    cost="one more tensor of the size of each is alive",
)
