"""Everything that one `repair` came to: what the report reads."""

from __future__ import annotations

from dataclasses import dataclass

from fixinplace.repair.base import Files
from fixinplace.repair.search import Found
from fixinplace.trace.events import Trace
from fixinplace.verify.jobs import Failure


@dataclass(frozen=True)
class Outcome:
    """label: the user's command. failure: how its first run ended, None if it came to its end.

    ours: the failure is an in-place error. found: None where nothing was searched. explained: stopped before patching.
    paths: files that were written.
    interrupted: seconds after which the first run was stopped, 0 if it came to its end.
    """

    label: str
    trace: Trace
    failure: Failure | None
    ours: bool
    files: Files
    found: Found | None = None
    explained: bool = False
    interrupted: float = 0.0
    written: bool = False
    paths: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """In one word: `clean`, `failed` (by itself, or without an end), `repaired`, `choice`, `found`."""
        if self.found is None or not self.found.culprits:
            if self.interrupted:
                return "failed"
            return "clean" if self.failure is None else "found" if self.ours else "failed"
        if self.found.proved:
            return "repaired"
        return "choice" if self.found.choices else "found"
