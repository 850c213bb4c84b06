"""Which names a piece of syntax reads and binds, and in which order it is evaluated."""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Iterator, Sequence

from fixinplace.catalogue import Memory, result
from fixinplace.detect.index import dotted
from fixinplace.walking import children, walk


@functools.lru_cache(maxsize=2)
def parse_file(text: str) -> ast.Module:
    """`parse` for the text of a file, which all stages read one after the other; nobody may change the tree."""
    return parse(text)


def parse(text: str) -> ast.Module:
    """`ast.parse` without its warnings about string escapes: they are the author's, who reads them elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def mentions(target: str, node: ast.AST, skip: ast.AST | None = None, never: Sequence[ast.AST] = ()) -> bool:
    """True if `node`, its parts `skip` and `never` apart, may read the variable `target` (`h`, `self.h`, `hs[0]`).

    `self.h` may be read by whoever gets `self` or calls a method on it; `self.other` does not read it.  A place of a
    container may be read by whoever reads the container.
    A target may be several, `v, i`.
    """
    return any(_reads(one, name, called) for name, called in _read(node, (skip, *never)) for one in target.split(", "))


def walrus(target: str, node: ast.AST) -> ast.NamedExpr | None:
    """An assignment expression in `node` that binds the first name of `target`."""
    names = [_first(one) for one in target.split(", ")]
    return next((n for n in walk(node) if isinstance(n, ast.NamedExpr) and n.target.id in names), None)


def stores(target: str, node: ast.AST) -> bool:
    """True if `node` binds `target` itself, or the first name of it."""
    names = [name for one in target.split(", ") for name in (one, _first(one))]
    return any(
        isinstance(n, ast.Name | ast.Attribute) and not isinstance(n.ctx, ast.Load) and dotted(n) in names
        for n in walk(node)
    )


def evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes in the order in which their values are there: operands first, a value before its targets.

    Not those inside f-strings: Python 3.11 gives them wrong positions.
    """
    if isinstance(node, ast.JoinedStr):
        return
    for child in _operands(node):
        yield from evaluated(child)
    yield node


def is_new(node: ast.expr | None) -> bool:
    """True for a call that makes a tensor without history (`torch.empty(3)`) or a clone: nothing has kept it yet.

    What is then written into it may be kept: in `x.clone().exp_().mul_(2)` the first write is harmless, and keeps its
    result, which the second one overwrites.
    """
    match node:
        case ast.Call(func=ast.Attribute(attr="clone")):
            return True
        case ast.Call(func=ast.Attribute(attr=attr)):
            rows = [row for row in (result(f"Tensor.{attr}"), result(f"torch.{attr}")) if row is not None]
            return bool(rows) and all(row.memory is Memory.FRESH and not row.tracked for row in rows)
    return False


def _operands(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from (value, *targets)
        case ast.Dict(keys=keys, values=values):
            yield from (n for pair in zip(keys, values, strict=True) for n in pair if n is not None)
        case _:
            yield from children(node)


def _reads(target: str, name: str, called: bool) -> bool:
    if _first(name) != _first(target):
        return False
    return called or "[" in target or f"{name}.".startswith(f"{target}.") or f"{target}.".startswith(f"{name}.")


def _first(target: str) -> str:
    """The first name of a dotted one, and of a place of a container."""
    return target.partition("[")[0].partition(".")[0]


def _read(node: ast.AST, skip: Sequence[ast.AST | None]) -> Iterator[tuple[str, bool]]:
    """Longest dotted names that `node` reads, and whether each is a method that is called."""
    if any(node is one for one in skip):
        return
    match node:
        case ast.AugAssign(target=ast.Name() | ast.Attribute() as target):
            yield dotted(target), False
        case ast.Call(func=ast.Attribute() as func) if dotted(func):
            yield dotted(func), True
            rest: list[ast.AST] = [*node.args, *node.keywords]
            yield from (found for child in rest for found in _read(child, skip))
            return
        case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()) if dotted(node):
            yield dotted(node), False
            return
        case ast.Attribute() if dotted(node):
            return
    for child in children(node):
        yield from _read(child, skip)
