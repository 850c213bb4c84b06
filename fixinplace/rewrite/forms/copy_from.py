"""`x.copy_(y)` in a loop, or on an attribute: `x = y.to(x).expand_as(x).clone()`."""

from __future__ import annotations

import libcst as cst

from fixinplace.model import Place, Refused
from fixinplace.rewrite.arguments import keyword
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.lines import expression
from fixinplace.rewrite.values import method, operand


def _takes(case: Case, node: Node) -> bool:
    return is_copy(case, node) and (case.facts.in_loop or case.facts.place is not Place.NAME)


def is_copy(case: Case, node: Node) -> bool:
    """True for `copy_` onto a whole tensor."""
    known = isinstance(node, cst.Call) and case.writer.name == "Tensor.copy_"
    return known and case.facts.place not in (Place.SUBSCRIPT, Place.SLOT, Place.VIEW)


def _refusal(case: Case, node: Node) -> Refused | None:
    assert isinstance(node, cst.Call)
    if case.target is None or not isinstance(operand(case, node), cst.Name | cst.Attribute | cst.Subscript):
        return Refused("not-assignable", "the copy needs the dtype and shape of a tensor that has no name")
    if not 1 <= len(node.args) <= 2 or any(arg.star for arg in node.args) or keyword(node, "other") is not None:
        return Refused("no-counterpart", "the call has arguments that its out-of-place counterpart does not take")
    if isinstance(node.args[0].value, cst.BaseNumber | cst.UnaryOperation):
        return Refused("no-counterpart", "a number is copied, which has no dtype and shape to convert")
    return None


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    assert isinstance(node, cst.Call) and case.target is not None
    if _is_exact(case, node):
        assert isinstance(node.func, cst.Attribute)
        return node.with_changes(func=node.func.with_changes(value=method(node.func.value, "clone")))
    source, *flags = node.args
    moved = method(source.value, "to", expression(case.target))
    named = [flag.with_changes(keyword=cst.Name("non_blocking"), equal=_NO_SPACES, comma=_NO_COMMA) for flag in flags]
    moved = moved.with_changes(args=[*moved.args, *named])
    return method(method(moved, "expand_as", expression(case.target)), "clone")


def _is_exact(case: Case, node: Node) -> bool:
    return case.facts.cloned or case.facts.place is Place.ITEM


_NO_SPACES = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
_NO_COMMA = cst.MaybeSentinel.DEFAULT

REWRITE = Rewrite(
    name="copy",
    rules=("FIP114",),
    what="In a loop, and on an attribute, `x.copy_(y)` becomes `x = y.to(x).expand_as(x).clone()`: cast, moved and "
    "broadcast like `copy_` does. Elsewhere `clone-first` is exact. With `--verify off` it becomes, in a loop, "
    "`x = x.clone().copy_(y)`, and so it does in a place of a list or a dict.",
    why="A copy overwrites a tensor that earlier ops may have kept for their backward.",
    safety="Safe in the form with a clone. In the other one a run decides: if only the old tensor required grad, "
    "the result of the copy still does, with a gradient of zeros, and the new tensor does not.",
    examples=(
        example(
            """
            import torch


            def f(x):
                state = {"h": torch.tanh(x), "c": torch.sigmoid(x)}
                gate = state["h"] * state["c"]
                state["h"].copy_(gate)
                return state["h"] + state["c"]
            """,
            """
            import torch


            def f(x):
                state = {"h": torch.tanh(x), "c": torch.sigmoid(x)}
                gate = state["h"] * state["c"]
                state["h"] = state["h"].clone().copy_(gate)
                return state["h"] + state["c"]
            """,
        ),
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                total = y * y
                for row in (0, 1):
                    y.copy_(x[row])
                    total = total + y * y
                return total
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                total = y * y
                for row in (0, 1):
                    y = x[row].to(y).expand_as(y).clone()
                    total = total + y * y
                return total
            """,
        ),
    ),
    effect=Effect.REBIND,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    exact=_is_exact,
)
