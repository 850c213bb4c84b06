"""`torch.relu_(x)`: `x = torch.relu(x)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.catalogue import Form
from fixinplace.model import Refused
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.conditions import draws_the_same
from fixinplace.rewrite.kin import has_value
from fixinplace.rewrite.values import cast, kept_dtype, no_name_to_cast, renamed

_FORMS = (Form.SAME, Form.CAST)


def _takes(case: Case, node: Node) -> bool:
    return isinstance(node, cst.Call) and case.writer.form in _FORMS and has_value(case)


def _refusal(case: Case, node: Node) -> Refused | None:
    if renamed(case, node) is None:
        return Refused("no-counterpart", f"`{case.writer.counterpart}` has no name here, and no import is added")
    if _passes_more(node, case.writer.shared):
        return Refused("no-counterpart", f"`{case.writer.counterpart}` does not take all of these arguments")
    return no_name_to_cast(case) if case.writer.form is Form.CAST or case.facts.mixed else None


def _passes_more(node: Node, shared: tuple[str, ...]) -> bool:
    """True if the call has, or may have, arguments that mean something else to the counterpart."""
    if not shared or not isinstance(node, cst.Call):
        return False
    positional = [arg for arg in node.args if arg.keyword is None]
    named = {arg.keyword.value for arg in node.args if arg.keyword is not None}
    return len(positional) > len(shared) or not named <= {*shared} or any(arg.star for arg in node.args)


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    value = renamed(case, node)
    assert value is not None
    return cast(case, value) if case.writer.form is Form.CAST else kept_dtype(case, value)


REWRITE = Rewrite(
    name="function",
    rules=("FIP105",),
    what="`torch.relu_(x)` becomes `x = torch.relu(x)`, and its value is used as that of a method is. Where the "
    "function was imported by name, the method `x.relu()` says it, or else the full path from `torch`.",
    why="A function ending in `_` writes into its argument, which earlier ops may have kept for their backward.",
    safety="Safe if nobody else looks at the tensor. Dropout is too, and the report says that "
    "other devices than the processor may draw other numbers; `rrelu` never is.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                z = torch.sigmoid_(y)
                return z + y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                y = z = torch.sigmoid(y)
                return z + y
            """,
        ),
        example(
            """
            import torch
            from torch import relu_


            def f(x):
                y = torch.tanh(x)
                relu_(y)
                return y
            """,
            """
            import torch
            from torch import relu_


            def f(x):
                y = torch.tanh(x)
                y = y.relu()
                return y
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    exact=lambda case, node: case.writer.form is Form.SAME and draws_the_same(case.writer),
)
