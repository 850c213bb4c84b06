"""A view that was taken without grad mode and is written with it: taken in grad mode instead."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.index import dotted
from fixinplace.model import Edit, Span
from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code

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


def _taken(code: Code, node: ast.AST, name: str) -> Iterator[tuple[ast.Assign, ast.With]]:
    """Assignments of the written name that stand directly in a block without grad mode, in the same function."""
    for found in ast.walk(code.function(node) or code.tree):
        block = code.above.get(id(found))
        if isinstance(found, ast.Assign) and isinstance(block, ast.With) and len(block.items) == 1:
            bound = [dotted(each) for each in found.targets if isinstance(each, ast.Name)]
            if bound == [name] and _switches_off(block.items[0].context_expr):
                yield found, block


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
    what="Moves the line that takes the view out of its `no_grad` block, so that the view can be written in grad mode.",
    why="A view that was made without grad mode has no history: autograd would not see that the base is written.",
    propose=propose,
)
