"""Which functions a file calls by their names, and how."""

from __future__ import annotations

import ast

from fixinplace.walking import every


def called_plainly(tree: ast.Module) -> set[str]:
    """Names that are called, and never with arguments in a bundle."""
    calls = [(n, n.func.id) for n in every(tree, ast.Call) if isinstance(n.func, ast.Name)]
    bundled = {name for call, name in calls if any(isinstance(a, ast.Starred) for a in call.args)
               or any(k.arg is None for k in call.keywords)}  # fmt: skip
    return {name for _, name in calls} - bundled


def is_called_elsewhere(tree: ast.Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True if a function is called by its name outside of itself."""
    return _calls(tree, function.name) > _calls(function, function.name)


def _calls(node: ast.AST, name: str) -> int:
    return sum(isinstance(n.func, ast.Name) and n.func.id == name for n in every(node, ast.Call))
