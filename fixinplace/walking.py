"""Walks over syntax trees: the order of `ast.walk`, remembered at the node where a walk began.

A function is read several times, and most of what is asked of a statement walks over all of it: remembered, that is a
tuple.  Contexts and operators (`Load`, `Add`) are left out: they are the same objects everywhere, and have no place.
Nobody may change a tree once it has been walked over.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from typing import TypeVar

_PLACELESS = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
_WALKED = "_fixinplace_walked"
_Node = TypeVar("_Node", bound=ast.AST)
_Answer = TypeVar("_Answer")


def children(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes right below one, in order."""
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            yield from (one for one in value if isinstance(one, ast.AST) and not isinstance(one, _PLACELESS))
        elif isinstance(value, ast.AST) and not isinstance(value, _PLACELESS):
            yield value


def walk(node: ast.AST) -> tuple[ast.AST, ...]:
    """The node and all below it, those nearer to it first."""
    known: tuple[ast.AST, ...] | None = getattr(node, _WALKED, None)
    if known is None:
        todo = [node]
        for one in todo:
            todo.extend(children(one))
        known = tuple(todo)
        setattr(node, _WALKED, known)
    return known


def forgetting(node: ast.AST) -> ast.AST:
    """The node, for a copy that was changed: what was remembered of the original is dropped, here and below."""
    for one in ast.walk(node):
        for name in [name for name in one.__dict__ if name.startswith("_fixinplace_")]:
            delattr(one, name)
    return node


def remembered(ask: Callable[[_Node], _Answer]) -> Callable[[_Node], _Answer]:
    """A question about a node that is answered once: the answer, which nobody may change, stays at the node."""
    place = f"_fixinplace_{ask.__module__}.{ask.__qualname__}"

    @functools.wraps(ask)
    def answered(node: _Node) -> _Answer:
        found: dict[str, _Answer] = node.__dict__
        if place not in found:
            found[place] = ask(node)
        return found[place]

    return answered
