"""How a campaign goes, on standard error: bars on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fixinplace.commands.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

WORDS = {"detect": "looking", "prove": "proving"}


def watcher(console: Console, *, quiet: bool) -> Plain | Bars:
    """Bars on a terminal, lines elsewhere."""
    return Bars() if sys.stderr.isatty() and not quiet else Plain(console, quiet=quiet)


class _Counting:
    """Counts units, and findings by what became of them."""

    def __init__(self) -> None:
        self.name = ""
        self.done = self.total = 0
        self.began = time.monotonic()
        self.verdicts: Counter[str] = Counter()

    def stage(self, name: str, done: int, total: int) -> None:
        """A stage begins."""
        self.name, self.done, self.total = WORDS[name], done, total

    def one(self, standings: Iterable[tuple[str, str]]) -> None:
        """A unit has its result."""
        self.done += 1
        for counter, name in standings:
            if counter in ("fixed", "refused", "problems"):
                self.verdicts[name if counter == "fixed" else counter] += 1
            elif counter == "open":
                self.verdicts["not written"] += 1

    def tick(self) -> None:
        """Some time has passed."""

    @property
    def counts(self) -> str:
        """`proved 3 · refused 2`."""
        return " · ".join(f"{name} {count}" for name, count in sorted(self.verdicts.items()))


class Plain(_Counting):
    """A line every ten seconds, or none."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        super().__init__()
        self._console, self._quiet = console, quiet

    def tick(self) -> None:
        """Tell where it is, if the last line is some time ago."""
        if not self._quiet:
            self._console.progress(f"{self.name} {self.done} of {self.total} · {self.counts}".rstrip(" ·"))

    def close(self) -> None:
        """Nothing is left on the screen."""


class Bars(_Counting):
    """A bar for each stage with rate, time left and counts.

    Rich would redraw from a thread of its own; `tick` does it instead, so that the parent of all workers has one
    thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._drawn = 0.0

    def stage(self, name: str, done: int, total: int) -> None:
        """A bar begins."""
        super().stage(name, done, total)
        if self._progress is None:
            self._progress = _bars()
            self._progress.start()
        self._task = self._progress.add_task(self.name, total=total, completed=done, counts=self.counts)
        self._progress.refresh()

    def one(self, standings: Iterable[tuple[str, str]]) -> None:
        """The bar moves."""
        super().one(standings)
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, counts=self.counts)

    def tick(self) -> None:
        """Draw anew, eight times a second at most."""
        if self._progress is not None and time.monotonic() > self._drawn + 0.125:
            self._drawn = time.monotonic()
            self._progress.refresh()

    def close(self) -> None:
        """The bars stay as they are, and the cursor comes back."""
        if self._progress is not None:
            with contextlib.suppress(BrokenPipeError):
                self._progress.stop()


def _bars() -> Progress:
    from rich.console import Console as Screen
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units a second."""

        def render(self, task: object) -> Text:
            speed = getattr(task, "speed", None)
            return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")

    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), Rate(),
        TimeRemainingColumn(), TextColumn("{task.fields[counts]}"),
    )  # fmt: skip
    return Progress(*columns, console=Screen(stderr=True), auto_refresh=False, expand=True)
