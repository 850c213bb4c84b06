"""A write that no backward should have met, moved behind the backward: weights that are put back too early.

Only within one block, and only past statements that have nothing to do with it.  Whether the program still computes
the same is for the runs to say: the saved values are those of the forward, so its gradients are the reference.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proposal, Scene, Tier
from fixinplace.repair.steps.along import apart
from fixinplace.repair.steps.lines import common
from fixinplace.repair.steps.moving import CannotMove, checked, cut, moved, pasted_after
from fixinplace.repair.steps.situation import situation


def put_off(scene: Scene, name: str) -> Iterator[Proposal]:
    """The statement of the block that wrote, behind the one whose backward needed the old value."""
    at = situation(scene)
    shared = None if at is None else common(at.code, at.write, at.needed)
    if at is None or shared is None or shared[1] >= shared[2]:
        return
    block, first, last = shared
    facts = at.reader.facts(block[first])
    between = block[first + 1 : last]
    if facts.jumps or not all(apart(facts, at.reader.facts(each), at) for each in between):
        return
    if not isinstance(block[last], ast.Expr | ast.Assign):
        return
    try:
        lines = pasted_after(at.code, block[last], moved(at.code, [block[first]]))
        edits = checked(at.code, (*cut(at.code, [block[first]]), lines))
    except CannotMove:
        return
    title = f"`{at.one_line(block[first])}` moved behind `{at.one_line(block[last])}`"
    yield Proposal(name, Tier.PATCH, title, (Change(at.code.path, edits),), rank=12)
