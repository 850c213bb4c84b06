"""An optimizer step between a forward and a later backward: three honest meanings, or the story where none fits."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene, Tier
from fixinplace.repair.steps.ahead import taken_ahead
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.copied import in_rounds_on_copies, on_a_copy
from fixinplace.repair.steps.detaching import detached
from fixinplace.repair.steps.joint import jointly
from fixinplace.repair.steps.kept_graph import kept
from fixinplace.repair.steps.methods import from_method
from fixinplace.repair.steps.put_off import updated_later
from fixinplace.repair.steps.recompute import recomputed
from fixinplace.repair.steps.reorder import reordered
from fixinplace.repair.steps.rounds import in_rounds, shares
from fixinplace.repair.steps.situation import deeper, situation
from fixinplace.repair.steps.splitting import one_by_one
from fixinplace.repair.steps.telling import story
from fixinplace.repair.steps.turns import accumulated, in_turn
from fixinplace.repair.steps.twice import taken_twice
from fixinplace.repair.steps.untaught import untaught

_NAME = "optimizer-step"


def propose(scene: Scene) -> Iterator[Proposal]:
    """The choices that the order of the statements leaves, else an explanation."""
    yield from one_by_one(scene, _propose)


def _propose(scene: Scene) -> Iterator[Proposal]:
    if scene.offence.rule not in ("FIP201", "FIP301", "FIP306"):
        return
    whole = situation(scene)
    inner = None if whole is None else deeper(whole)
    choices: list[tuple[str, Choice]] = []
    for found in (whole, inner):
        if found is not None and (scene.offence.rule != "FIP301" or found.updates_by_hand):
            turns = in_rounds if shares(found) else in_turn
            forms = (
                reordered,
                taken_ahead,
                jointly,
                turns,
                accumulated,
                recomputed,
                from_method,
                taken_twice,
                updated_later,
                detached,
            )
            choices += [(f"{form.__name__} {choice.rank}", choice) for form in forms for choice in form(found)]
    if scene.offence.rule == "FIP201":
        choices += [("untaught", choice) for choice in untaught(scene)]
    if not choices and scene.offence.rule == "FIP201":
        choices = [("kept", choice) for choice in kept(scene)]
    if not choices and scene.offence.rule == "FIP201" and not (whole and any(True for _ in in_rounds_on_copies(whole))):
        choices = [("on_a_copy", choice) for choice in on_a_copy(scene)]
    for kind, choice in choices:
        yield Proposal(_NAME, Tier.CHOOSE, choice.title, choice.changes, choice.meaning, choice.rank, kind=kind)
    if not choices and scene.offence.rule == "FIP201":
        yield _story(scene)


def _story(scene: Scene) -> Proposal:
    by_hand = bool(scene.offence.writes) and scene.offence.writes[0].by != "optimizer"
    what = "A write to a parameter, by hand and without grad," if by_hand else "An optimizer step"
    meaning = (
        f"{what} stands between a forward and its backward. {story(scene)} The order of the three is decided where it "
        f"cannot be rearranged safely from what was seen."
    )
    return Proposal(_NAME, Tier.EXPLAIN, _HAND if by_hand else _STEP, meaning=meaning, rank=90)


_STEP = "take every backward before the step, or compute the loss again after it, or detach what it must not teach"
_HAND = "write the parameter once a step, behind the backward and the optimizer, or compute with a value of its own"


REPAIR = Repair(
    name=_NAME,
    what="Moves the step, or an update by hand, behind the failing backward; or takes the later gradients ahead of the "
    "step, where both optimizers share parameters; or computes the failing loss again after the step; or detaches, "
    "in the failing loss, what it shares with the side that has stepped, or what a network computes that nobody steps; "
    "or what an object keeps with its graph.",
    why="A step writes the parameters in place, and the later backward is taken through a forward that used the old "
    "ones. Gradients at the old weights, gradients at the new weights and no gradients at all for one side are three "
    "different trainings; which one is meant only the author knows.",
    propose=propose,
)
