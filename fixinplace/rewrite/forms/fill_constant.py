"""`x.zero_()`: `x = torch.zeros_like(x)`; `x.fill_(v)`: `x = torch.full_like(x, v)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.model import Place, Refused
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.values import function, method, operand, rest

_NAMES = ("zero_", "fill_")


def _takes(case: Case, node: Node) -> bool:
    known = isinstance(node, cst.Call) and _name(case) in _NAMES
    return known and case.facts.place not in (Place.SUBSCRIPT, Place.VIEW)


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
    if not given:
        return function(f"{torch}.zeros_like", filled)
    if _is_number(given[0].value):
        return function(f"{torch}.full_like", filled, given[0].value)
    return function(f"{torch}.fill", filled, given[0].value)


def _name(case: Case) -> str:
    return case.writer.name.rpartition(".")[2]


def _is_number(node: cst.BaseExpression) -> bool:
    """True for a literal number, with or without a sign."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus | cst.Plus):
        return _is_number(node.expression)
    return isinstance(node, cst.BaseNumber)


def _is_exact(case: Case, node: Node) -> bool:
    """`torch.fill` and a filled clone keep the (zero) gradient of the old tensor; the `_like` forms cut it."""
    given = rest(case, node)
    return case.facts.torch is None or (bool(given) and not _is_number(given[0].value))


REWRITE = Rewrite(
    name="fill",
    rules=("FIP114",),
    what="`x.zero_()` becomes `x = torch.zeros_like(x)`, `x.fill_(2.0)` becomes `x = torch.full_like(x, 2.0)`, and "
    "`x.fill_(v)` becomes `x = torch.fill(x, v)`, through which a tensor `v` gets its gradient.",
    why="A fill overwrites a tensor that earlier ops may have kept for their backward.",
    safety="Filled with a literal number: never called safe. In place, the result still requires grad, with a gradient "
    "of zeros for what was there before; a new tensor of constants has none. `torch.fill` keeps that too.",
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
                y = torch.zeros_like(y)
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
    exact=_is_exact,
)
