"""What is undone behind the backward, undone before it: weights that are swapped for a while and put back too late.

The statement that puts back is told by its assignment to `.data`, in itself or in the function of the file that it
calls.  It moves only past statements that have nothing to do with it; whether the gradients are those of the saved
values is for the runs to say.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proposal, Scene, Tier
from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.along import apart
from fixinplace.repair.steps.lines import common
from fixinplace.repair.steps.moving import CannotMove, checked, cut, moved, pasted_before
from fixinplace.repair.steps.optimizers import step_of
from fixinplace.repair.steps.paths import path, touch
from fixinplace.repair.steps.situation import Situation, situation


def undone_before(scene: Scene, name: str) -> Iterator[Proposal]:
    """The first statement behind the backward that puts memory back, in front of it."""
    at = situation(scene)
    shared = None if at is None else common(at.code, at.write, at.needed)
    if at is None or shared is None:
        return
    block, _, last = shared
    behind = next((n for n in range(last + 1, len(block)) if _puts_back(at.code, block[n])), None)
    if behind is None or not _passes(at, block[last + 1 : behind], block[behind]):
        return
    try:
        lines = pasted_before(at.code, block[last], moved(at.code, [block[behind]]))
        edits = checked(at.code, (lines, *cut(at.code, [block[behind]])))
    except CannotMove:
        return
    title = f"`{at.one_line(block[behind])}` moved before `{at.one_line(block[last])}`"
    yield Proposal(name, Tier.PATCH, title, (Change(at.code.path, edits),), rank=11)


def _passes(at: Situation, between: list[ast.stmt], mover: ast.stmt) -> bool:
    """True if no line between has to do with what the mover is given, or steps an optimizer."""
    facts = at.reader.facts(mover)
    calls = (call for call in ast.walk(mover) if isinstance(call, ast.Call))
    given = [name for call in calls for each in call.args if (name := path(each)) is not None]
    for each in between:
        other = at.reader.facts(each)
        if step_of(each) is not None or touch(other.reads, given) or not apart(facts, other, at):
            return False
    return not facts.jumps


def _puts_back(code: Code, statement: ast.stmt) -> bool:
    """True for an assignment to `.data`, for a loop or a block with one, and for a call of a function that has one."""
    if isinstance(statement, Function | ast.ClassDef):
        return False
    called = {each.func.attr if isinstance(each.func, ast.Attribute) else ast.unparse(each.func)
              for each in ast.walk(statement) if isinstance(each, ast.Call)}  # fmt: skip
    helpers = (each for each in ast.walk(code.tree) if isinstance(each, Function) and each.name in called)
    return any(_sets_data(each) for node in (statement, *helpers) for each in ast.walk(node))


def _sets_data(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "data" and isinstance(node.ctx, ast.Store)
