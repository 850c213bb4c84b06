"""Names that may stand for a list of tensors as well as for one: `state[1][:, 0] = h` is all that is done with them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from fixinplace.walking import every

_OF_LISTS = ("append", "extend", "insert", "pop", "index", "count", "copy", "reverse", "sort", "remove", "clear")


def may_be_list(target: ast.AST, body: Iterable[ast.AST], above: Mapping[int, ast.AST]) -> str:
    """The name in `name[1][:, 0]`, or `name[0]`, if nothing in the function tells a tensor from a list; or ""."""
    inner = target
    while isinstance(inner, ast.Subscript) and isinstance(inner.value, ast.Subscript):
        inner = inner.value
    if not isinstance(inner, ast.Subscript) or not isinstance(inner.value, ast.Name):
        return ""
    name = inner.value.id
    if not _is_number(inner.slice) and (inner is target or isinstance(inner.slice, (ast.Slice, ast.Tuple))):
        return ""
    uses = (one for each in body for one in every(each, ast.Name) if one.id == name)
    return "" if any(_tells(one, above.get(id(one))) for one in uses) else name


def _is_number(node: ast.expr) -> bool:
    node = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(node, ast.Constant) and type(node.value) is int


def _tells(node: ast.Name, parent: ast.AST | None) -> bool:
    """True for what is done to tensors alone."""
    match parent:
        case ast.Attribute(attr=attr):
            return attr not in _OF_LISTS
        case ast.Subscript(value=value, slice=index) if value is node:
            return isinstance(index, (ast.Tuple, ast.Compare)) or (
                isinstance(index, ast.Constant) and index.value in (None, Ellipsis)
            )
        case ast.BinOp() | ast.UnaryOp(op=ast.USub() | ast.Invert()) | ast.AugAssign():
            return True
    return False
