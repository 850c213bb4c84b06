"""What is run to prove the fixes of a file, and the runner that all files share.

Note [What runs without being told]
    Nothing but the probes that `--probe` or the configuration names, and files that have a fix to prove
    and a `__main__` guard.  Both only in a sandbox; `--allow-run` lets resource limits do.
"""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fixinplace.config import Config
from fixinplace.model import Fix
from fixinplace.pipeline import Proof, Prover
from fixinplace.source import Source

MEMORY = 8 * 2**30
"""Bytes of address space that one run may take."""


@dataclass(frozen=True, slots=True)
class Proving:
    """The options about running: probes by name, seconds per run, and whether limits alone are enough."""

    probes: tuple[str, ...] = ()
    timeout: float = 60.0
    allow_run: bool = False


class Provers:
    """Hands out a prover per file; the one runner starts with the first proof and ends with `close`."""

    def __init__(self, proving: Proving) -> None:
        self._proving = proving
        self._stack = contextlib.ExitStack()
        self._runner: object | None = None

    def prover(self, source: Source, config: Config) -> Prover | None:
        """The prover for one file, or None if there is nothing to run."""
        specs = tuple(_specs(source.path, self._proving.probes, config))
        if not specs and not self._has_guard(source):
            return None

        def prove(source: Source, fixes: Sequence[Fix]) -> Proof:
            raise AssertionError(specs, fixes)

        return prove

    def _has_guard(self, source: Source) -> bool:
        from fixinplace.verify import probes

        return probes.has_main_guard(source.part.text)

    def close(self) -> None:
        """End the runner and every process of it."""
        self._stack.close()


def _specs(path: str, named: Sequence[str], config: Config) -> Iterator[str]:
    """Probes for one file, with absolute paths: those of the command line, else those of the configuration."""
    absolute = Path(path).absolute()
    folder, words = (Path.cwd(), named) if named else (config.root, config.probes)
    for word in words:
        file, separator, function = word.partition("::")
        if not file:
            yield f"{absolute}::{function}"
        elif not any(mark in file for mark in "*?["):
            yield f"{folder / file}{separator}{function}"
        elif fnmatch.fnmatchcase(str(absolute), str(folder / file)):
            yield f"{absolute}{separator}{function}"
