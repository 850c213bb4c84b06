"""What came of a proof, in a message: every reason, and the lines that it holds for."""

from __future__ import annotations

from collections import Counter

from fixinplace.lsp.proofs import Proven
from fixinplace.model import Ruling, Verdict
from fixinplace.report import text
from fixinplace.source import Text

_MOST = 5
"""Reasons in one message; the findings themselves tell all."""


def ruling_line(ruling: Ruling) -> str:
    """A verdict with what it rests on, in one line."""
    if ruling.verdict is Verdict.PROVED:
        return f"proved: {text.evidence_line(ruling.evidence)}" if ruling.evidence else "proved"
    if ruling.verdict is Verdict.SAFE:
        if not ruling.reason:
            return "safe: exact by construction; there was nothing to run (no-probe)"
        return f"not proved ({ruling.reason}): {ruling.sentence}; the fix is exact by construction all the same"
    verdict = "refuted" if ruling.verdict is Verdict.REFUTED else "not proved"
    return f"{verdict} ({ruling.reason}): {ruling.sentence}" if ruling.reason else verdict


def everything(part: Text, proven: Proven) -> str:
    """How many of each verdict, then why what is not proved is not, with the lines of `part` that it is about."""
    counts = Counter(ruling.verdict.value for ruling in proven.rulings.values())
    lines: dict[str, set[int]] = {}
    for key, ruling in proven.rulings.items():
        if ruling.verdict is not Verdict.PROVED:
            lines.setdefault(ruling_line(ruling), set()).add(part.position(key[1])[0])
    told = [f"{where(found)}: {reason}" for reason, found in sorted(lines.items(), key=lambda item: min(item[1]))]
    more = [f"and {len(told) - _MOST} reasons more, with the findings"] if len(told) > _MOST else []
    head = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "there is nothing to fix"
    return "; ".join([head, *told[:_MOST], *more])


def where(lines: set[int]) -> str:
    """`line 3`, `lines 3, 8`."""
    return f"line{'s' * (len(lines) > 1)} {', '.join(map(str, sorted(lines)))}"
