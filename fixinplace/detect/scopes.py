"""Which names a scope binds, and how often: a name that is bound twice says nothing about what it stands for."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator

from fixinplace.detect.liveness import Function, Names, declared
from fixinplace.walking import children, every, remembered, walk

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
BINDERS = (ast.Import, ast.ImportFrom, ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping)


def bindings(body: Iterable[ast.AST]) -> Iterator[str]:
    """Names that these statements bind in their own scope, once for each place: scopes inside are not entered."""
    todo = list(body)
    for node in todo:
        if type(node) is ast.Name:
            if type(node.ctx) is ast.Store:
                yield node.id
        elif type(node) not in _APART:
            if type(node) in BINDERS:
                yield from _bound_by(node)
            todo += children(node)
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, _COMPREHENSIONS):
            yield from (n.target.id for n in walk(node) if isinstance(n, ast.NamedExpr))


def _bound_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from (alias.asname or alias.name.split(".")[0] for alias in aliases if alias.name != "*")
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name


def definitions(body: Iterable[ast.AST]) -> Iterator[str]:
    """Names of the functions and classes that these statements define in their own scope."""
    for node in body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif not isinstance(node, ast.expr):
            yield from definitions(children(node))


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINING = (*_FUNCTIONS, ast.ClassDef)
"""What defines a name of its own scope by a body."""
_APART = frozenset((*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef, ast.Lambda))


def redefined(body: list[ast.stmt]) -> Names:
    """Names of functions and classes of this scope that something else is, or may be, bound to as well."""
    count = Counter(bindings(body))
    elsewhere = declared(n for s in body for n in walk(s) if isinstance(n, (*_FUNCTIONS, ast.ClassDef)))
    return frozenset(name for name in definitions(body) if count[name] > 1) | elsewhere


def rebound(tree: ast.Module) -> Names:
    """Names of a module that are not, or not only, the one function or class that its text defines.

    A function that stands in a branch may not be the one in use, and is not read as one of the module's.
    """
    count = Counter(bindings(tree.body))
    plain = {n.name for n in tree.body if isinstance(n, Function)} | _classes(tree.body)
    return frozenset(name for name, times in count.items() if times > 1 or name not in plain) | declared(tree.body)


@remembered
def assigned(node: ast.ClassDef) -> Names:
    """Names that the body of a class binds by other statements than definitions: `forward = _forward`."""
    return frozenset(Counter(bindings(node.body)) - Counter(definitions(node.body)))


def _classes(body: Iterable[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif not isinstance(node, (*_FUNCTIONS, ast.expr)):
            found |= _classes(children(node))
    return found


def ambiguous(tree: ast.Module) -> Names:
    """Names of classes that several definitions in the file share, in whatever scopes."""
    everywhere = Counter(n.name for n in every(tree, ast.ClassDef))
    module = Counter(bindings(tree.body))
    own = _classes(tree.body)
    return frozenset(n for n, times in everywhere.items() if times > 1 or (n not in own and module[n]))
