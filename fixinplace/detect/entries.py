"""Entries of dicts that count: `state = {"h": h, "steps": 0}`, `state["steps"] += 1`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.walking import every, remembered

_PUTS = ("setdefault", "update", "fromkeys", "__setitem__")


def is_count(target: ast.Subscript, tree: ast.Module) -> bool:
    """True for an entry under a written name to which the whole file gives numbers alone."""
    match target.slice:
        case ast.Constant(value=str(key)):
            return key in _counts(tree)
    return False


@remembered
def _counts(tree: ast.Module) -> frozenset[str]:
    """The names of entries that are written down as numbers, and never as anything else."""
    given = [*_given(tree)]
    numbers = {key for key, value in given if _is_number(value)}
    return frozenset(numbers - {key for key, value in given if not _is_number(value)} - _put(tree))


def _given(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names of entries with the expressions that they get."""
    for table in every(tree, ast.Dict):
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value
    for call in every(tree, ast.Call):
        yield from ((word.arg, word.value) for word in call.keywords if word.arg is not None)
    for one in every(tree, ast.Assign):
        yield from ((key, one.value) for target in one.targets for key in _keys(target))
    for changed in every(tree, ast.AugAssign):
        yield from ((key, changed.value) for key in _keys(changed.target))


def _keys(target: ast.expr) -> Iterator[str]:
    for one in every(target, ast.Subscript):
        if isinstance(one.slice, ast.Constant) and isinstance(one.slice.value, str):
            yield one.slice.value


def _put(tree: ast.Module) -> frozenset[str]:
    """Names that are given to methods which fill a dict, with whatever else."""
    calls = (one for one in every(tree, ast.Call) if isinstance(one.func, ast.Attribute) and one.func.attr in _PUTS)
    words = (each for call in calls for one in call.args for each in every(one, ast.Constant))
    return frozenset(one.value for one in words if isinstance(one.value, str))


def _is_number(node: ast.expr) -> bool:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _is_number(inner)
        case ast.Constant(value=int() | float()):
            return True
        case ast.Call(func=ast.Name(id="len")):
            return True
    return False
