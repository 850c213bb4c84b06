"""How source text calls a class or function, and what expressions mean outside their function."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from fixinplace.inputs.values import Argument, Code, Literal, Record, Series, Value

UNKNOWN = Code("")
"""Stands in a call for what its function alone knows: it has to be guessed."""
_MOST, _DEFINITIONS = 6, (ast.FunctionDef, ast.AsyncFunctionDef)


def called(tree: ast.Module, unit: str, own: frozenset[str]) -> tuple[tuple[Argument, ...], ...]:
    """Arguments with which a file makes or calls the unit, calls that are known altogether first.

    Parameters of the function around a call are what the file passes for them, or their defaults.  Dictionaries that
    hold what the unit's constructor needs count as calls, too: they are given to it with two stars.
    """
    found = [*_calls(tree, unit, own), *_tables(tree, unit, own)]
    found.sort(key=lambda call: any(each.value == UNKNOWN for each in call))
    return tuple(dict.fromkeys(found))[:_MOST]


def _calls(tree: ast.Module, unit: str, own: frozenset[str]) -> Iterator[tuple[Argument, ...]]:
    for function, node in _within(tree):
        if isinstance(node, ast.Call) and _named(node.func) == unit:
            known = _parameters(tree, function, own) if function is not None else {}
            yield from _arguments(node, own, known)


def _within(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | None, ast.AST]]:
    """Every node with the function at the top of the module that it lies in."""
    for statement in tree.body:
        function = statement if isinstance(statement, ast.FunctionDef) else None
        yield from ((function, node) for node in ast.walk(statement))


def _named(node: ast.expr) -> str:
    """What is called, by its name or as a member of a module."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id != "self":
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _arguments(node: ast.Call, own: frozenset[str], known: Mapping[str, Value]) -> Iterator[tuple[Argument, ...]]:
    if any(isinstance(each, ast.Starred) for each in node.args):
        return
    found = [Argument("", _value(each, own, known)) for each in node.args]
    found += [Argument(each.arg, _value(each.value, own, known)) for each in node.keywords if each.arg is not None]
    if any(each.value != UNKNOWN for each in found):
        yield tuple(found)


def _value(node: ast.expr, own: frozenset[str], known: Mapping[str, Value]) -> Value:
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    return constant(node, own) or UNKNOWN


def _parameters(tree: ast.Module, function: ast.FunctionDef, own: frozenset[str]) -> dict[str, Value]:
    """What a function's parameters are: as the file calls it for the first time, or by default."""
    names = [each.arg for each in function.args.args]
    found = dict(_defaults(function.args, own))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _named(node.func) == function.name:
            for given in _arguments(node, own, {}):
                for index, each in enumerate(given):
                    name = each.name or (names[index] if index < len(names) else "")
                    if each.value != UNKNOWN:
                        found[name] = each.value
                return found
    return found


def _defaults(arguments: ast.arguments, own: frozenset[str]) -> Iterator[tuple[str, Value]]:
    pairs = list(zip(reversed(arguments.args), reversed(arguments.defaults), strict=False))
    pairs += [(each, node) for each, node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if node]
    for argument, node in pairs:
        value = constant(node, own)
        if value is not None:
            yield argument.arg, value


def _tables(tree: ast.Module, unit: str, own: frozenset[str]) -> Iterator[tuple[Argument, ...]]:
    """Dictionaries, written either way, whose keys are arguments of the unit's constructor."""
    wanted, all_names = _constructor(tree, unit)
    if not wanted:
        return
    for node in ast.walk(tree):
        pairs: list[tuple[str, ast.expr]] = []
        if isinstance(node, ast.Dict) and len(texts(node.keys)) == len(node.keys):
            pairs = list(zip(texts(node.keys), node.values, strict=True))
        elif isinstance(node, ast.Call) and _named(node.func) == "dict" and not node.args:
            pairs = [(each.arg, each.value) for each in node.keywords if each.arg is not None]
        names = {name for name, _ in pairs}
        if names & wanted and names <= all_names:
            yield tuple(Argument(name, _value(each, own, {})) for name, each in pairs)


def _constructor(tree: ast.Module, unit: str) -> tuple[frozenset[str], frozenset[str]]:
    """Parameters of a class's constructor: those that have no default, and all."""
    home = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == unit), None)
    made = [node for node in home.body if isinstance(node, _DEFINITIONS) and node.name == "__init__"] if home else []
    if not made:
        return frozenset(), frozenset()
    arguments = made[0].args
    positional = [each.arg for each in arguments.args][1:]
    needed = positional[: len(positional) - len(arguments.defaults)] if len(arguments.defaults) else positional
    return frozenset(needed), frozenset([*positional, *(each.arg for each in arguments.kwonlyargs)])


def texts(nodes: list[ast.expr] | list[ast.expr | None]) -> list[str]:
    """The strings among some expressions."""
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def constant(node: ast.expr, own: frozenset[str] = frozenset()) -> Value | None:
    """The value of an expression that means the same everywhere in the file; None for any other.

    own: names that the module binds.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str, bool, type(None))):
        return Literal(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        return Literal(-value) if isinstance(value, (int, float)) else None
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [constant(each, own) for each in node.elts]
        return (
            Series(tuple(each for each in items if each is not None), isinstance(node, ast.List))
            if None not in items
            else None
        )
    if isinstance(node, ast.Dict):
        names = texts(node.keys)
        values = [constant(each, own) for each in node.values]
        if len(names) == len(values) and None not in values:
            pairs = zip(names, values, strict=True)
            return Record(tuple(Argument(name, value) for name, value in pairs if value is not None), "dict")
        return None
    if isinstance(node, ast.Call) and not node.keywords and not node.args:
        called = constant(node.func, own)
        return Code(f"{called.code}()") if isinstance(called, Code) else None
    if isinstance(node, (ast.Name, ast.Attribute)):
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value  # type: ignore[assignment]
        if isinstance(root, ast.Name) and root.id in own:
            return Code(f"target.{ast.unparse(node)}")
        if isinstance(root, ast.Name) and root.id == "nn" and root is not node:
            return Code(ast.unparse(node))
    return None
