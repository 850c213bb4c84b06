"""Saved-tensor hooks hide that a saved tensor was overwritten."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.telling import explained

_REMEDY = (
    "write out of place what the forward saved, or let the pack hook keep a copy (`tensor.clone()`) instead "
    "of the tensor itself"
)
_WHY = (
    "Under saved-tensor hooks (`save_on_cpu`, or one's own) torch does not compare versions any more: the "
    "backward used the overwritten values, and nothing raised."
)

_CHECKPOINT = "torch/utils/checkpoint.py"
_PASS = "pass a copy of what is overwritten (`tensor.clone()`) into the checkpointed function, as an argument"
_AGAIN = (
    "A checkpoint keeps the arguments of its function and computes everything else again in backward: what the "
    "function reads elsewhere had been overwritten by then, and nothing raised. A copy inside of it is made again, too."
)

_INSIDE = "write out of place inside the checkpointed function what an operation before it saved"
_TWICE = (
    "A checkpoint computes its function again in backward, and the function overwrote the second time, too, what an "
    "operation in it had saved: torch compares no versions there, the backward used the overwritten values, and "
    "nothing raised."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """What happened, where, and the documented remedy."""
    save = scene.offence.save
    if save is not None and any(place.file.endswith(_CHECKPOINT) for place in save.stack):
        inside = any(write.in_backward for write in scene.offence.writes[:1])
        remedy, why = (_INSIDE, _TWICE) if inside else (_PASS, _AGAIN)
        return explained(scene, "FIP307", "check-disabled-by-hooks", remedy, why)
    return explained(scene, "FIP307", "check-disabled-by-hooks", _REMEDY, _WHY)


REPAIR = Repair(
    name="check-disabled-by-hooks",
    what="Says to write out of place, or to pack copies.",
    why="torch cannot know what an unpack hook gives back, so that it leaves the check to the hooks.",
    propose=propose,
)
