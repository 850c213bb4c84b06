"""`x.normal_()`: `x = torch.empty_like(x).normal_()`."""

from __future__ import annotations

import libcst as cst

from fixinplace.catalogue import Form
from fixinplace.model import Place, Refused
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.values import function, method, operand


def _takes(case: Case, node: Node) -> bool:
    known = isinstance(node, cst.Call) and case.writer.form is Form.RANDOM
    return known and case.facts.place not in (Place.SUBSCRIPT, Place.SLOT, Place.VIEW)


def _refusal(case: Case, node: Node) -> Refused | None:
    assert isinstance(node, cst.Call)
    if not isinstance(node.func, cst.Attribute):
        return Refused("no-counterpart", f"`{case.site.op}` has no out-of-place form as a function")
    return None


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    assert isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)
    old, torch = operand(case, node), case.facts.torch
    new = method(old, "clone") if torch is None else function(f"{torch}.empty_like", old)
    return node.with_changes(func=node.func.with_changes(value=new))


REWRITE = Rewrite(
    name="random-fill",
    rules=("FIP113",),
    what="`x.normal_()` becomes `x = torch.empty_like(x).normal_()`; likewise `uniform_`, `bernoulli_` and their kin.",
    why="A random fill overwrites a tensor that earlier ops may have kept for their backward.",
    safety="Never called safe: the numbers are the same for dense tensors only (contiguous or permuted, not `x[::2]`), "
    "and the new tensor does not require grad where the old one did.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y.uniform_(0, 2)
                return z + y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y = torch.empty_like(y).uniform_(0, 2)
                return z + y
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    exact=lambda case, node: False,
)
