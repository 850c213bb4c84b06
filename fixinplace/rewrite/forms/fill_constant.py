"""`x.zero_()`: `x = torch.fill(x, 0)`; `x.fill_(v)`: `x = torch.fill(x, v)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.model import Place, Refused
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.values import function, method, operand, rest

_NAMES = ("zero_", "fill_")


def _takes(case: Case, node: Node) -> bool:
    known = isinstance(node, cst.Call) and _name(case) in _NAMES
    return known and case.facts.place not in (Place.SUBSCRIPT, Place.SLOT, Place.VIEW)


def _refusal(case: Case, node: Node) -> Refused | None:
    given = rest(case, node)
    expected = 0 if _name(case) == "zero_" else 1
    if len(given) != expected or any(arg.star for arg in given):
        return Refused("no-counterpart", "the call has arguments that its out-of-place counterpart does not take")
    return None


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    filled, given, torch = operand(case, node), rest(case, node), case.facts.torch
    if torch is None:
        return method(method(filled, "clone"), _name(case), *(arg.value for arg in given))
    return function(f"{torch}.fill", filled, given[0].value if given else cst.Integer("0"))


def _name(case: Case) -> str:
    return case.writer.name.rpartition(".")[2]


REWRITE = Rewrite(
    name="fill",
    rules=("FIP114",),
    what="`x.zero_()` becomes `x = torch.fill(x, 0)`, and `x.fill_(v)` becomes `x = torch.fill(x, v)`, through which "
    "a tensor `v` gets its gradient.",
    why="A fill overwrites a tensor that earlier ops may have kept for their backward.",
    safety="Safe if nobody else looks at the tensor. In place, the result still requires grad, with zeros as the "
    "gradient of what was there before; `torch.fill` keeps that, where `torch.zeros_like` would leave no gradient.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = torch.exp(x)
                z = y * x
                y.zero_()
                return z + y
            """,
            """
            import torch


            def f(x):
                y = torch.exp(x)
                z = y * x
                y = torch.fill(y, 0)
                return z + y
            """,
        ),
        example(
            """
            import torch


            def f(x):
                y = torch.exp(x)
                z = y * x
                y.fill_(x.sum())
                return z + y
            """,
            """
            import torch


            def f(x):
                y = torch.exp(x)
                z = y * x
                y = torch.fill(y, x.sum())
                return z + y
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
)
