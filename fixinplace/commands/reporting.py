"""From results to what is printed: one place that knows the formats."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fixinplace.commands.console import Console
from fixinplace.pipeline import Result
from fixinplace.report import document, statistics, text
from fixinplace.report.summary import exit_code, summarise


class Format(enum.StrEnum):
    """`--output-format`."""

    TEXT = "text"
    CONCISE = "concise"
    JSON = "json"


class RepairFormat(enum.StrEnum):
    """`--output-format` of `repair`."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Reporting:
    """The options that say what is printed, and which exit code findings give."""

    format: Format = Format.TEXT
    statistics: bool = False
    exit_zero: bool = False


@dataclass(frozen=True, slots=True)
class Reporter:
    """Prints results as they come and closes with the summary; JSON is one document at the end.

    `dry` is `fix --diff`.  The report of `check` goes to standard output, that of `fix` to standard error.
    """

    command: str
    options: Reporting
    console: Console
    dry: bool = False

    @property
    def json(self) -> bool:
        """True if standard output belongs to one JSON document."""
        return self.options.format is Format.JSON

    def one(self, result: Result) -> None:
        """Print one result."""
        if self.json or self.options.statistics:
            return
        lines = text.concise if self.options.format is Format.CONCISE else text.full
        self._print(lines((result,)))

    def close(self, results: Sequence[Result]) -> int:
        """Print what is said about all results together; the exit code."""
        if self.json:
            whole = (
                statistics.document(results) if self.options.statistics else document.document(self.command, results)
            )
            self.console.lines([whole])
        else:
            if self.options.statistics:
                self._print(statistics.lines(results))
            self._print(self._summary(results))
        return exit_code(results, dry=self.dry, exit_zero=self.options.exit_zero)

    def _summary(self, results: Sequence[Result]) -> list[str]:
        summary = summarise(results)
        return list(text.check_summary(summary) if self.command == "check" else text.fix_summary(summary, dry=self.dry))

    def _print(self, lines: Iterable[str]) -> None:
        self.console.lines(lines, to_error=self.command == "fix")
