"""Pieces of out-of-place values that several rewrites share."""

from __future__ import annotations

import libcst as cst

from fixinplace.rewrite.base import Case
from fixinplace.rewrite.lines import expression
from fixinplace.rewrite.precedence import receiver


def kept_dtype(case: Case, value: cst.BaseExpression) -> cst.BaseExpression:
    """The value, cast to the target's dtype where operands may be wider: an in-place write keeps the dtype."""
    return cast(case, value) if case.facts.mixed and case.target is not None else value


def cast(case: Case, value: cst.BaseExpression) -> cst.BaseExpression:
    """`value.to(x.dtype)` for the target `x`."""
    assert case.target is not None
    return method(value, "to", cst.Attribute(expression(case.target), cst.Name("dtype")))


def method(value: cst.BaseExpression, name: str, *arguments: cst.BaseExpression) -> cst.Call:
    """`value.name(arguments)`, with parentheses around `value` where they are needed."""
    return cst.Call(cst.Attribute(receiver(value), cst.Name(name)), [cst.Arg(argument) for argument in arguments])
