"""What fixes reveal: findings in the fixed text that the original text did not allow, in the original's coordinates.

Note [Rounds]
    A rewrite can make room for another: once the one store that made an attribute a shared tensor is gone, the
    next is no longer refused.  Fixing again would then change the text again.  So the fixed text is analysed
    as well; a fix that is found only there is moved back into the original text, where its statement still stands
    word for word, and everything is ruled on together: original and final text, nothing in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fixinplace.model import Analysis, Edit, Finding, Fix, Span


@dataclass(frozen=True, slots=True)
class _Piece:
    """One edit that was made: where its text stands now, and where the text stood that it replaced."""

    new: Span
    old: Span


def stood(span: Span, edits: Iterable[Edit]) -> Span | None:
    """Where a span of the text with the edits made stood before; None if an edit wrote any of it."""
    try:
        return _back(span, _pieces(edits))
    except _Moved:
        return None


class _Moved(Exception):
    """A span of the fixed text is no word-for-word copy of a span of the original."""


def revealed(before: Analysis, edits: Iterable[Edit], after: Analysis) -> tuple[Finding, ...]:
    """Fixes of the fixed text (`after`) that `before`, whose `edits` were made, does not have, or not as safe ones.

    Positions are those of the original text; groups get numbers of their own.
    """
    pieces = _pieces(edits)
    known = {(f.rule, f.site.span): f.outcome.safe for f in before.findings if isinstance(f.outcome, Fix)}
    first = 1 + max((f.outcome.group for f in before.findings if isinstance(f.outcome, Fix)), default=-1)
    by_group: dict[int, list[Finding]] = defaultdict(list)
    for finding in after.findings:
        if isinstance(finding.outcome, Fix):
            by_group[finding.outcome.group].append(finding)
    found: list[Finding] = []
    for group, findings in by_group.items():
        try:
            moved = [_moved(finding, pieces, first + group) for finding in findings]
        except _Moved:
            continue  # the fix stands in rewritten text: it belongs to the fix that is there
        safe = all(isinstance(one.outcome, Fix) and one.outcome.safe for one in moved)
        if all(safe and not known[key] for one in moved if (key := (one.rule, one.site.span)) in known):
            found += moved
    return tuple(found)


def merged(before: Analysis, more: Sequence[Finding]) -> Analysis:
    """The analysis with the revealed findings in place of what was said about the same sites."""
    replaced = {(finding.rule, finding.site.span) for finding in more}
    kept = [finding for finding in before.findings if (finding.rule, finding.site.span) not in replaced]
    return replace(before, findings=ordered([*kept, *more]))


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings in the order of their text."""
    return tuple(sorted(findings, key=lambda finding: (finding.site.span.start, finding.site.span.end, finding.rule)))


def _pieces(edits: Iterable[Edit]) -> list[_Piece]:
    pieces: list[_Piece] = []
    shift = 0
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        start = edit.span.start + shift
        pieces.append(_Piece(Span(start, start + len(edit.text)), edit.span))
        shift += len(edit.text) - (edit.span.end - edit.span.start)
    return pieces


def _back(span: Span, pieces: list[_Piece]) -> Span:
    """Where a span of the fixed text stood; raises _Moved if any of it was written by an edit."""
    shift = 0
    for piece in pieces:
        if piece.new.end <= span.start:
            shift = piece.new.end - piece.old.end
        elif piece.new.start < span.end:
            raise _Moved
    return Span(span.start - shift, span.end - shift)


def _moved(finding: Finding, pieces: list[_Piece], group: int) -> Finding:
    fix = finding.outcome
    assert isinstance(fix, Fix)
    site = replace(finding.site, span=_back(finding.site.span, pieces), statement=_back(finding.site.statement, pieces))
    edits = tuple(Edit(_back(edit.span, pieces), edit.text) for edit in fix.edits)
    return replace(finding, site=site, outcome=replace(fix, group=group, edits=edits), related=())
