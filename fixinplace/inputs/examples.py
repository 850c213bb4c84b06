"""What the author left in docstrings: the statements behind `>>>`, as the body of a call."""

from __future__ import annotations

import ast
import doctest
from collections.abc import Iterator

_LONGEST = 40


def examples(tree: ast.Module, unit: str) -> Iterator[str]:
    """Bodies of calls, one for each docstring of the unit or the module with examples that name the unit.

    Every variable of the example is a result; names of the file are looked up in `target`.
    """
    parser = doctest.DocTestParser()
    own = {name for node in tree.body for name in _bound(node)}
    for text in dict.fromkeys(_docstrings(tree, unit)):
        try:
            statements = [node for each in parser.get_examples(text) for node in ast.parse(each.source).body]
        except (SyntaxError, ValueError):
            continue  # not meant to be run
        used = {node.id for each in statements for node in ast.walk(each) if isinstance(node, ast.Name)}
        if unit in used and len(statements) <= _LONGEST:
            yield _body(statements, sorted(used & own))


def _docstrings(tree: ast.Module, unit: str) -> Iterator[str]:
    homes = [node for node in tree.body if getattr(node, "name", None) == unit]
    inside = [node for home in homes for node in ast.walk(home) if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    for node in (*inside, tree):
        text = ast.get_docstring(node)
        if text:
            yield text


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [each.asname or each.name.partition(".")[0] for each in node.names]
    return [each.id for each in getattr(node, "targets", []) if isinstance(each, ast.Name)]


def _body(statements: list[ast.stmt], names: list[str]) -> str:
    lines = ["torch.manual_seed(0)"]
    lines += [f"{name} = target.{name}" for name in names if name not in ("torch", "nn", "target")]
    results: dict[str, None] = {}
    for number, each in enumerate(statements):
        if isinstance(each, ast.Expr) and not isinstance(each.value, ast.Constant):
            lines.append(f"shown_{number} = {ast.unparse(each.value)}")
            results[f"shown_{number}"] = None
            continue
        lines += ast.unparse(each).splitlines()
        targets = each.targets if isinstance(each, ast.Assign) else []
        for target in targets:
            results.update({node.id: None for node in ast.walk(target) if isinstance(node, ast.Name)})
    inside = ", ".join(f'"{name}": {name}' for name in results)
    lines.append(f'return {{"result": {{{inside}}}, "given": {{}}}}')
    return "\n".join(lines)
