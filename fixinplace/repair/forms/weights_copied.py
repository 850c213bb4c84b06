"""Losses of several rounds, differentiated behind the loop that has stepped in each: run on copies of the weights."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene, Tier
from fixinplace.repair.steps.copied import in_rounds_on_copies
from fixinplace.repair.steps.situation import situation
from fixinplace.repair.steps.splitting import one_by_one

_NAME = "weights-copied"


def propose(scene: Scene) -> Iterator[Proposal]:
    """The calls whose weights a later round has stepped, on copies of them."""
    yield from one_by_one(scene, _propose)


def _propose(scene: Scene) -> Iterator[Proposal]:
    at = situation(scene) if scene.offence.rule in ("FIP201", "FIP207") else None
    for choice in in_rounds_on_copies(at) if at is not None else ():
        yield Proposal(_NAME, Tier.CHOOSE, choice.title, choice.changes, choice.meaning, choice.rank)


REPAIR = Repair(
    name=_NAME,
    what="Runs the module on a copy of its weights, as they are in that round: "
    "`torch.func.functional_call(net, weights, (x,))`.",
    why="A loop steps in every round, and the backward behind it goes through the forwards of all rounds. No order of "
    "the statements gives each forward its own weights; a copy does, and hands the gradients on to the parameters.",
    propose=propose,
)
