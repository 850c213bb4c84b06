"""A view that was taken without grad mode and is written with it: taken in grad mode instead."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.index import dotted
from fixinplace.model import Edit, Span
from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.facts import Reader

_BLOCKS = ("no_grad", "inference_mode")


def propose(scene: Scene) -> Iterator[Proposal]:
    """The line that takes the view, moved before its `no_grad` block; out of place the base would not change."""
    if scene.offence.rule != "FIP206" or not scene.offence.writes:
        return
    spot = scene.node(scene.offence.writes[0].place)
    if spot is None:
        return
    code, node = spot
    name = copying.written(code.statement(node))
    for taking, block in _taken(code, node, name):
        edits = _moved(code, taking, block)
        if edits is not None:
            title = f"`{code.source_of(taking)}` moved out of the `no_grad` block"
            yield Proposal("view-outside", Tier.PATCH, title, (Change(code.path, edits),), rank=8)
    for function in _helpers(code, node, name):
        title = f"`{function.name}` called in grad mode"
        found = (_undecorated(code, function), _unblocked(code, function))
        for change in (each for each in found if each is not None):
            yield Proposal("view-outside", Tier.PATCH, title, (change,), rank=8)


def _helpers(code: Code, node: ast.AST, name: str) -> Iterator[Function]:
    """Functions of the file whose result is written: they are called in the statement, or gave the name its value."""
    statement, reader = code.statement(node), Reader(code)
    bound = [each.value for each in ast.walk(code.function(node) or code.tree) if isinstance(each, ast.Assign)
             and [dotted(target) for target in each.targets] == [name]]  # fmt: skip
    calls = [each for part in (statement, *bound) for each in ast.walk(part) if isinstance(each, ast.Call)]
    found = {id(one): one for call in calls if (one := reader.called(call, statement)) is not None}
    yield from found.values()


def _undecorated(code: Code, function: Function) -> Change | None:
    """The function without the decorator that switches grad mode off."""
    marks = [each for each in function.decorator_list if _switches_off(each)]
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if len(marks) != 1 or not body:
        return None
    starts = code.text.starts
    line = Edit(Span(starts[marks[0].lineno - 1], starts[marks[0].end_lineno or marks[0].lineno]), "")
    return Change(code.path, (line,), shown=(code.text.span(body[0]).start,))


def _unblocked(code: Code, function: Function) -> Change | None:
    """The `return` of a view without the block around it."""
    blocks = [each for each in ast.walk(function) if isinstance(each, ast.With) and len(each.items) == 1
              and _switches_off(each.items[0].context_expr)]  # fmt: skip
    match blocks:
        case [ast.With(body=[ast.Return() as back]) as block]:
            return Change(code.path, (code.replace(block, code.source_of(back)),))
    return None


def _taken(code: Code, node: ast.AST, name: str) -> Iterator[tuple[ast.Assign, ast.With]]:
    """Assignments of the written name that stand directly in a block without grad mode, in the same function."""
    for found in ast.walk(code.function(node) or code.tree):
        block = code.above.get(id(found))
        alone = isinstance(block, ast.With) and len(block.items) == 1
        if isinstance(found, ast.Assign) and isinstance(block, ast.With) and alone and _binds(found, name):
            yield from [(found, block)] * _switches_off(block.items[0].context_expr)


def _binds(taking: ast.Assign, name: str) -> bool:
    """True for `row = x[0]`, and `row, rest = x[0], x[1:]`."""
    match taking:
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
            return any(dotted(each) == name for each in names) and all(isinstance(v, ast.Subscript) for v in values)
    return [dotted(each) for each in taking.targets] == [name]


def _switches_off(manager: ast.expr) -> bool:
    called = manager.func if isinstance(manager, ast.Call) else manager
    return dotted(called).rpartition(".")[2] in _BLOCKS


def _moved(code: Code, taking: ast.Assign, block: ast.With) -> tuple[Edit, ...] | None:
    """Before the block, or behind it where the view is taken of something that the block has made; else None."""
    text = code.source_of(taking)
    if len(block.body) == 1:
        return (code.replace(block, text),)
    before = block.body[: block.body.index(taking)]
    names = [each for one in before for each in ast.walk(one) if isinstance(each, ast.Name)]
    stored = {each.id for each in names if isinstance(each.ctx, ast.Store)}
    read = {each.id for each in ast.walk(taking.value) if isinstance(each, ast.Name)}
    if stored & read:
        inner, outer = code.head(taking), code.head(block)
        if inner is None or outer is None:
            return None
        span = code.text.span(taking)
        return (Edit(Span(span.start - len(inner), span.start), outer),)
    edits = (code.before_statement(block, text), code.remove(taking))
    return None if None in edits else tuple(edit for edit in edits if edit is not None)


REPAIR = Repair(
    name="view-outside",
    what="Moves the line that takes the view out of its `no_grad` block, or takes the decorator off the function that "
    "does, so that the view can be written in grad mode.",
    why="A view that was made without grad mode has no history: autograd would not see that the base is written.",
    propose=propose,
)
