"""What the author left: the statements behind `>>>` in docstrings and of example functions, as the body of a call."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator

_LONGEST = 40


def examples(tree: ast.Module, unit: str) -> Iterator[str]:
    """Bodies of calls, one for each docstring of the unit or the module with examples that name the unit.

    And one for each function of the module without arguments, by its name a test or an example, that names the unit or
    a function that does.

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
    for statements in _shown(tree, unit):
        used = {node.id for each in statements for node in ast.walk(each) if isinstance(node, ast.Name)}
        yield _body(statements, sorted(used & own))


_EXAMPLE = re.compile(r"_*(run_?)?(test|demo|example|main|check|sample|usage|sanity)s?(_\w+)?|\w+_(test|demo|example)")


def _shown(tree: ast.Module, unit: str) -> Iterator[list[ast.stmt]]:
    """The statements of functions that only show how the unit is used."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    about = {unit, *(node.name for node in functions if _names(node, {unit}))}
    for node in functions:
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        told = node.name != unit and _EXAMPLE.fullmatch(node.name) and _names(node, about - {node.name})
        leaving = any(isinstance(each, (ast.Return, ast.Yield, ast.Global)) for each in ast.walk(node))
        if told and not any(given) and not leaving and len(node.body) <= _LONGEST:
            yield node.body


def _names(node: ast.AST, wanted: set[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in wanted for each in ast.walk(node))


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
        lines += _moved(each, names)
    inside = ", ".join(f'"{name}": {name}' for name in results)
    lines.append(f'return {{"result": {{{inside}}}, "given": {{}}}}')
    return "\n".join(lines)


def _moved(statement: ast.stmt, names: list[str]) -> list[str]:
    """A module that the file builds gets the values of made inputs: what starts at zero hides what a write changes."""
    match statement:
        case ast.Assign([ast.Name(name)], ast.Call(ast.Name(callee))) if callee in names:
            return [f"{name} = prepared({name}, {name}.training) if isinstance({name}, nn.Module) else {name}"]
        case _:
            return []
