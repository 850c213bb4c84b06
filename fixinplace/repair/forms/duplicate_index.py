"""A store names one element several times, and the gradient is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.telling import explained

_REMEDY = (
    "name every element once; where the values are to be added, `index_add` or `index_put(..., "
    "accumulate=True)`, and where one of them is to win, take the last of each index first"
)
_WHY = (
    "A store whose index names an element twice keeps one of the values, and which one torch leaves open; its "
    "backward gives the gradient to all of them, also to those that were overwritten."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """What happened, where, and the documented remedy."""
    return explained(scene, "FIP304", "duplicate-index", _REMEDY, _WHY)


REPAIR = Repair(
    name="duplicate-index",
    what="Says to make the indices unique, or to accumulate.",
    why=(
        "Whether the last value or the sum is meant is not in the code, and torch's own gradient is no reference here."
    ),
    propose=propose,
)
