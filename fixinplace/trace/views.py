"""Where views were made that explain an error or a silent change: foreign ones, several at once, without grad mode."""

from __future__ import annotations

from collections import OrderedDict
from types import FrameType

import torch

from fixinplace.trace import memory
from fixinplace.trace.frames import Frames

KEPT = 1024


class Views:
    """Remembers the last places by storage, a bounded number of them, and no tensor."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._made: dict[str, OrderedDict[int, tuple[memory.Held | None, tuple[int, int]]]] = {}

    def note(self, what: str, tensor: torch.Tensor, frame: FrameType | None) -> None:
        """A view of this tensor was made; `what`: "foreign", "multiple" or "no-grad"."""
        site = self._frames.innermost(frame)
        if site is None:
            return
        with memory.Aside(not memory.is_plain(tensor)):
            held = memory.Held(tensor) if memory.object_of(tensor) else None
            key = memory.key(tensor)
        known = self._made.setdefault(what, OrderedDict())
        known[key] = (held, site)
        known.move_to_end(key)
        if len(known) > KEPT:
            known.popitem(last=False)

    def of(self, what: str, tensor: torch.Tensor) -> tuple[int, int] | None:
        """Where such a view of this tensor's memory was made last."""
        known = self._made.get(what)
        made = None if known is None else known.get(memory.key(tensor))
        return made[1] if made is not None and made[0] is not None and made[0].is_of(tensor) else None
