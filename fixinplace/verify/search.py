"""Which of a file's fixes may be claimed: all together first, apart where that fails, and always for the final text.

Note [The verdict belongs to the text]
    A proof holds for the text that ran.  Whenever a fix leaves the text (not reached, refuted, hidden from its
    callers), what remains is run again before anything is said about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from fixinplace.model import Edit, Evidence, Fix, Ruling, Span, Verdict
from fixinplace.source import apply
from fixinplace.verify.bench import Case, Judgement, Mark, Texts
from fixinplace.verify.jobs import Patch, Region
from fixinplace.verify.probes import Probe
from fixinplace.verify.reach import holding_code

MAX_JUDGEMENTS = 64


class Judge(Protocol):
    """What the search needs of a runner."""

    def judge(self, case: Case, marks: tuple[Mark, ...]) -> Judgement:
        """Rule on rewritten texts."""
        ...

    def alone(self, case: Case) -> Ruling:
        """Refute rewritten texts in which other culprits may remain; never a proof."""
        ...


@dataclass(frozen=True, slots=True)
class Proof:
    """A ruling for every group; `text` has the edits of the groups `written`: those proved and those safe."""

    rulings: Mapping[int, Ruling]
    text: str
    written: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What all probes together say about one text.

    against: the refutation, if any probe refutes; else the ruling of a probe that sees an argument no longer written.
    reached: groups that a proving probe has reached; given: one whose inputs were not made.
    other: the ruling to quote where nothing was proved.
    proofs: what each proving probe has reached, and its evidence.
    """

    against: Ruling | None
    reached: frozenset[int]
    other: Ruling
    evidence: tuple[Evidence, ...]
    proofs: tuple[tuple[frozenset[int], tuple[Evidence, ...]], ...] = ()
    given: frozenset[int] = frozenset()

    def of(self, group: int) -> tuple[Evidence, ...]:
        """The evidence of the proving probes that have reached the group."""
        return tuple(item for reached, evidence in self.proofs if group in reached for item in evidence)


def prove(
    part_text: str,
    path: str,
    fixes: Sequence[Fix],
    probes: Sequence[Probe],
    runner: Judge,
    company: Mapping[Path, tuple[str, str]] = MappingProxyType({}),
    unsettled: Mapping[int, str] = MappingProxyType({}),
) -> Proof:
    """Rule on every fix of one file by running the probes on the text with the fixes made.

    Fixes that touch the same text are never made together: the later ones are left unproved.
    unsettled: groups that made inputs cannot prove, each with a sentence why.
    company: other files by absolute path, with the texts that they have in the original and in the rewritten version.
    """
    before = tuple(Patch(str(each), texts[0]) for each, texts in company.items())
    after = tuple(Patch(str(each), texts[1]) for each, texts in company.items())
    search = _Search(part_text, str(Path(path).absolute()), tuple(probes), runner, before, after, unsettled)
    chosen, overlapping = _disjoint(fixes)
    for fix in overlapping:
        search.settle(fix, Verdict.UNPROVED, "not-reached", "its text overlaps another fix; run again after that one")
    search.rule(chosen)
    kept = frozenset(group for group, ruling in search.rulings.items() if ruling.verdict in _WRITTEN)
    return Proof(search.rulings, rewrite(part_text, [fix for fix in chosen if fix.group in kept])[0], kept)


_HIDDEN = "hidden-caller"
_WRITTEN = (Verdict.PROVED, Verdict.SAFE)


