"""An optimizer step between a forward and a later backward: three honest meanings, or the story where none fits."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene, Tier
from fixinplace.repair.steps.detaching import detached
from fixinplace.repair.steps.recompute import recomputed
from fixinplace.repair.steps.reorder import reordered
from fixinplace.repair.steps.situation import situation
from fixinplace.repair.steps.telling import at, shown

_NAME = "optimizer-step"


def propose(scene: Scene) -> Iterator[Proposal]:
    """The choices that the order of the statements leaves, else an explanation."""
    if scene.offence.rule != "FIP201":
        return
    found = situation(scene)
    choices = [] if found is None else [*reordered(found), *recomputed(found), *detached(found)]
    for choice in choices:
        yield Proposal(_NAME, Tier.CHOOSE, choice.title, choice.changes, choice.meaning, choice.rank)
    if not choices:
        yield _story(scene)


def _story(scene: Scene) -> Proposal:
    offence = scene.offence
    write = offence.writes[0].place if offence.writes else None
    save = offence.save.place if offence.save is not None else None
    meaning = (
        f"{shown(write, 'An optimizer step')} wrote parameters{at(write)} that the forward{at(save)} had saved, and "
        f"{shown(offence.needed, 'a backward')}{at(offence.needed)} needed them as they were. The order of the three "
        f"is decided in places that cannot be rearranged safely from here."
    )
    title = "take every backward before the step, or compute the loss again after it, or detach what it must not teach"
    return Proposal(_NAME, Tier.EXPLAIN, title, meaning=meaning, rank=90)


REPAIR = Repair(
    name=_NAME,
    what="Moves the step behind the failing backward; or computes the failing loss again after the step; or detaches, "
    "in the failing loss, what it shares with the side that has stepped.",
    why="A step writes the parameters in place, and the later backward is taken through a forward that used the old "
    "ones. Gradients at the old weights, gradients at the new weights and no gradients at all for one side are three "
    "different trainings; which one is meant only the author knows.",
    propose=propose,
)
