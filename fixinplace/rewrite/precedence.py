"""Parentheses where an expression moves to a place that binds tighter, and nowhere else."""

from __future__ import annotations

from typing import TypeVar

import libcst as cst

_LOOSEST = 0
_NOT = 3
_COMPARISON = 4
_UNARY = 11
_POWER = 12
_AWAIT = 13
_PRIMARY = 14

_BINARY: dict[type[cst.BaseBinaryOp], int] = {
    cst.BitOr: 5,
    cst.BitXor: 6,
    cst.BitAnd: 7,
    cst.LeftShift: 8,
    cst.RightShift: 8,
    cst.Add: 9,
    cst.Subtract: 9,
    cst.Multiply: 10,
    cst.MatrixMultiply: 10,
    cst.Divide: 10,
    cst.FloorDivide: 10,
    cst.Modulo: 10,
    cst.Power: _POWER,
}

Expression = TypeVar("Expression", bound=cst.BaseExpression)


def right_operand(operator: cst.BaseBinaryOp, node: cst.BaseExpression) -> cst.BaseExpression:
    """`node` as the right operand of `operator`: `a + b` becomes `(a + b)` after `/` and after `+`."""
    if isinstance(operator, cst.Power):
        return node if _level(node) >= _UNARY else parenthesised(node)
    return node if _level(node) > _BINARY[type(operator)] else parenthesised(node)


def receiver(node: cst.BaseExpression) -> cst.BaseExpression:
    """`node` as the left side of a dot: `a + b` becomes `(a + b)`, and a number too, as in `(1).bit_length`."""
    number = isinstance(node, cst.BaseNumber) and not node.lpar
    return node if _level(node) == _PRIMARY and not number else parenthesised(node)


def argument(node: cst.BaseExpression) -> cst.BaseExpression:
    """`node` as an argument of a call: only what a comma or a keyword would cut needs parentheses."""
    cut = isinstance(node, cst.Tuple | cst.Yield | cst.NamedExpr) and not node.lpar
    return parenthesised(node) if cut else node


def parenthesised(node: Expression) -> Expression:
    """`node` in one more pair of parentheses."""
    return node.with_changes(lpar=[cst.LeftParen(), *node.lpar], rpar=[*node.rpar, cst.RightParen()])


def _level(node: cst.BaseExpression) -> int:
    """How tightly the outermost operator of `node` binds, as in Python's grammar."""
    if node.lpar:
        return _PRIMARY
    match node:
        case cst.BinaryOperation(operator=operator):
            return _BINARY[type(operator)]
        case cst.UnaryOperation(operator=operator):
            return _NOT if isinstance(operator, cst.Not) else _UNARY
        case cst.Comparison():
            return _COMPARISON
        case cst.BooleanOperation(operator=operator):
            return 1 if isinstance(operator, cst.Or) else 2
        case cst.Await():
            return _AWAIT
        case cst.Lambda() | cst.IfExp() | cst.NamedExpr() | cst.Yield() | cst.Tuple() | cst.StarredElement():
            return _LOOSEST
    return _PRIMARY
