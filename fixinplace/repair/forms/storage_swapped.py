"""A saved tensor is given another storage: `x.data = y`."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.telling import explained

_REMEDY = (
    "`with torch.no_grad(): x.copy_(y)`, which torch checks, and only after the backward; or set the tensor "
    "before the forward"
)
_WHY = (
    "`x.data = y` and `set_` put other memory under a tensor that the forward had saved. Autograd's copy may "
    "follow or not, depending on the op, and no version moves."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """What happened, where, and the documented remedy."""
    return explained(scene, "FIP303", "storage-swapped", _REMEDY, _WHY)


REPAIR = Repair(
    name="storage-swapped",
    what="Says to copy under `no_grad` at a time when no backward is due.",
    why="An assignment to `.data` goes past autograd altogether.",
    propose=propose,
)
