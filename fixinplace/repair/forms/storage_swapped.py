"""A saved tensor is given another storage: `x.data = y`."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.steps.put_off import put_off
from fixinplace.repair.steps.telling import explained
from fixinplace.repair.steps.undone import undone_before

_REMEDY = (
    "`with torch.no_grad(): x.copy_(y)`, which torch checks, and only after the backward; or set the tensor "
    "before the forward"
)
_WHY = (
    "`x.data = y` and `set_` put other memory under a tensor that the forward had saved. Autograd's copy may "
    "follow or not, depending on the op, and no version moves."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """What is put back, before the backward; the write behind it; what happened, and the documented remedy."""
    if scene.offence.rule == "FIP303":
        yield from undone_before(scene, "storage-swapped")
        yield from put_off(scene, "storage-swapped")
    yield from explained(scene, "FIP303", "storage-swapped", _REMEDY, _WHY)


REPAIR = Repair(
    name="storage-swapped",
    what="Moves what puts the old memory back before the backward that needs it, or the assignment behind it; "
    "or says to copy under `no_grad` then.",
    why="An assignment to `.data` goes past autograd altogether: the backward reads what lies there by then.",
    propose=propose,
)
