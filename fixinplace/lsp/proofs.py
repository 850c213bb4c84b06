"""What came of a proof: rulings that hold for one text, and for the text that it became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fixinplace import pipeline
from fixinplace.model import Analysis, Edit, Finding, Fix, Ruling, Verdict
from fixinplace.pipeline import Proof, Prover, Result
from fixinplace.source import Source, apply

Key = tuple[str, int, int, tuple[Edit, ...]]
"""Rule, span and edits: what makes a fix of one analysis the same as one of another."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A ruling for findings of the text `before`.

    written: fixes of the text that ran last, which is `before` with `edits`; the proved ones are proved together.
    wanted: the one that was asked for, None for all.
    """

    before: str
    rulings: Mapping[Key, Ruling]
    edits: tuple[Edit, ...] = ()
    written: frozenset[Key] = frozenset()
    wanted: Key | None = None

    @property
    def after(self) -> str:
        """The text that ran and was found equal."""
        return apply(self.before, self.edits)

    @property
    def ruling(self) -> Ruling | None:
        """What was said about the fix that was asked for."""
        return None if self.wanted is None else self.rulings.get(self.wanted)

    def alone(self) -> bool:
        """True if the fix that was asked for is all that was written."""
        return {key[3] for key in self.written} == {self.wanted[3] if self.wanted else ()}


def key_of(finding: Finding) -> Key | None:
    """The key of a finding with a fix."""
    if not isinstance(finding.outcome, Fix):
        return None
    return finding.rule, finding.site.span.start, finding.site.span.end, finding.outcome.edits


def ruled(analysis: Analysis, text: str, proven: Proven | None) -> Analysis:
    """The analysis of a text with the rulings that hold for this very text."""
    if proven is None or proven.before != text:
        return analysis
    return replace(analysis, findings=tuple(_ruled(finding, proven.rulings) for finding in analysis.findings))


def _ruled(finding: Finding, rulings: Mapping[Key, Ruling]) -> Finding:
    key = key_of(finding)
    if key is None or key not in rulings or not isinstance(finding.outcome, Fix):
        return finding
    return replace(finding, outcome=replace(finding.outcome, ruling=rulings[key]))


def with_earlier(new: Proven, old: Proven | None) -> Proven:
    """The new proof, and what an earlier one of the same text has refuted: that is not forgotten."""
    if old is None or old.before != new.before:
        return new
    refuted = {key: ruling for key, ruling in old.rulings.items() if ruling.verdict is Verdict.REFUTED}
    return replace(new, rulings={**refuted, **new.rulings})


@dataclass(frozen=True, slots=True)
class _Remembered:
    rulings: Mapping[int, Ruling]

    @property
    def written(self) -> frozenset[int]:
        return frozenset(group for group, ruling in self.rulings.items() if ruling.verdict in _WRITTEN)


_WRITTEN = (Verdict.PROVED, Verdict.SAFE)


def remembering(proven: Proven | None) -> Prover:
    """A prover that runs nothing and says what is known."""

    def prove(source: Source, fixes: Sequence[Fix]) -> Proof:
        holds = proven is not None and proven.before == source.part.text
        known = {key[3]: ruling for key, ruling in proven.rulings.items()} if proven is not None and holds else {}
        return _Remembered({fix.group: known.get(fix.edits) or pipeline.unrun(fix, "no-probe") for fix in fixes})

    return prove


def safe_and_proved(source: Source, enabled: frozenset[str], proven: Proven | None) -> tuple[Edit, ...]:
    """Edits of "fix all": what `fixinplace fix --verify off` would write, and what is proved."""
    return written_edits(pipeline.fix(source, enabled, pipeline.Policy(), remembering(proven)))


def written_edits(result: Result) -> tuple[Edit, ...]:
    """The edits that lead to the text of a result."""
    found = pipeline.fixes(result.analysis.findings)
    return tuple(edit for group, fix in found.items() if group in result.written for edit in fix.edits)


@dataclass(frozen=True, slots=True)
class Seal:
    """Something that was proved, at an offset of the text as it stands now."""

    offset: int
    ruling: Ruling


def seals(text: str, proven: Proven | None) -> list[Seal]:
    """What is proved of a text: the text that a proof began with, or the one that it wrote."""
    if proven is None or text not in (proven.before, proven.after):
        return []
    found: dict[int, Ruling] = {}
    for key in proven.written:
        ruling = proven.rulings[key]
        if ruling.verdict is Verdict.PROVED:
            place = key[1] if text == proven.before else _moved(min(e.span.start for e in key[3]), proven.edits)
            found[place] = ruling
    return [Seal(offset, ruling) for offset, ruling in sorted(found.items())]


def _moved(offset: int, edits: Sequence[Edit]) -> int:
    """Where an edit that begins at an offset stands once all edits are made."""
    return offset + sum(len(e.text) - (e.span.end - e.span.start) for e in edits if e.span.end <= offset)