@dataclass
class _Search:
    original: str
    path: str
    probes: tuple[Probe, ...]
    runner: Judge
    before: Texts = ()
    after: Texts = ()
    unsettled: Mapping[int, str] = field(default_factory=dict)
    rulings: dict[int, Ruling] = field(default_factory=dict)
    judgements: int = 0

    def settle(
        self, fix: Fix, verdict: Verdict, reason: str | None, sentence: str, evidence: tuple[Evidence, ...] = ()
    ) -> None:
        """Give a fix its ruling; what was only not proved falls back to the static verdict."""
        if verdict is Verdict.UNPROVED and fix.safe and fix.parameter is None and reason != _HIDDEN:
            verdict = Verdict.SAFE
        self.rulings[fix.group] = Ruling(verdict, reason, sentence, evidence)

    def rule(self, fixes: list[Fix]) -> None:
        """Judge the fixes together, drop what may not stay, and go on until the text that ran is the final one."""
        if not self.probes:
            self._unproved(fixes, Ruling(Verdict.UNPROVED, "no-probe", "there is nothing to run"))
            return
        while fixes:
            outcome = self._judge(fixes)
            if outcome.against is not None:
                staying = self._apart(fixes, outcome.against)
            elif not outcome.reached:
                self._unproved(fixes, outcome.other)
                return
            else:
                staying = self._proved(fixes, outcome)
            if len(staying) == len(fixes):
                return
            fixes = staying

    def _unproved(self, fixes: list[Fix], ruling: Ruling) -> None:
        for fix in fixes:
            self._settle_like(fix, ruling)

    def _settle_like(self, fix: Fix, ruling: Ruling) -> None:
        if fix.parameter is not None and ruling.verdict is not Verdict.REFUTED:
            sentence = f"`{fix.parameter}` is an argument, and not every caller that may look at it can be seen"
            self.settle(fix, Verdict.UNPROVED, _HIDDEN, sentence, ruling.evidence)
        else:
            self.settle(fix, ruling.verdict, ruling.reason, ruling.sentence, ruling.evidence)

    def _proved(self, fixes: list[Fix], outcome: _Outcome) -> list[Fix]:
        """Rule after a proof of the whole; returns the fixes that stay in the text."""
        staying = []
        for fix in fixes:
            if fix.group in outcome.reached and fix.group in self.unsettled and fix.group not in outcome.given:
                sentence = self.unsettled[fix.group]
                self._settle_like(fix, Ruling(Verdict.UNPROVED, "not-reached", sentence, outcome.of(fix.group)))
            elif fix.group in outcome.reached:
                self._settle_like(fix, Ruling(Verdict.PROVED, None, outcome.other.sentence, outcome.of(fix.group)))
            else:
                sentence = "no probe runs the edited code"
                self._settle_like(fix, Ruling(Verdict.UNPROVED, "not-reached", sentence, outcome.evidence))
            if self.rulings[fix.group].verdict in _WRITTEN:
                staying.append(fix)
        return staying

    def _apart(self, fixes: list[Fix], ruling: Ruling) -> list[Fix]:
        """Find the fixes that are to blame; returns the others, or all of them when every one has its ruling."""
        known = [fix for fix in fixes if fix.parameter is not None] if ruling.reason == _HIDDEN else []
        blamed = {fix.group: ruling for fix in known} or self._blamed(fixes, self._alone)
        if not blamed and ruling.reason != "still-raises":
            # Clones hide what overwritten saved values do; the plain runs show it.
            blamed = self._blamed(fixes, lambda some: self._judge(some).against)
        if blamed:
            for fix in fixes:
                if fix.group in blamed:
                    self._settle_like(fix, blamed[fix.group])
            return [fix for fix in fixes if fix.group not in blamed]
        for fix in fixes:
            if fix.safe and fix.parameter is None and ruling.reason == "still-raises":
                # Exact by construction and equal under clones: what still raises is another write.
                sentence = f"alone it changes nothing else, but the program goes on failing: {ruling.sentence}"
                self.settle(fix, Verdict.SAFE, ruling.reason, sentence, ruling.evidence)
            else:
                self._settle_like(fix, ruling)
        return fixes

    def _blamed(self, fixes: list[Fix], test: Callable[[list[Fix]], Ruling | None]) -> dict[int, Ruling]:
        """What tells against each group, found by halving; a set that is wrong only as a whole is blamed as a whole."""
        ruling = test(fixes)
        if ruling is None:
            return {}
        if len(fixes) > 1 and self.judgements < MAX_JUDGEMENTS:
            middle = len(fixes) // 2
            parts = self._blamed(fixes[:middle], test) | self._blamed(fixes[middle:], test)
            if parts:
                return parts
        return {fix.group: ruling for fix in fixes}

    def _case(self, probe: Probe, text: str, fixes: Sequence[Fix]) -> Case:
        ours, theirs = (Patch(self.path, self.original), *self.before), (Patch(self.path, text), *self.after)
        return Case(probe, ours, theirs, excused=frozenset(path for fix in fixes for path in fix.excused))

    def _judge(self, fixes: list[Fix]) -> _Outcome:
        self.judgements += 1
        try:
            text, marks = rewrite(self.original, fixes)
        except SyntaxError as error:
            ruling = Ruling(Verdict.REFUTED, "new-error", f"the rewritten text is not Python: {error}")
            return _Outcome(ruling, frozenset(), ruling, ())
        found = [self.runner.judge(self._case(probe, text, fixes), marks) for probe in self.probes]
        return _combined(found, self.probes)

    def _alone(self, fixes: list[Fix]) -> Ruling | None:
        """What tells against some fixes on their own, by the first probe that tells it."""
        self.judgements += 1
        try:
            text, marks = rewrite(self.original, fixes)
        except SyntaxError as error:
            return Ruling(Verdict.REFUTED, "new-error", f"the rewritten text is not Python: {error}")
        for probe in self.probes:
            ruling = self.runner.alone(self._case(probe, text, fixes))
            if ruling.reason == "no-forward-reference":  # cloning does not work here; the plain runs may
                ruling = self.runner.judge(self._case(probe, text, fixes), marks).ruling
                if ruling.reason == "still-raises":  # another culprit is not what this is about
                    continue
            if _against(ruling):
                return ruling
        return None


