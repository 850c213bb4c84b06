"""Which class or function of a file is run for the sake of some of its text."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from fixinplace.model import Span
from fixinplace.source import Text

_CLASSES, _FUNCTIONS = 2, 3
"""How many others that use a class or function are run for its sake."""
_Top = ast.ClassDef | ast.FunctionDef
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
        methods[home.name].setdefault(_method(home, text, span))
    order = [node for node in nodes if node.name in found]
    return [
        Home(
            node.name, _ways(node, nodes, list(methods[node.name])), tuple(found[node.name]), _sorted(lines[node.name])
        )
        for node in order
    ]


def _sorted(lines: set[int]) -> tuple[int, ...]:
    return tuple(sorted(lines))


def _method(home: _Top, text: Text, span: Span) -> str:
    """The method of a class that holds the span."""
    inside = [node for node in home.body if isinstance(node, ast.FunctionDef) and text.span(node).contains(span)]
    return inside[0].name if inside and isinstance(home, ast.ClassDef) else ""


def _ways(node: _Top, nodes: list[_Top], methods: list[str]) -> tuple[tuple[str, str], ...]:
    """What to run: the object itself, the methods that hold the spans, what uses it; the methods first where a call of
    the object does not come by them."""
    direct = [
        (node.name, method)
        for method in methods
        if method and method not in _NOT_CALLED and not method.startswith("__")
    ]
    itself = [(node.name, "")]
    near = [*direct, *itself] if isinstance(node, ast.ClassDef) and _aside(node, methods) else [*itself, *direct]
    users = _users(node, nodes)
    ready = [each for each in users if isinstance(each, ast.FunctionDef) and not _asking(each)]
    first = ready if isinstance(node, ast.ClassDef) and _configured(node) else []
    ways = [*((each.name, "") for each in first), *near, *((each.name, "") for each in users)]
    return tuple(dict.fromkeys(ways))


_CONFIGURATIONS = ("cfg", "cfgs", "config", "configs", "args", "opt", "opts", "hparams", "settings")


def _configured(node: ast.ClassDef) -> bool:
    """True if an object of it needs a configuration: what is in there is better known to whoever makes such objects."""
    made = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    if made is None:
        return False
    needed = made.args.args[1 : len(made.args.args) - len(made.args.defaults)]
    return any(each.arg in _CONFIGURATIONS for each in needed)


def _aside(home: ast.ClassDef, methods: list[str]) -> bool:
    """True if the forward is the class's own and comes by none of the methods."""
    inside = {node.name: node for node in home.body if isinstance(node, ast.FunctionDef)}
    called = [name for name in _NOT_CALLED if name in inside]
    if called in ([], ["__init__"]):
        return False
    for name in called:  # grows on the way
        asked = {each.attr for each in ast.walk(inside[name]) if isinstance(each, ast.Attribute)}
        called += [each for each in inside if each in asked and each not in called]
    return not set(methods) & {*called, ""}


def _users(node: _Top, nodes: list[_Top]) -> list[_Top]:
    """Classes that use it, functions that use it, and functions without arguments that use these: `net18` of `_net`."""
    users = [each for each in nodes if each is not node and _mentions(each, node.name)]
    classes = [each for each in users if isinstance(each, ast.ClassDef)]
    functions = [each for each in users if isinstance(each, ast.FunctionDef)]
    further = [
        each
        for each in nodes
        if isinstance(each, ast.FunctionDef)
        and each not in functions
        and not _asking(each)
        and any(_mentions(each, function.name) for function in functions)
    ]
    functions = sorted([*functions, *further[:_FUNCTIONS]], key=lambda each: (_asking(each), each.name.startswith("_")))
    return [*classes[:_CLASSES], *functions[:_FUNCTIONS]]


def _asking(function: ast.FunctionDef) -> bool:
    """True if it cannot be called without arguments."""
    given = function.args
    return len(given.posonlyargs) + len(given.args) > len(given.defaults) or None in given.kw_defaults


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))
