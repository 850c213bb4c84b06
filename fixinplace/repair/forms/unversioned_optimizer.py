"""A fused optimizer changes saved parameters, and torch's check does not see it."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.telling import explained

_REMEDY = (
    "take every backward before the step, or compute the loss again after it; with `fused=False` torch raises "
    "where the order is wrong"
)
_WHY = (
    "The fused step writes parameters without moving their versions: a later backward mixes the old "
    "activations with the new weights, and nothing raises."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """What happened, where, and the documented remedy."""
    return explained(scene, "FIP306", "unversioned-optimizer", _REMEDY, _WHY)


REPAIR = Repair(
    name="unversioned-optimizer",
    what="Says to take every backward before the step, or to compute the loss again.",
    why="It is the same order of step and backward that raises with the other implementations.",
    propose=propose,
)
