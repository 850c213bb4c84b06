"""Under which other names a file passes an argument on: `build_act(act)`, whose parameter is called `name`."""

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
