"""A copy that the next copy alone reads, written into it: one line instead of two.

Note [Read once]
    What is computed again for a single reader needs no name: `loss = f(net(x))`.  The name keeps its first value then,
    so it is only left out where nobody can tell: it is bound once in its function, and read on the way to the step
    alone.  `a, b = net(x)` becomes `net(x)[1]` where the called one is seen to return a tuple of that length.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

from fixinplace.repair.code import Function
from fixinplace.repair.steps.lines import Item
from fixinplace.repair.steps.situation import Situation

_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)
_NOT_ONCE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.IfExp, ast.BoolOp)
_LONGEST = 120

Fold = tuple[ast.Name, str]
"""Where a copy is read, and what stands there instead."""


def folds(at: Situation, copies: Sequence[Item], chosen: Sequence[Item], step: ast.stmt) -> dict[int, tuple[int, Fold]]:
    """By index in `chosen`: which later one takes a copy in, and how; no one does both.  See Note [Read once]."""
    found: dict[int, tuple[int, Fold]] = {}
    taken = -1
    for n, (item, reader) in enumerate(pairwise(chosen)):
        if not any(item is each for each in copies) or n == taken:
            continue
        others = [each for each in chosen if each is not item and each is not reader]
        fold = _fold(at, item, reader, others, step)
        if fold is not None:
            found[n], taken = (n + 1, fold), n + 1
    return found


def _fold(at: Situation, item: Item, reader: Item, others: Sequence[Item], step: ast.stmt) -> Fold | None:
    parts = _parts(at, item.node)
    if item.wraps or reader.wraps or not parts or not isinstance(reader.node, _SIMPLE):
        return None
    read = [each for each in _loads(reader.node) if each.id in parts]
    spread = any(each.id in parts for other in others for each in _loads(other.node))
    if len(read) != 1 or spread or not all(_unseen(at, name, item.node, step) for name in parts):
        return None
    (name,), value = read, parts[read[0].id]
    inside = any(isinstance(up, _NOT_ONCE) for up in at.code.up(name))
    row, head = at.code.source_of(reader.node), at.code.head(step) or ""
    long = "\n" in row or "\n" in value or len(head + row) + len(value) - len(name.id) > _LONGEST
    return None if inside or long else (name, value)


def _parts(at: Situation, node: ast.stmt) -> dict[str, str]:
    """What stands for each name that an assignment binds; empty for one that cannot be taken apart."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return {name: _text(at, value)}
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=value) if all(isinstance(n, ast.Name) for n in names):
            bound = [each.id for each in names if isinstance(each, ast.Name)]
            if isinstance(value, ast.Tuple) and len(value.elts) == len(bound):
                return {name: _text(at, each) for name, each in zip(bound, value.elts, strict=True)}
            if isinstance(value, ast.Call) and _gives_tuple(at, value, node, len(bound)):
                return {name: f"{_text(at, value)}[{n}]" for n, name in enumerate(bound)}
    return {}


def _text(at: Situation, value: ast.expr) -> str:
    text = at.code.source_of(value)
    return text if isinstance(value, _ATOMS) else f"({text})"


def _loads(node: ast.AST) -> list[ast.Name]:
    return [each for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)]


def _unseen(at: Situation, name: str, node: ast.stmt, step: ast.stmt) -> bool:
    """True if a name is bound by one statement alone, and read between that and the step alone."""
    around = at.frame.function or at.code.tree
    uses = [each for each in ast.walk(around) if isinstance(each, ast.Name) and each.id == name]
    loads, stores = _loads(around), [each for each in uses if not isinstance(each.ctx, ast.Load)]
    lines = [each.lineno for each in loads if each.id == name]
    given = [each for each in ast.walk(around) if isinstance(each, ast.arg) and each.arg == name]
    between = all((node.end_lineno or 0) < line <= (step.end_lineno or 0) for line in lines)
    return len(stores) == 1 and not given and between


def _gives_tuple(at: Situation, call: ast.Call, near: ast.stmt, length: int) -> bool:
    """True if the function, or the module's forward, that is called is seen to return a tuple."""
    helper = at.reader.called(call, near)
    called = [helper] if helper is not None else list(_forwards(at, ast.unparse(call.func)))
    return bool(called) and all(each is not None and _returns(each, length) for each in called)


def _forwards(at: Situation, name: str) -> Iterator[Function | None]:
    """The forward of each class of this file that is bound to a name somewhere; None for anything else bound to it."""
    kinds = {each.name: each for each in at.code.tree.body if isinstance(each, ast.ClassDef)}
    for node in ast.walk(at.code.tree):
        if isinstance(node, ast.arg) and node.arg == name:
            yield None
        if (
            isinstance(node, (ast.Name, ast.Attribute))
            and isinstance(node.ctx, ast.Store)
            and ast.unparse(node) == name
        ):
            match at.code.above[id(node)]:
                case ast.Assign(targets=[_], value=ast.Call(func=ast.Name(id=kind))) if kind in kinds:
                    body = kinds[kind].body
                    yield next((each for each in body if isinstance(each, Function) and each.name == "forward"), None)
                case _:
                    yield None


def _returns(function: Function, length: int) -> bool:
    values = [each.value for each in ast.walk(function) if isinstance(each, ast.Return)]
    plain = [each for each in values if isinstance(each, ast.Tuple) and len(each.elts) == length]
    starred = any(isinstance(each, ast.Starred) for value in plain for each in value.elts)
    return bool(values) and len(plain) == len(values) and not starred
