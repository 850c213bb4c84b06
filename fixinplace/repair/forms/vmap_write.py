"""Under vmap a batched value is written into a tensor without that dimension."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.telling import explained

_REMEDY = (
    "make the target from a batched value (`torch.zeros_like(x)`, `x.new_zeros(...)`), or collect the values "
    "in a list and `torch.stack` them"
)
_WHY = (
    "Under `vmap` the target has no batch dimension and the value has one, so that there is no place for all "
    "of the batch. For batch norm, whose running statistics are such targets, `torch.func` documents "
    "`replace_all_batch_norm_modules_`."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """What happened, where, and the documented remedy."""
    return explained(scene, "FIP211", "vmap-write", _REMEDY, _WHY)


REPAIR = Repair(
    name="vmap-write",
    what="Says to build the target from a batched value, or to stack a list.",
    why=(
        "The shape of a batched value is hidden inside the mapped function; a target that is made from it is "
        "batched as well."
    ),
    propose=propose,
)
