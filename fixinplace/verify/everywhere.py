"""A function mode for all threads: torch gives a mode to the thread that enters it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from torch.overrides import TorchFunctionMode

_enter: Callable[..., object] = TorchFunctionMode.__enter__


class Everywhere(TorchFunctionMode):
    """A mode that is never left."""

    def install(self) -> None:
        """For the calling thread and for threads started later."""
        original = threading.Thread.run

        def run(thread: threading.Thread) -> None:
            with self:
                original(thread)

        threading.Thread.run = run  # type: ignore[assignment,method-assign]
        _enter(self)
