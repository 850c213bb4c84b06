"""`x.t_()`: `x = x.t()`."""

from __future__ import annotations

import libcst as cst

from fixinplace.catalogue import Form
from fixinplace.model import Refused
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.values import renamed


def _takes(case: Case, node: Node) -> bool:
    return isinstance(node, cst.Call) and case.writer.form is Form.VIEW


def _refusal(case: Case, node: Node) -> Refused | None:
    if renamed(case, node) is None:
        return Refused("no-counterpart", f"`{case.writer.counterpart}` has no name here, and no import is added")
    return None


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    value = renamed(case, node)
    assert value is not None
    return value


REWRITE = Rewrite(
    name="metadata-view",
    rules=("FIP112",),
    what="`x.t_()` becomes `x = x.t()`; likewise `transpose_`, `squeeze_`, `unsqueeze_`, `detach_` and their kin.",
    why="These change no element, but they count as a write: autograd raises where an earlier op has kept the tensor. "
    "The counterpart is a view of the same elements.",
    safety="Safe if nobody else looks at the tensor, who would keep the old shape.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y.t_()
                return y @ z
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y = y.t()
                return y @ z
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    cost="none: the new {target} is a view",
)
