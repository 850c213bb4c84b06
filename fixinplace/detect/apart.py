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
    return a.op == b.op == "index" and _apart(parts(a.arguments[0]), parts(b.arguments[0]))


def parts(index: str) -> list[ast.expr]:
    """The indices of a subscript, one for each dimension."""
    node = ast.parse(f"_[{index}]", mode="eval").body
    assert isinstance(node, ast.Subscript)
    inner = node.slice
    return list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]


def _apart(one: Sequence[ast.expr], other: Sequence[ast.expr]) -> bool:
    """True if two indices agree but for one dimension, of which they take different parts."""
    pairs = [(a, b) for a, b in zip(one, other, strict=False) if ast.dump(a) != ast.dump(b)]
    if len(one) != len(other) or len(pairs) != 1:
        return False
    match pairs[0]:
        case ast.Constant(value=int(a)), ast.Constant(value=int(b)):
            return a != b
        case (ast.Slice(upper=ast.expr() as end, step=None), ast.Slice(lower=ast.expr() as start, step=None)) | (
            ast.Slice(lower=ast.expr() as start, step=None),
            ast.Slice(upper=ast.expr() as end, step=None),
        ):
            return ast.dump(end) == ast.dump(start)
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