def _against(ruling: Ruling) -> bool:
    return ruling.verdict is Verdict.REFUTED or ruling.reason == _HIDDEN


def _combined(found: list[Judgement], probes: Sequence[Probe]) -> _Outcome:
    against = [each.ruling for each in found if _against(each.ruling)]
    against.sort(key=lambda ruling: ruling.verdict is not Verdict.REFUTED)
    proved = [each for each in found if each.ruling.verdict is Verdict.PROVED]
    reached = frozenset().union(*(each.reached for each in proved))
    given = [each for each, probe in zip(found, probes, strict=True) if each in proved and not probe.is_guessed]
    told = [each.ruling for each in found if each.ruling.reason != "not-reached"]
    other = proved[0].ruling if proved else (told or [found[0].ruling])[0]
    evidence = tuple(item for each in proved or found for item in each.ruling.evidence)
    proofs = tuple((each.reached, each.ruling.evidence) for each in proved)
    return _Outcome(
        against[0] if against else None,
        reached,
        other,
        evidence,
        proofs,
        frozenset().union(*(each.reached for each in given)),
    )


def _disjoint(fixes: Sequence[Fix]) -> tuple[list[Fix], list[Fix]]:
    """The fixes in order, and those that overlap an earlier one."""
    chosen: list[Fix] = []
    overlapping: list[Fix] = []
    for fix in fixes:
        taken = [edit.span for other in chosen for edit in other.edits]
        clash = any(_clash(edit.span, span) for edit in fix.edits for span in taken)
        (overlapping if clash else chosen).append(fix)
    return chosen, overlapping


def _clash(one: Span, two: Span) -> bool:
    """True if two edits cannot both be made; insertions at the edge of a replaced text can."""
    if one.start == one.end or two.start == two.end:
        return one.start < two.end and two.start < one.end
    return one.overlaps(two)


def rewrite(text: str, fixes: Iterable[Fix], file: int = 0) -> tuple[str, tuple[Mark, ...]]:
    """The text with the fixes made, and where each of them is in both texts; raises SyntaxError if it is not Python.

    file: the text's place among those of the job.
    """
    fixes = tuple(fixes)
    rewritten = apply(text, [edit for fix in fixes for edit in fix.edits])
    places = {fix.group: _regions(text, fixes, fix, file) for fix in fixes}
    ours = holding_code(text, {old for pairs in places.values() for old, _ in pairs})
    theirs = holding_code(rewritten, {new for pairs in places.values() for _, new in pairs})
    marks = []
    for group, pairs in places.items():
        old = tuple(sorted({region for region, _ in pairs if region in ours}))
        new = tuple(sorted({region for _, region in pairs if region in theirs}))
        marks.append(Mark(group, old, new))
    return rewritten, tuple(marks)


def _regions(text: str, fixes: tuple[Fix, ...], wanted: Fix, file: int) -> list[tuple[Region, Region]]:
    """For each edit of one fix, the part that changes in the original and in the new text."""
    owned = [(edit, fix is wanted) for fix in fixes for edit in fix.edits]
    shift = 0
    found = []
    for edit, ours in sorted(owned, key=lambda pair: (pair[0].span.start, pair[0].span.end)):
        if ours:
            found.append(_changed(text, edit, shift, file))
        shift += len(edit.text) - (edit.span.end - edit.span.start)
    return found


def _changed(text: str, edit: Edit, shift: int, file: int) -> tuple[Region, Region]:
    """What is left of an edit without the text that both sides begin and end with; of an insertion, its place."""
    old, new = text[edit.span.start : edit.span.end], edit.text
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    start, end = edit.span.start + head, edit.span.end - tail
    region = Region(start + shift, edit.span.start + shift + len(new) - tail, file)
    return Region(start, end, file), region


def _common(one: str, two: str) -> int:
    """Length of the common beginning."""
    for index, (a, b) in enumerate(zip(one, two, strict=False)):
        if a != b:
            return index
    return min(len(one), len(two))
