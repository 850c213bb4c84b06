"""A training-mode batch norm changes statistics that an evaluation-mode forward saved."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.telling import explained

_REMEDY = (
    "take the backward of the evaluation-mode forward before the next training-mode one, or let that forward "
    "use clones of the statistics"
)
_WHY = (
    "In evaluation mode batch norm saves its running statistics for the backward, in training mode it changes "
    "them, and torch does not count that as a write: the gradient is wrong and nothing raises."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """What happened, where, and the documented remedy."""
    return explained(scene, "FIP305", "running-stats", _REMEDY, _WHY)


REPAIR = Repair(
    name="running-stats",
    what="Says to take the backward first, or to use clones of the statistics.",
    why="The kernels of batch norm write the statistics without moving their version.",
    propose=propose,
)
