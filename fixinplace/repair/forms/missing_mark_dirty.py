"""A custom Function writes its input, or keeps tensors past autograd's eyes."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.telling import explained

_REMEDY = (
    "`ctx.mark_dirty(x)` in the Function's forward for every input that it writes, and return that input; or "
    "write a clone of it"
)
_WHY = (
    "The forward of a custom Function wrote its input without saying so, and autograd goes on with a graph "
    "that does not know it. What the backward needs belongs to `ctx.save_for_backward`, which is checked; "
    "attributes of `ctx` are not."
)

_SAVE = (
    "`ctx.save_for_backward(x)` in the Function's forward, and `ctx.saved_tensors` in its backward, in place of an "
    "attribute of `ctx`; or write out of place what it was given"
)
_UNCHECKED = (
    "The Function keeps a tensor as an attribute of `ctx`, and it was overwritten before the backward read it. torch "
    "compares versions of what `ctx.save_for_backward` was given alone: the gradient is wrong, and nothing raised."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """What happened, where, and the documented remedy."""
    if scene.offence.silent:
        return explained(scene, "FIP210", "missing-mark-dirty", _SAVE, _UNCHECKED)
    return explained(scene, "FIP210", "missing-mark-dirty", _REMEDY, _WHY)


REPAIR = Repair(
    name="missing-mark-dirty",
    what="Says to declare the written input with `ctx.mark_dirty`, or to write a clone.",
    why=(
        "Inside a custom Function nothing is recorded: only its author knows which inputs it changes, and what "
        "its backward needs."
    ),
    propose=propose,
)
