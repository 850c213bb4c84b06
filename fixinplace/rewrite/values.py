"""Pieces of out-of-place values that several rewrites share."""

from __future__ import annotations

import libcst as cst

from fixinplace.catalogue import writer
from fixinplace.model import Refused
from fixinplace.rewrite.arguments import keyword
from fixinplace.rewrite.base import Case, Node
from fixinplace.rewrite.lines import expression
from fixinplace.rewrite.precedence import argument, receiver


def kept_dtype(case: Case, value: cst.BaseExpression) -> cst.BaseExpression:
    """The value, cast to the target's dtype where operands may be wider: an in-place write keeps the dtype."""
    return cast(case, value) if case.facts.mixed else value


def cast(case: Case, value: cst.BaseExpression) -> cst.BaseExpression:
    """`value.to(x.dtype)` for the target `x`."""
    assert case.target is not None, "see no_name_to_cast"
    return method(value, "to", cst.Attribute(expression(case.target), cst.Name("dtype")))


def no_name_to_cast(case: Case) -> Refused | None:
    """The refusal of a cast to the dtype of a tensor that has no name to read it from."""
    if case.target is not None:
        return None
    return Refused("dtype-may-change", "the result must be cast to the dtype of a tensor that has no name")


def method(value: cst.BaseExpression, name: str, *arguments: cst.BaseExpression) -> cst.Call:
    """`value.name(arguments)`, with parentheses where they are needed."""
    return cst.Call(cst.Attribute(receiver(value), cst.Name(name)), [cst.Arg(argument(one)) for one in arguments])


def function(path: str, *arguments: cst.BaseExpression) -> cst.Call:
    """`path(arguments)` for a dotted path, with parentheses where they are needed."""
    return cst.Call(expression(path), [cst.Arg(argument(one)) for one in arguments])


def operand(case: Case, node: Node) -> cst.BaseExpression:
    """What an in-place call overwrites: the receiver of a method, one argument of a function."""
    assert isinstance(node, cst.Call)
    if is_method(case):
        assert isinstance(node.func, cst.Attribute)
        return node.func.value
    return node.args[_target(case, node)].value


def rest(case: Case, node: Node) -> list[cst.Arg]:
    """The arguments of an in-place call besides the overwritten tensor."""
    assert isinstance(node, cst.Call)
    skipped = -1 if is_method(case) else _target(case, node)
    return [arg for number, arg in enumerate(node.args) if number != skipped]


def is_method(case: Case) -> bool:
    """True for methods, False for functions."""
    return case.writer.name.startswith("Tensor.")


def renamed(case: Case, node: Node) -> cst.Call | None:
    """The call with its callable replaced by the counterpart; None if that has no name where the call stands.

    `from torch import relu_` brings no `relu`: then the method `x.relu()` says it, or else the full path from torch.
    """
    assert isinstance(node, cst.Call) and case.writer.counterpart is not None
    path = case.writer.counterpart
    plain = path.rpartition(".")[2]
    if isinstance(node.func, cst.Attribute):
        return node.with_changes(func=node.func.with_changes(attr=cst.Name(plain)))
    first = node.args[0] if node.args else None
    if first is not None and first.keyword is None and not first.star and writer(f"Tensor.{plain}_") is not None:
        callee = cst.Attribute(receiver(first.value), cst.Name(plain))
        return node.with_changes(func=callee, args=node.args[1:])
    if case.facts.torch is None or not path.startswith("torch."):
        return None
    return node.with_changes(func=expression(f"{case.facts.torch}.{path.removeprefix('torch.')}"))


def _target(case: Case, node: cst.Call) -> int:
    """Index of the overwritten argument of a function."""
    named = keyword(node, case.writer.target_keyword or "input")
    return named if named is not None else case.writer.target_position or 0
