"""`--statistics`: how often each rule fired, the most frequent first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from fixinplace import names
from fixinplace.model import Fix
from fixinplace.pipeline import Result, counts


@dataclass(frozen=True, slots=True)
class Row:
    """A rule, how often it was found, and how many of its findings have a fix."""

    code: str
    name: str
    count: int
    fixable: int


def rows(results: Sequence[Result]) -> list[Row]:
    """One row per rule that was found, the most frequent first."""
    total: Counter[str] = Counter()
    fixable: Counter[str] = Counter()
    for result in results:
        for finding in result.analysis.findings:
            if counts(finding):
                total[finding.rule] += 1
                fixable[finding.rule] += isinstance(finding.outcome, Fix)
        total.update(problem.rule for problem in result.analysis.problems)
    ordered = sorted(total.items(), key=lambda item: (-item[1], item[0]))
    return [
        Row(rule.code, rule.name, count, fixable[rule.code]) for code, count in ordered if (rule := names.rule(code))
    ]


def lines(results: Sequence[Result]) -> Iterator[str]:
    """One line per rule: number of findings, code, name, how many of them have a fix."""
    found = rows(results)
    width = max((len(str(row.count)) for row in found), default=0)
    for row in found:
        yield f"{row.count:>{width}}  {row.code}  {row.name}  ({row.fixable} with a fix)"


def document(results: Sequence[Result]) -> str:
    """The rows as a JSON list."""
    return json.dumps([asdict(row) for row in rows(results)], indent=2)
