"""Views of one tensor that certainly have no element in common."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from fixinplace.model import View


def disjoint(one: Sequence[View], other: Sequence[View]) -> bool:
    """True if two views of a tensor certainly have no element in common: `x[:k]` and `x[k:]`, two pieces, two rows."""
    pairs = list(zip(one, other, strict=False))
    different = next(((a, b) for a, b in pairs if a != b), None)
    if different is None:
        return False
    a, b = different
    if a.op == b.op and a.op.endswith("[]"):
        return a.arguments[1:] == b.arguments[1:]
    if a.op == b.op and a.op in ("narrow", "select"):
        return _ranges_apart(a.arguments, b.arguments)
    return a.op == b.op == "index" and _apart(parts(a.arguments[0]), parts(b.arguments[0]))


def _ranges_apart(one: Sequence[str], other: Sequence[str]) -> bool:
    """True for `narrow(d, 0, 2)` and `narrow(d, 2, 2)`, `select(d, 0)` and `select(d, 1)` with the numbers written."""
    if len(one) != len(other) or one[:1] != other[:1] or not all(a.isdecimal() for a in (*one[1:], *other[1:])):
        return False
    first, second = sorted((int(a[1]), int(a[2]) if len(a) == 3 else 1) for a in (one, other))
    return first[0] + first[1] <= second[0] and len(one) in (2, 3)


def parts(index: str) -> list[ast.expr]:
    """The indices of a subscript, one for each dimension."""
    node = ast.parse(f"_[{index}]", mode="eval").body
    assert isinstance(node, ast.Subscript)
    inner = node.slice
    return list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]


def _apart(one: Sequence[ast.expr], other: Sequence[ast.expr]) -> bool:
    """True if two indices take different parts of a dimension; what stands before it must count alike."""
    pairs = list(zip(one, other, strict=False))
    alike = [ast.dump(a) == ast.dump(b) or (_is_one_dimension(a) and _is_one_dimension(b)) for a, b in pairs]
    if any(map(_is_ellipsis, (*one, *other))) and not (len(one) == len(other) and all(alike)):
        return False  # `...` may stand for more dimensions in one of them
    apart = [_differ(a, b) or _differ(b, a) for a, b in pairs]
    return any(apart) and all(alike[: apart.index(True)])


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _is_one_dimension(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) or (isinstance(node, ast.Constant) and type(node.value) is int)


def _differ(one: ast.expr, other: ast.expr) -> bool:
    """True if two indices of one dimension have no element in common, tried in this order only."""
    match one, other:
        case ast.Constant(value=int(a)), ast.Constant(value=int(b)):
            return a != b
        case ast.Constant(value=int(a)), ast.Slice(lower=low, upper=up, step=None):
            start, end = _start(low), _start(up) if up is not None else None
            return (start is not None and a < start) or (end is not None and a >= end)
        case ast.Slice(upper=ast.expr() as end, step=None), ast.Slice(lower=ast.expr() as start, step=None):
            last, first = _start(end), _start(start)
            return ast.dump(end) == ast.dump(start) or (last is not None and first is not None and last <= first)
        case (
            ast.Slice(lower=first, upper=None, step=ast.Constant(value=int(every))),
            ast.Slice(lower=second, upper=None, step=ast.Constant(value=int(same))),
        ) if every == same and every > 1:
            starts = [_start(first), _start(second)]
            return None not in starts and len({start % every for start in starts if start is not None}) == 2
    return False


def _start(node: ast.expr | None) -> int | None:
    """Where a slice begins, if that is written down and no negative number."""
    match node:
        case None:
            return 0
        case ast.Constant(value=int(start)):
            return start
    return None
