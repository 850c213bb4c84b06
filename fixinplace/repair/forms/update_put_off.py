"""Weights that nobody trains, updated by hand between a forward that used them and its backward."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.put_off import update_put_off
from fixinplace.repair.steps.splitting import one_by_one

_NAME = "update-put-off"


def propose(scene: Scene) -> Iterator[Proposal]:
    """The statement that updates, behind the one whose backward needs the old weights."""
    if not scene.offence.rule:  # no cause of its own: the construct names it
        yield from one_by_one(scene, lambda split: update_put_off(split, _NAME))


REPAIR = Repair(
    name=_NAME,
    what="Moves the update of a target network or of an average of weights behind the backward that needs the old "
    "ones, past lines that have nothing to do with it.",
    why="The gradient goes through the target to what it was given, and needs the weights of its forward. They do not "
    "learn, so there is no other meaning to choose from: the next round finds the same weights.",
    propose=propose,
)
