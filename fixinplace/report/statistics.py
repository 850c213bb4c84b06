"""`--statistics`: how often each rule fired, the most frequent first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from fixinplace import names
from fixinplace.model import Fix
from fixinplace.pipeline import Result, counts


def lines(results: Sequence[Result]) -> Iterator[str]:
    """One line per rule: number of findings, how many of them have a fix, code, name."""
    total: Counter[str] = Counter()
    fixable: Counter[str] = Counter()
    for result in results:
        for finding in result.analysis.findings:
            if counts(finding):
                total[finding.rule] += 1
                fixable[finding.rule] += isinstance(finding.outcome, Fix)
        total.update(problem.rule for problem in result.analysis.problems)
    width = len(str(max(total.values(), default=0)))
    for code, count in sorted(total.items(), key=lambda item: (-item[1], item[0])):
        rule = names.rule(code)
        assert rule is not None
        yield f"{count:>{width}}  {code}  {rule.name}  ({fixable[code]} with a fix)"
