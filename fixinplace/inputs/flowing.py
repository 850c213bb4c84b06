"""Where an argument goes in a file: by which names it is passed on, and with which numbers it is compared."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

_STEPS = 3
_Plain = ast.Name | ast.Attribute


def passed_on(tree: ast.Module) -> dict[str, frozenset[str]]:
    """Name → parameters of the file's own classes and functions that get it as it is, also by way of others."""
    parameters = {
        node.name: _parameters(node) for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }
    found: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in parameters:
            for name, parameter in _given(node, parameters[node.func.id]):
                found[name].add(parameter)
    for _ in range(_STEPS):
        for name, others in list(found.items()):
            found[name] = others.union(*(found[other] for other in others if other in found))
    return {name: frozenset(others - {name}) for name, others in found.items() if others - {name}}


def bounds(home: ast.AST) -> dict[str, tuple[tuple[str, float], ...]]:
    """Name → how it is compared with which numbers: `(">", 0)` for `drop > 0`."""
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for node in ast.walk(home):
        match node:
            case ast.Compare(
                left=ast.Name() | ast.Attribute() as left, ops=[op], comparators=[ast.Constant(value=value)]
            ):
                if isinstance(value, (int, float)) and not isinstance(value, bool) and type(op) in _ORDERS:
                    found[left.id if isinstance(left, ast.Name) else left.attr].append((_ORDERS[type(op)], value))
    return {name: tuple(dict.fromkeys(each)) for name, each in found.items()}


_ORDERS: dict[type, str] = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!="}


def _parameters(node: ast.ClassDef | ast.FunctionDef) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
    made = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    return [] if made is None else _parameters(made)[1:]


def _given(call: ast.Call, parameters: list[str]) -> Iterator[tuple[str, str]]:
    """Names that are passed as they are, and the parameters that get them."""
    pairs = [*zip(call.args, parameters, strict=False), *((each.value, each.arg) for each in call.keywords)]
    for value, parameter in pairs:
        if isinstance(value, _Plain) and parameter is not None:
            yield (value.id if isinstance(value, ast.Name) else value.attr), parameter
