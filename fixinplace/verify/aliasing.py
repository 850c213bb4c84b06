"""Which observed tensors share elements, from the addresses that a run recorded."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fixinplace.verify.jobs import Json

MAX_PAIRS = 100_000
_MAX_ELEMENTS = 1 << 22


@dataclass(frozen=True, slots=True)
class Memory:
    """Where a tensor's elements lie: first address and item size in bytes, shape, steps in elements."""

    path: str
    address: int
    item: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]

    @property
    def end(self) -> int:
        """Address behind the last element."""
        return (
            self.address + (1 + sum((n - 1) * step for n, step in zip(self.shape, self.steps, strict=True))) * self.item
        )

    @property
    def gapless(self) -> bool:
        """Every byte between the first and the last element belongs to an element."""
        expected = 1
        for step, size in sorted(zip(self.steps, self.shape, strict=True)):
            if size == 1 or step == 0:
                continue
            if step > expected:
                return False
            expected += (size - 1) * step
        return True

    def bytes(self) -> torch.Tensor:
        """int64 tensor of the addresses of all its bytes, relative to 0; one dimension."""
        place = torch.tensor([self.address])
        for size, step in zip(self.shape, self.steps, strict=True):
            count = 1 if step == 0 else size
            place = (place[:, None] + torch.arange(count)[None] * step * self.item).reshape(-1)
        return (place[:, None] + torch.arange(self.item)[None]).reshape(-1)


def memory(row: Json) -> Memory | None:
    """The memory of a tensor record; None for an empty or unread one."""
    found = row.get("memory")
    if found is None or 0 in row["shape"]:
        return None
    return Memory(row["path"], found["address"], found["item"], tuple(row["shape"]), tuple(found["steps"]))


def sharing(places: list[Memory]) -> frozenset[tuple[str, str]] | None:
    """Pairs of paths, each in order, whose tensors share a byte; None if there are more than `MAX_PAIRS` to look at."""
    pairs: set[tuple[str, str]] = set()
    active: list[Memory] = []
    looked = 0
    for place in sorted(places, key=lambda each: (each.address, each.path)):
        active = [other for other in active if other.end > place.address]
        looked += len(active)
        if looked > MAX_PAIRS:
            return None
        pairs |= {
            (min(a, b), max(a, b)) for other in active if overlap(other, place) for a, b in [(other.path, place.path)]
        }
        active.append(place)
    return frozenset(pairs)


def overlap(one: Memory, two: Memory) -> bool:
    """True if the two share a byte; tensors too large to enumerate count as sharing if their extents meet."""
    if one.end <= two.address or two.end <= one.address:
        return False
    if one.gapless and two.gapless:
        return True
    if max(one.end - one.address, two.end - two.address) > _MAX_ELEMENTS:
        return True
    return bool(torch.isin(one.bytes(), two.bytes()).any())
