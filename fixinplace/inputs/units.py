"""Which class or function of a file is run for the sake of some of its text."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from fixinplace.model import Span
from fixinplace.source import Text

_OTHERS = 3
_NOT_CALLED = ("__init__", "forward", "__call__")


@dataclass(frozen=True, slots=True)
class Home:
    """A class or function at the top of a module: what to run for it, and which of the given spans lie in it.

    ways: names of the module, each with a method ("" for the object itself), the nearest first.
    """

    name: str
    ways: tuple[tuple[str, str], ...]
    spans: tuple[int, ...]
    lines: tuple[int, ...]


def homes(tree: ast.Module, text: Text, spans: Iterable[Span]) -> list[Home]:
    """The homes of some spans, in the order of the file; spans outside every class and function are left out."""
    found: dict[str, list[int]] = defaultdict(list)
    methods: dict[str, dict[str, None]] = defaultdict(dict)
    lines: dict[str, set[int]] = defaultdict(set)
    nodes = [node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    for index, span in enumerate(spans):
        home = next((node for node in nodes if text.span(node).contains(span)), None)
        if home is None:
            continue
        found[home.name].append(index)
        lines[home.name].add(text.text.count("\n", 0, span.start) + 1)
        method = _method(home, text, span)
        if method and method not in _NOT_CALLED:
            methods[home.name].setdefault(method)
    order = [node for node in nodes if node.name in found]
    return [_home(node, nodes, found[node.name], tuple(methods[node.name]), lines[node.name]) for node in order]


def _method(home: ast.ClassDef | ast.FunctionDef, text: Text, span: Span) -> str:
    """The method of a class that holds the span."""
    inside = [node for node in home.body if isinstance(node, ast.FunctionDef) and text.span(node).contains(span)]
    return inside[0].name if inside and isinstance(home, ast.ClassDef) else ""


def _home(
    node: ast.ClassDef | ast.FunctionDef,
    nodes: list[ast.ClassDef | ast.FunctionDef],
    spans: list[int],
    methods: tuple[str, ...],
    lines: set[int],
) -> Home:
    users = [each for each in nodes if each is not node and _mentions(each, node.name)]
    users.sort(key=lambda each: (isinstance(each, ast.FunctionDef), each.name.startswith("_")))
    direct = [(node.name, method) for method in methods if not method.startswith("__")]
    ways = [(node.name, ""), *direct, *((each.name, "") for each in users[:_OTHERS])]
    return Home(node.name, tuple(ways), tuple(spans), tuple(sorted(lines)))


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))
