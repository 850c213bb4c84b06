"""A loop that does the same to every row of a tensor, element by element: written without the loop.

Note [Every row alike]
    Every element is computed from itself and from what is the same in every turn; an operand that a row could be
    written with has no more dimensions than the row, so it meets every row of the whole as it met each of them alone.
    An operand may also be what a row comes to along a dimension that it keeps: of the whole that is the next dimension,
    counted from the front.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.model import Edit, Span
from fixinplace.repair.base import Change, Proposal, Tier
from fixinplace.repair.code import Code
from fixinplace.source import apply

_ELEMENTWISE = frozenset(
    "abs add ceil clamp clip cos div divide erf exp expm1 floor leaky_relu log log1p mul multiply neg pow reciprocal "
    "relu round rsqrt sigmoid sign sin sqrt square sub subtract tanh true_divide where".split()
)
_COMES_TO = frozenset("mean sum amax amin std var logsumexp".split())


def at_once(code: Code, loop: ast.For, changed: tuple[Edit, ...]) -> Iterator[Proposal]:
    """`for row in x: row.sub_(m)` as `x = x.sub(m)`; changed: the edits that write the row out of place."""
    span, comment = code.text.span(loop), "#" in code.source_of(loop)
    if comment or len(loop.body) != 1 or not all(code.text.span(loop.body[0]).contains(each.span) for each in changed):
        return
    match loop.target, loop.iter:
        case ast.Name(id=row), ast.Name(id=whole):
            text = _of_whole(code, loop.body[0], changed, row, whole)
            if text is not None and not _read_outside(code, loop, row):
                change = Change(code.path, (Edit(Span(span.start, span.end), text),))
                yield Proposal("collect-rows", Tier.PATCH, f"all rows of `{whole}` at once", (change,), rank=14)


def _of_whole(code: Code, body: ast.stmt, changed: tuple[Edit, ...], row: str, whole: str) -> str | None:
    start = code.text.span(body).start
    moved = tuple(Edit(Span(e.span.start - start, e.span.end - start), e.text) for e in changed)
    match ast.parse(apply(code.source_of(body), moved)).body:
        case [ast.Assign(targets=[ast.Name(id=name)], value=value)] if name == row and _alike(value, row):
            for each in ast.walk(value):
                if isinstance(each, ast.Call) and _comes_to(each, row):
                    _shift(each)
                elif isinstance(each, ast.Name) and each.id == row:
                    each.id = whole
            return f"{whole} = {ast.unparse(value)}"
    return None


def _alike(node: ast.expr, row: str) -> bool:
    """True if an expression computes from the row element by element, and from what no turn changes."""
    match node:
        case ast.Name(id=name):
            return name == row
        case ast.Call(func=ast.Attribute(value=inner, attr=attr), args=args, keywords=keywords):
            others = [*args, *(each.value for each in keywords)]
            return attr in _ELEMENTWISE and _alike(inner, row) and all(_same(each, row) for each in others)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow(), right=right):
            return (_alike(left, row) and _same(right, row)) or (_same(left, row) and _alike(right, row))
    return False


def _comes_to(node: ast.expr, row: str) -> bool:
    """True for `row.mean(dim=1, keepdim=True)`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr), args=[]):
            known = {each.arg: each.value for each in node.keywords}
            dim, kept = known.get("dim"), known.get("keepdim")
            fixed = dim is not None and ast.unparse(dim).lstrip("-").isdigit()
            keeps = isinstance(kept, ast.Constant) and kept.value is True
            return name == row and attr in _COMES_TO and fixed and keeps and len(known) == 2
    return False


def _shift(call: ast.Call) -> None:
    """The same dimension of the whole."""
    for each in call.keywords:
        if isinstance(each.value, ast.Constant) and type(each.value.value) is int:
            each.value = ast.Constant(each.value.value + 1)


def _same(node: ast.expr, row: str) -> bool:
    """True for constants, names and attributes other than the row, and for what the row comes to."""
    if _comes_to(node, row):
        return True
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name != row
        case ast.Attribute(value=inner):
            return _same(inner, row)
        case ast.UnaryOp(operand=inner):
            return _same(inner, row)
    return False


def _read_outside(code: Code, loop: ast.For, row: str) -> bool:
    """True if the loop's variable is used anywhere else in its function, or module."""
    inside = {id(each) for each in ast.walk(loop)}
    home = code.function(loop) or code.tree
    return any(isinstance(each, ast.Name) and each.id == row and id(each) not in inside for each in ast.walk(home))
