"""State that a loop carries with its graph: detached at the step, made a constant, or computed again in every round."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene, Tier
from fixinplace.repair.steps.carried import cut_at_call, cut_at_step, cut_before_loop
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.constant import held_constant, stored_constant
from fixinplace.repair.steps.forgotten import forgotten
from fixinplace.repair.steps.inner import cut_inside
from fixinplace.repair.steps.kept_graph import kept
from fixinplace.repair.steps.recompute import recomputed
from fixinplace.repair.steps.situation import Situation, deeper, situation
from fixinplace.repair.steps.splitting import one_by_one
from fixinplace.repair.steps.telling import story
from fixinplace.repair.steps.turns import all_together, summed_up

_NAME = "carried-graph"


def propose(scene: Scene) -> Iterator[Proposal]:
    """What cuts the graph between rounds, else an explanation."""
    yield from one_by_one(scene, _propose)


def _propose(scene: Scene) -> Iterator[Proposal]:
    offence = scene.offence
    if offence.rule not in ("FIP201", "FIP207"):
        return
    found = situation(scene)
    if found is None or (offence.rule == "FIP201" and not found.carried):
        choices, between = [], []
    else:
        again = recomputed(found) if offence.rule == "FIP207" else ()
        whole = all_together(found) if offence.rule == "FIP207" else summed_up(found)
        constant = _constant(found) if offence.rule == "FIP207" else ()
        inside = cut_inside(found) if offence.rule == "FIP207" else ()
        inner = deeper(found)
        called = () if inner is None else cut_at_call(inner)
        at_step, before = [*forgotten(found), *cut_at_step(found)], [*inside, *cut_before_loop(found), *called]
        choices, between = [*at_step, *constant, *before, *whole, *again], [*at_step, *before]
    if not between and offence.rule == "FIP207":
        choices += kept(scene, altogether=not choices)
    for choice in choices:
        yield Proposal(_NAME, Tier.CHOOSE, choice.title, choice.changes, choice.meaning, choice.rank)
    if not choices and offence.rule == "FIP207":
        title = "detach what is carried from round to round, or compute it again in each"
        meaning = f"A backward went on into the graph of an earlier round, which was overwritten since. {story(scene)}"
        yield Proposal(_NAME, Tier.EXPLAIN, title, meaning=meaning, rank=90)


def _constant(at: Situation) -> list[Choice]:
    """The state made a constant, where a round makes it anew or writes parts of it."""
    return list(held_constant(at)) or list(stored_constant(at))


REPAIR = Repair(
    name=_NAME,
    what="Detaches, at the optimizer step, the state that a loop carries; or what is added to it; or takes one step"
    " for all rounds; or computes a cached value in each; or forgets, at the step, what an object computes once and"
    " keeps.",
    why="The graph of earlier rounds hangs on the state, and the step has overwritten the weights that it needs. "
    "Cutting it is truncated backpropagation through time: the values stay, gradients end at the step.",
    propose=propose,
)
