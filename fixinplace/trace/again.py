"""A graph that is used by two backwards, where all graphs are kept: which optimizer step stands between them.

Note [Used again]
    Torch frees what a backward used, so a later one that needs it dies, whether or not it was overwritten since.  With
    graphs kept, a saved tensor that two backwards ask for is known.  It belongs to an earlier iteration if an optimizer
    has stepped in between and the line that saved it has run again since; a loss that is differentiated twice by
    mistake meets no such line.
"""

from __future__ import annotations

import sys
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle

from fixinplace.trace.frames import Frames
from fixinplace.trace.ledger import Ledger, Save, Written


class Steps:
    """The optimizer steps of a run."""

    def __init__(self, ledger: Ledger, frames: Frames) -> None:
        self._ledger = ledger
        self._frames = frames
        self._seen: list[Written] = []

    def watch(self) -> RemovableHandle:
        """Note every step from now on."""
        return register_optimizer_step_post_hook(self._stepped)

    def _stepped(self, *of: Any) -> None:
        stack = self._frames.stack(sys._getframe(1))
        self._seen.append(Written(number=self._ledger.number(), op="step", stack=stack, version=0))

    def between(self, save: Save) -> Written | None:
        """The first step behind the backward that used a saved tensor, if the tensor is of an earlier iteration."""
        behind = (each for each in self._seen if self._ledger.backward_between(save.number, each.number))
        first = next(behind, None)
        return first if first is not None and self._ledger.saved_again(save.stack, first.number) else None
