"""What is no tensor by the text alone: what none can be summed with, and what is only written down."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from fixinplace.detect.index import imported
from fixinplace.walking import every, walk

_DISPLAYS = (ast.List, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp)
_NO_OPERANDS = (*_DISPLAYS, ast.Tuple)
_MAKERS = ("list", "dict", "set")
_BINDING = frozenset((
    ast.Name, ast.arg, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom,
    ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping,
))  # fmt: skip
_COUNTERS = ("len", "int", "float")


def takes_no_tensor(node: ast.AugAssign) -> bool:
    """True for an augmented assignment of a text, a list, a dict: torch has none of a name or attribute with these."""
    return not isinstance(node.target, ast.Subscript) and (_is_text(node.value) or isinstance(node.value, _NO_OPERANDS))


def bound_by(node: ast.AST) -> Iterable[str]:
    """Names that a node binds by itself, in whatever scope."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.Import() | ast.ImportFrom():
            return [name for name, _ in imported(node)]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return (name,)
        case ast.MatchMapping(rest=str(name)):
            return (name,)
    return ()


class Written:
    """What the names of a file are bound to, as far as that is written down; scopes are not told apart."""

    def __init__(self, tree: ast.Module) -> None:
        self._values: dict[str, list[ast.expr]] = {}
        self._added: dict[str, list[ast.expr]] = {}
        self._other: set[str] = set()
        seen: set[int] = set()
        for node in walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name) as target], value=value):
                    self._values.setdefault(name, []).append(value)
                    seen.add(id(target))
                case ast.AugAssign(target=ast.Name(id=name) as target, value=value):
                    self._added.setdefault(name, []).append(value)
                    seen.add(id(target))
                case _ if type(node) in _BINDING and id(node) not in seen:
                    self._other.update(bound_by(node))
        self._all = any("*" in (alias.name for alias in node.names) for node in every(tree, ast.ImportFrom))

    def is_container(self, node: ast.expr) -> bool:
        """True for a name that stands for lists, dicts and sets that are written down: these stay what they are."""
        values = self._bound(node)
        return bool(values) and all(isinstance(one, _DISPLAYS) or self._calls(one, _MAKERS) for one in values)

    def is_number(self, node: ast.expr) -> bool:
        """True for a name that stands for numbers that are written down, or counted."""
        values = self._bound(node)
        added = self._added.get(node.id, []) if isinstance(node, ast.Name) else []
        return bool(values) and all(_is_number(one) or self._calls(one, _COUNTERS) for one in (*values, *added))

    def _bound(self, node: ast.expr) -> list[ast.expr]:
        if self._all or not isinstance(node, ast.Name) or node.id in self._other:
            return []
        return self._values.get(node.id, [])

    def _calls(self, node: ast.expr, names: tuple[str, ...]) -> bool:
        """True for a call of a builtin whose name the file binds to nothing else."""
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        return name in names and name not in self._other and name not in self._values and name not in self._added


def _is_number(node: ast.expr) -> bool:
    value = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(value, ast.Constant) and isinstance(value.value, (int, float))


def _is_text(node: ast.expr) -> bool:
    """True for a text that is written down."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


TERMS = "the terms of one sum have one dtype"


def sums_one_term(node: ast.AST, body: Sequence[ast.stmt]) -> bool:
    """True for the one `loss += term` of a function that begins with `loss = 0`: all terms are computed alike."""
    if not isinstance(node, ast.AugAssign) or not isinstance(node.target, ast.Name):
        return False
    name = node.target.id
    names = [one for each in body for one in every(each, ast.Name) if one.id == name]
    stores = [one for one in names if isinstance(one.ctx, ast.Store)]
    added = [one for each in body for one in every(each, ast.AugAssign) if one.target in stores]
    sums = [one for one in added if isinstance(one.op, ast.Add | ast.Sub)]
    begun = [one for each in body for one in every(each, ast.Assign) if _begins(one, name)]
    return sums == [node] and bool(begun) and len(stores) == len(begun) + len(added)


def _begins(node: ast.Assign, name: str) -> bool:
    value = node.value
    plain = isinstance(value, ast.Constant) and isinstance(value.value, int | float)
    return plain and any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
