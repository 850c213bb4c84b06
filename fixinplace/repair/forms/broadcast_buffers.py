"""DistributedDataParallel copies buffers over a tensor that an earlier forward saved."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.telling import explained

_REMEDY = (
    "`DistributedDataParallel(..., broadcast_buffers=False)`, or `SyncBatchNorm`, or one forward over both "
    "batches together"
)
_WHY = (
    "At the start of every forward DistributedDataParallel copies the buffers of rank 0 over those of the "
    "others, also over what an earlier forward of the same iteration saved."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """What happened, where, and the documented remedy."""
    return explained(scene, "FIP212", "broadcast-buffers", _REMEDY, _WHY)


REPAIR = Repair(
    name="broadcast-buffers",
    what="Says to switch the copying off, to synchronise the statistics, or to take one forward instead of two.",
    why="Each remedy changes what the ranks agree on, so that the author has to choose.",
    propose=propose,
)
