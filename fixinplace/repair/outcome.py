"""Everything that one `repair` came to: what the report reads."""

from __future__ import annotations

from dataclasses import dataclass

from fixinplace.repair.base import Files
from fixinplace.repair.code import Code
from fixinplace.repair.found import Found
from fixinplace.trace.events import Trace
from fixinplace.verify.jobs import Failure
from fixinplace.verify.ownership import is_foreign


@dataclass(frozen=True)
class Outcome:
    """label: the user's command. failure: how its first run ended, None if it came to its end.

    packages: reads the files of installed packages, which are shown and never written.
    ours: the failure is an in-place error. found: None where nothing was searched. explained: stopped before patching.
    chosen: number of the proposal that the user wants, 0 for none. paths: files that were written.
    in_place: the search ran in the user's own folder and environment.
    interrupted: seconds after which the first run was stopped, 0 if it came to its end.
    """

    label: str
    trace: Trace
    failure: Failure | None
    ours: bool
    files: Files
    packages: Files
    found: Found | None = None
    explained: bool = False
    chosen: int = 0
    in_place: bool = False
    interrupted: float = 0.0
    written: bool = False
    paths: tuple[str, ...] = ()

    def read(self, path: str) -> Code | None:
        """A file that a repair may show."""
        return self.files(path) or self.packages(path)

    @property
    def foreign(self) -> tuple[str, ...]:
        """Files of installed packages that the best attempt edits."""
        best = self.found.best if self.found is not None else None
        return () if best is None else tuple(path for path in best.attempt.edits if is_foreign(path))

    @property
    def status(self) -> str:
        """In one word: `clean`, `failed` (by itself, or without an end), `repaired`, `upstream`, `choice`, `found`."""
        if self.found is None or not self.found.culprits:
            if self.interrupted:
                return "failed"
            return "clean" if self.failure is None else "found" if self.ours else "failed"
        if self.found.proved:
            return "upstream" if self.foreign else "repaired"
        return "choice" if self.found.choices else "found"
