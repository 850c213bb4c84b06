"""Walks over syntax trees: the order of `ast.walk`, remembered at the node where a walk began.

A function is read several times, and most of what is asked of a statement walks over all of it: remembered, that is a
tuple.  Contexts and operators (`Load`, `Add`) are left out: they are the same objects everywhere, and have no place.
Nobody may change a tree once it has been walked over.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

_NO_NODES = frozenset("ctx op ops id attr arg level module is_async simple kind conversion type_comment".split())
"""Fields that hold texts, numbers and what has no place, and no others do."""
_LEAVES = frozenset((ast.Name, ast.Constant, ast.alias, ast.Pass, ast.Break, ast.Continue, ast.Global, ast.Nonlocal))
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}
_BELOW = "_fixinplace_below"
_WALKED = "_fixinplace_walked"
_Node = TypeVar("_Node", bound=ast.AST)
_Answer = TypeVar("_Answer")


def children(node: ast.AST) -> tuple[ast.AST, ...]:
    """The nodes right below one, in order."""
    if type(node) in _LEAVES:
        return ()
    own = node.__dict__
    known: tuple[ast.AST, ...] | None = own.get(_BELOW)
    if known is None:
        found: list[ast.AST] = []
        for name in _FIELDS.get(type(node)) or _fields(type(node)):
            value = own.get(name)
            if type(value) is list:
                found += [one for one in value if isinstance(one, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
        known = own[_BELOW] = tuple(found)
    return known


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a type of nodes that may hold nodes with a place."""
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(name for name in kind._fields if name not in _NO_NODES)
    return _FIELDS[kind]


def walk(node: ast.AST) -> tuple[ast.AST, ...]:
    """The node and all below it, those nearer to it first."""
    known: tuple[ast.AST, ...] | None = node.__dict__.get(_WALKED)
    if known is None:
        todo = [node]
        extend = todo.extend
        for one in todo:
            if type(one) not in _LEAVES:
                below = one.__dict__.get(_BELOW)
                extend(children(one) if below is None else below)
        known = node.__dict__[_WALKED] = tuple(todo)
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


@remembered
def above(node: ast.AST) -> Mapping[int, ast.AST]:
    """Parent of every node below one, by identity."""
    return {id(child): parent for parent in walk(node) for child in children(parent)}


def every(node: ast.AST, kind: type[_Node]) -> tuple[_Node, ...]:
    """The node and all below it that are of exactly one type, in the order of `walk`."""
    return cast("tuple[_Node, ...]", _sorted(node).get(kind, ()))


def functions(node: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions, plain ones first."""
    return [*every(node, ast.FunctionDef), *every(node, ast.AsyncFunctionDef)]


def scope(node: ast.AST, parents: Mapping[int, ast.AST]) -> ast.AST | None:
    """The function, lambda or class that a node stands in, None for those of the module; `parents`: see `above`."""
    around = parents.get(id(node))
    while around is not None and not isinstance(around, _SCOPES):
        around = parents.get(id(around))
    return around


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@remembered
def _sorted(node: ast.AST) -> Mapping[type[ast.AST], tuple[ast.AST, ...]]:
    found: dict[type[ast.AST], list[ast.AST]] = {}
    for one in walk(node):
        if type(one) in found:
            found[type(one)].append(one)
        else:
            found[type(one)] = [one]
    return {kind: tuple(nodes) for kind, nodes in found.items()}
