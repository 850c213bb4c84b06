"""Masks that certainly have the shape of the tensor they index."""

from __future__ import annotations

import ast

from fixinplace.detect.frame import Frame
from fixinplace.detect.kinds import Kind
from fixinplace.walking import every

_TESTS = ("isnan", "isinf", "isfinite", "isneginf", "isposinf", "signbit")
_MASKS = (ast.Name, ast.Compare, ast.UnaryOp, ast.BinOp, ast.Call)
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def same_shape(frame: Frame, target: ast.Subscript) -> bool:
    """True if the index is a boolean tensor made elementwise from the target itself and numbers.

    `x[mask] = v` lines a mask up with x's first dimensions, `masked_fill` and `where` with its last ones: only
    for a mask of x's own shape is that the same.
    """
    return isinstance(target.value, ast.Name) and _from(frame, target.slice, target.value.id)


def masked_name(frame: Frame, node: ast.expr) -> str | None:
    """The name of the tensor that a boolean tensor is made from elementwise, if it certainly has its shape."""
    if not isinstance(node, _MASKS):
        return None
    names = {n.id for n in every(node, ast.Name)}
    return next((name for name in sorted(names) if frame.lookup(name).tensor and _from(frame, node, name)), None)


def _from(frame: Frame, node: ast.expr, name: str) -> bool:
    match node:
        case ast.Name(id=mask):
            return frame.state.masks.get(mask) == name
        case ast.Compare(left=ast.Name(id=left), comparators=[other], ops=[op]) if left == name:
            plain = isinstance(op, (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE))
            return plain and frame.evaluate(other).kind is Kind.NUMBER
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return _from(frame, operand, name)
        case ast.BinOp(left=left, right=right, op=ast.BitAnd() | ast.BitOr() | ast.BitXor()):
            return _from(frame, left, name) and _from(frame, right, name)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=base), attr=attr), args=[], keywords=[]) if attr in _TESTS:
            return base == name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=base), attr=attr), args=[ast.Name(id=first)]):
            value = frame.lookup(base)
            return attr in _TESTS and first == name and value.kind is Kind.PATH and value.name == "torch"
        case ast.Call(func=ast.Attribute(value=ast.Name(id=base), attr=attr), args=[other], keywords=[]):
            return attr in _COMPARISONS and base == name and frame.evaluate(other).kind is Kind.NUMBER
    return False
