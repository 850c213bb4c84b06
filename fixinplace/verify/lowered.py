"""Programs that compute in less than float32, as `torch.autocast` makes them do.

Note [Autocast in float64]
    In float64 autocast converts nothing, and `.to(torch.bfloat16)` is what it was: a version that computes in another
    dtype than the original is equal to it there.  `g *= scale` keeps bfloat16 where `g = g * scale` gives float32.  So
    where a program computes in narrower types, a difference is not explained by a run in float64.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from fixinplace.verify.jobs import Json

_NARROW = frozenset({"bfloat16", "float16"})
_autocast: Any = torch.autocast


class Lowered:
    """Watches for autocast that is entered in the calling process."""

    def __init__(self) -> None:
        self._entered = False

    def install(self) -> None:
        """From now on; cannot be undone."""
        original = _autocast.__enter__

        def enter(context: Any) -> Any:
            self._entered |= bool(context._enabled)
            return original(context)

        _autocast.__enter__ = enter

    def seen(self, rows: Iterable[Json]) -> bool:
        """True if autocast was entered, or one of the records is of a tensor of a narrower type."""
        return self._entered or any(row.get("dtype") in _NARROW for row in rows)
