"""Where lines of one text stand in another: what is kept of an analysis while the text is no Python."""

from __future__ import annotations

import difflib
from itertools import accumulate

from fixinplace.model import Span

_MOST = 2000
"""Lines between the first and the last difference that are compared one by one."""


class Moved:
    """Moves spans from `before` to `after`, as far as their lines are still there."""

    def __init__(self, before: str, after: str) -> None:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
        self._old, self._new = ([0, *accumulate(map(len, lines))] for lines in (old, new))
        self._blocks = list(_blocks(old, new))

    def span(self, span: Span) -> Span | None:
        """The span in the other text, None if one of its lines has changed."""
        for there, here, size in self._blocks:
            start, end = self._old[there], self._old[there + size]
            if start <= span.start and span.end <= end and start < end:
                shift = self._new[here] - start
                return Span(span.start + shift, span.end + shift)
        return None


def _blocks(old: list[str], new: list[str]) -> list[tuple[int, int, int]]:
    """Runs of equal lines: where they begin in both texts, and how many there are."""
    most = min(len(old), len(new))
    head = next((n for n in range(most) if old[n] != new[n]), most)
    tail = next((n for n in range(most - head) if old[-1 - n] != new[-1 - n]), most - head)
    middle = old[head : len(old) - tail], new[head : len(new) - tail]
    found = [(0, 0, head)]
    if all(0 < len(lines) <= _MOST for lines in middle):
        matcher = difflib.SequenceMatcher(None, *middle, autojunk=False)
        found += [(head + block.a, head + block.b, block.size) for block in matcher.get_matching_blocks()]
    return [*found, (len(old) - tail, len(new) - tail, tail)]
