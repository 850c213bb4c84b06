"""What a program does beyond the process that is watched: other interpreters, and compilation; and autocast.

Note [Other interpreters]
    A second Python that the program starts reads the edited file from the disk, as it was before the edit, and its
    gradients are not recorded.  What it computes would be the original's in both runs, so it is refused, and a program
    that asks for one is not proved, whatever it does about the refusal.
    A forked copy is no second interpreter: it has the edited text.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import torch

from fixinplace.verify.lowered import Lowered

_STARTING = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.spawn"})


class Outside:
    """Watches the calling process; `interpreter`, `lowered` and `notes` tell what was seen."""

    def __init__(self) -> None:
        self.interpreter = ""
        self.lowered = Lowered()
        self.notes: list[str] = []

    def install(self) -> None:
        """From now on; cannot be undone."""
        self.lowered.install()
        # multiprocessing starts its interpreters through this module, past every audit event
        starter: Any = importlib.import_module("_posixsubprocess")
        fork_exec, compile_ = starter.fork_exec, torch.compile

        def watched_fork_exec(arguments: Sequence[Any], *rest: Any) -> Any:
            self._started(arguments)
            return fork_exec(arguments, *rest)

        def watched_compile(*arguments: Any, **options: Any) -> Any:
            self.notes.append("torch.compile is switched off in these runs")
            return compile_(*arguments, **options)

        starter.fork_exec = watched_fork_exec
        torch.compile = watched_compile
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STARTING:
            self._started(arguments)

    def _started(self, arguments: Any) -> None:
        for word in _words(arguments):
            if os.path.basename(word).startswith("python") or word == sys.executable:  # noqa: PTH119 - any string
                self.interpreter = f"the program starts {word}, which would run the file as it is on the disk"
                raise PermissionError(self.interpreter)


def _words(value: Any) -> list[str]:
    """All words of a command, however it was given."""
    if isinstance(value, (str, bytes, os.PathLike)):
        return os.fsdecode(value).split()
    if isinstance(value, (list, tuple)):
        return [word for item in value for word in _words(item)]
    return []
