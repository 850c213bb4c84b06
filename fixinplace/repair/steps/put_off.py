"""A write that no backward should have met, moved behind the backward: weights that are put back or updated too early.

Only within one block, and only past statements that have nothing to do with it.  Whether the program still computes
the same is for the runs to say: the saved values are those of the forward, so its gradients are the reference.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from fixinplace.model import Edit
from fixinplace.repair.base import Change, Proposal, Scene, Tier
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.lines import common
from fixinplace.repair.steps.moving import CannotMove, checked, cut, moved, pasted_after
from fixinplace.repair.steps.paths import Paths, path, touch
from fixinplace.repair.steps.reorder import reordered
from fixinplace.repair.steps.situation import Situation, situation


@dataclass(frozen=True)
class _Later:
    """A statement behind another: both on one line, and the edits."""

    statement: str
    behind: str
    edits: tuple[Edit, ...]

    @property
    def title(self) -> str:
        return f"`{self.statement}` moved behind `{self.behind}`"


def put_off(scene: Scene, name: str) -> Iterator[Proposal]:
    """The statement of the block that wrote, behind the one whose backward needed the old value."""
    at = situation(scene)
    found = None if at is None else _later(at)
    if at is not None and found is not None:
        yield Proposal(name, Tier.PATCH, found.title, (Change(at.code.path, found.edits),), rank=12)


def update_put_off(scene: Scene, name: str) -> Iterator[Proposal]:
    """The same for an update by hand of weights that nobody trains: an average of them, a target that is brought up to
    date.
    """
    write = scene.offence.writes[0] if scene.offence.writes else None
    at = situation(scene) if write is not None and write.leaf and not write.grad_mode else None
    found = None if at is None or at.reads_gradients else _later(at)
    if at is not None and found is not None:
        yield Proposal(name, Tier.PATCH, found.title, (Change(at.code.path, found.edits),), rank=12)


def updated_later(at: Situation) -> Iterator[Choice]:
    """An update by hand that uses no gradient, behind the failing backward; see the note of this module."""
    by_hand = at.step is None and at.scene.offence.writes[0].by != "optimizer" and not at.reads_gradients
    if not by_hand or any(True for _ in reordered(at)):
        return
    found = _later(at)
    if found is not None:
        meaning = (
            f"Every gradient is taken at the weights that its forward used; `{found.statement}` changes them "
            f"afterwards, and all that comes behind it finds what it found before."
        )
        yield Choice(found.title, meaning, (Change(at.code.path, found.edits),), 10)


def _later(at: Situation) -> _Later | None:
    shared = common(at.code, at.write, at.needed)
    if shared is None or shared[1] >= shared[2]:
        return None
    block, first, last = shared
    used, between = _used(at, block[first]), [at.reader.facts(each) for each in block[first + 1 : last]]
    if at.reader.facts(block[first]).jumps:
        return None
    if any(each.jumps or touch(used, each.reads | each.writes) for each in between):
        return None
    if not isinstance(block[last], ast.Expr | ast.Assign):
        return None
    try:
        lines = pasted_after(at.code, block[last], moved(at.code, [block[first]]))
        edits = checked(at.code, (*cut(at.code, [block[first]]), lines))
    except CannotMove:
        return None
    return _Later(at.one_line(block[first]), at.one_line(block[last]), edits)


def _used(at: Situation, statement: ast.stmt) -> Paths:
    """All that a statement reads or writes, as far as it may write it: a call may change what it is seen to read."""
    facts = at.reader.facts(statement)
    calls = [each for each in ast.walk(statement) if isinstance(each, ast.Call)]
    unseen = [each.func.value for each in calls if isinstance(each.func, ast.Attribute)
              and at.reader.called(each, statement) is None]  # fmt: skip
    objects = {found for each in unseen if (found := path(each)) is not None}
    return frozenset(each for each in objects | facts.reads | facts.writes
                     if each.partition(".")[0] not in at.reader.imported)  # fmt: skip
