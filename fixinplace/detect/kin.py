"""Classes of a file that may have to do with each other by what they derive from, as its text has it."""

from __future__ import annotations

import ast

from fixinplace.detect.parents import parents
from fixinplace.walking import every, remembered


def are_kin(a: ast.ClassDef, b: ast.ClassDef, tree: ast.Module) -> bool:
    """True for classes with a common class of the file among themselves and those that they derive from."""
    lines = _lineages(tree)
    joined = any({a.name, b.name} <= one for one in lines.values())
    return joined or not lines[a.name].isdisjoint(lines[b.name])


@remembered
def _lineages(tree: ast.Module) -> dict[str, frozenset[str]]:
    """The names of each class and of all that it may derive from; see Note [Parents without a name]."""
    bases: dict[str, set[str]] = {}
    for cls in every(tree, ast.ClassDef):
        bases.setdefault(cls.name, set()).update(one.rpartition(".")[2] for one in parents(cls, {}, tree))
    return {name: _above(name, bases) for name in bases}


def _above(name: str, bases: dict[str, set[str]]) -> frozenset[str]:
    found, todo = {name}, [name]
    while todo:
        new = bases.get(todo.pop(), set()) & bases.keys() - found
        found |= new
        todo += new
    return frozenset(found)
