"""Counts over all results, and the exit code that follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fixinplace.model import Finding, Fix, Refused, Verdict
from fixinplace.pipeline import Result, counts

FAILURES = frozenset(("FIP901", "FIP902", "FIP904", "FIP905", "FIP906"))


@dataclass(frozen=True, slots=True)
class Summary:
    """Sites by what became of them; every counter maps a name to a number of sites.

    fixed: written, by verdict.  open: can be fixed but is not written, by verdict or reason
    (in `check`, where nothing was run: `safe` or `needs-a-run`).  refused: by refusal, ours to count.
    untouched: not ours, by refusal.  problems: by rule.
    """

    files: int
    fixed: Counter[str] = field(default_factory=Counter)
    open: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    untouched: Counter[str] = field(default_factory=Counter)
    suppressed: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    changed: int = 0

    @property
    def findings(self) -> int:
        """Sites that are the user's business, whatever became of them."""
        return self.fixed.total() + self.remaining

    @property
    def remaining(self) -> int:
        """Sites that are the user's business and still in place."""
        return self.open.total() + self.refused.total()


def summarise(results: Sequence[Result]) -> Summary:
    """Count what became of every site."""
    summary = Summary(
        files=len(results),
        suppressed=sum(len(result.analysis.suppressed) for result in results),
        problems=Counter(problem.rule for result in results for problem in result.analysis.problems),
        changed=sum(result.changed for result in results),
    )
    for result in results:
        for finding in result.analysis.findings:
            _count(summary, finding, result.written)
    return summary


def _count(summary: Summary, finding: Finding, written: frozenset[int]) -> None:
    outcome = finding.outcome
    if isinstance(outcome, Refused):
        (summary.refused if counts(finding) else summary.untouched)[outcome.refusal] += 1
    elif outcome.group in written:
        assert outcome.ruling is not None
        summary.fixed[outcome.ruling.verdict] += 1
    else:
        summary.open[standing(outcome)] += 1


def standing(fix: Fix) -> str:
    """How a fix stands in one word: its verdict, the reason why there is none, or what is missing for one."""
    ruling = fix.ruling
    if ruling is None:
        return "hidden-caller" if fix.parameter is not None else "safe" if fix.safe else "needs-a-run"
    if ruling.verdict in (Verdict.UNPROVED, Verdict.REFUTED) and ruling.reason is not None:
        return ruling.reason
    return ruling.verdict.value


def exit_code(results: Iterable[Result], *, dry: bool = False, exit_zero: bool = False) -> int:
    """0 nothing left, 1 findings remain (or a dry run would change something), 2 a file could not be handled."""
    return code(summarise(tuple(results)), dry=dry, exit_zero=exit_zero)


def code(summary: Summary, *, dry: bool = False, exit_zero: bool = False) -> int:
    """The exit code that counts earn; see `exit_code`."""
    if any(summary.problems[rule] for rule in FAILURES):
        return 2
    left = summary.remaining or summary.problems.total() or (dry and summary.changed)
    return 1 if left and not exit_zero else 0
