"""What a search tries next: what got furthest, and now and then what has waited longest.

Note [Two orders]
    Depth alone digs where a wrong guess happened to get far: a tensor of three dimensions passes a convolution as an
    image without a batch, and dies two lines later of sizes that no mend makes right.  So every third try is the one
    that is fewest mends away from a start, however far its parent got.
"""

from __future__ import annotations

import heapq
import itertools

from fixinplace.inputs.values import Recipe

Rank = tuple[int, ...]
START: Rank = ()
"""The rank of the first recipes, and of what comes before those that are left where each of them costs much time."""
AT_ONCE: tuple[Rank, ...] = ((-(1 << 30),), (-(1 << 29),))
"""Ranks of what is tried for real: it came to its end on fake tensors; it may, for only these kept it from it."""
VALUES: Rank = (-(1 << 28),)
"""The rank of what mends a recipe that came to its end on fake tensors alone: its shapes fit, its values do not."""
_FAIR = 3


class Agenda:
    """Recipes with how they are to be run; `rank`: how far what they come from got, negated; `steps`: mends so far."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[Rank, int, Recipe, bool]] = {}
        self._deep: list[tuple[Rank, int, int]] = []
        self._near: list[tuple[int, int]] = []
        self._order, self._turn = itertools.count(), itertools.count(1)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def push(self, rank: Rank, steps: int, recipe: Recipe, fake: bool) -> None:
        """Put a recipe on the list."""
        number = next(self._order)
        self._waiting[number] = rank, steps, recipe, fake
        heapq.heappush(self._deep, (rank, steps, number))
        heapq.heappush(self._near, (steps, number))

    def pop(self) -> tuple[Rank, int, Recipe, bool]:
        """Take a recipe from the list, which must not be empty."""
        fair = next(self._turn) % _FAIR == 0 and self._deep[0][0] not in AT_ONCE
        while True:
            number = heapq.heappop(self._near)[-1] if fair else heapq.heappop(self._deep)[-1]
            found = self._waiting.pop(number, None)
            if found is not None:
                return found
