"""The output of a module with a full backward hook is written in place."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.telling import explained

_REMEDY = (
    "keep what follows the hooked module out of place (`inplace=False` there), or hook the tensor instead: a "
    "forward hook that calls `output.register_hook(...)`"
)
_WHY = (
    "A full backward hook passes the module's output through a function of torch's own, so that the output is "
    "a view which torch lets nobody write in place."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """What happened, where, and the documented remedy."""
    return explained(scene, "FIP209", "hook-wrapped-output", _REMEDY, _WHY)


REPAIR = Repair(
    name="hook-wrapped-output",
    what="Says to keep the module behind the hook out of place, or to hook the output tensor from a forward hook.",
    why=(
        "The documentation of `register_full_backward_hook` rules out in-place writes to inputs and outputs. "
        "Which of the two may be edited, the model or the hook, is not for a tool to say."
    ),
    propose=propose,
)
