"""`torch.add(a, b, out=c)`: `c = torch.add(a, b)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.catalogue import Dtype, Form, result
from fixinplace.model import Refused
from fixinplace.rewrite.arguments import keyword, without
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.values import cast


def _takes(case: Case, node: Node) -> bool:
    return isinstance(node, cst.Call) and case.writer.form is Form.OUT


def _refusal(case: Case, node: Node) -> Refused | None:
    assert isinstance(node, cst.Call)
    if keyword(node, "out") is None or case.target is None:
        return Refused("not-assignable", "`out=` is given something that is no name")
    if "," in case.target and _casts(case):
        return Refused("dtype-may-change", "the results must be cast to the dtypes of the tensors that they replace")
    return None


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    assert isinstance(node, cst.Call)
    index = keyword(node, "out")
    assert index is not None
    none = node.args[index].with_changes(value=cst.Name("None"))
    value = without(node, index) or node.with_changes(args=[*node.args[:index], none, *node.args[index + 1 :]])
    return cast(case, value) if _casts(case) else value


def _casts(case: Case) -> bool:
    """True unless the result certainly has the dtype of `out`: `torch.eq` gives bool, whatever `out` is."""
    row = result(case.writer.counterpart or "")
    return case.facts.mixed or row is None or row.dtype not in (Dtype.SAME, Dtype.FLOAT)


REWRITE = Rewrite(
    name="out-argument",
    rules=("FIP110",),
    what="`torch.add(a, b, out=c)` becomes `c = torch.add(a, b)`, and `torch.max(x, 0, out=(v, i))` becomes "
    "`v, i = torch.max(x, 0)`.",
    why="`out=` writes into an existing tensor, and torch refuses it as soon as autograd has anything to record.",
    safety="Safe if nobody else looks at the old tensor and the result has its dtype; a cast is written where the "
    "function gives another one, and then it is not called safe.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                c = torch.empty_like(y)
                torch.add(y, 1, out=c)
                return c * y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                c = torch.empty_like(y)
                c = torch.add(y, 1)
                return c * y
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    exact=lambda case, node: not _casts(case) and not case.writer.random,
    cost="the old tensor of {target} was allocated for nothing",
)
