"""From runs to a ruling: which runs are needed, what they are compared with, and what may be claimed.

Nothing here runs or imports torch; a `Laboratory` does the running, so that every decision can be tested without one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from fixinplace.model import Evidence, Ruling, Verdict
from fixinplace.verify.errors import is_broken, is_inplace, obstacle, refuses_hooks
from fixinplace.verify.jobs import SEED, Comparison, Difference, Job, Json, Run
from fixinplace.verify.probes import Probe
from fixinplace.verify.reach import Region

_ORDER = (
    "dtype-differs", "forward-differs", "gradient-missing", "gradient-differs", "state-differs", "aliasing-differs",
    "random-state-differs", "output-differs",
)  # fmt: skip
_GRADIENT = ("gradient-missing", "gradient-differs")
_COMPARED = (
    "forward values", "final state", "gradients at every backward", "shared storage", "dtypes", "random state",
    "output",
)  # fmt: skip
_ELSEWHERE = ("forward-mode derivative", "rewritten code under the tracer")


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a group's edits are: regions (half-open offsets) in the original's and in the rewritten text."""

    group: int
    original: tuple[Region, ...]
    rewritten: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The ruling on one rewritten text, and the groups whose edits ran in both versions."""

    ruling: Ruling
    reached: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Case:
    """Two versions of one file and the probe that runs them; `original` and `rewritten` are whole texts."""

    probe: Probe
    path: str
    original: str
    rewritten: str


class Laboratory(Protocol):
    """Runs jobs and compares their runs; knows what it does on this system."""

    isolation: str
    framework: str

    def run(self, job: Job) -> Run:
        """The run of this job; the same job gives the same run."""
        ...

    def compare(self, reference: Run, candidate: Run, excluded: frozenset[str], exact: bool) -> Comparison | str:
        """The comparison, or a sentence why there is none."""
        ...


class Unproved(Exception):
    """Ends a judgement: a name of `names.UNPROVED` and a sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass
class _Bench:
    """One judgement in progress."""

    lab: Laboratory
    case: Case
    runs: int = 0
    checks: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run(self, text: str, **mode: object) -> Run:
        self.runs += 1
        probe = self.case.probe
        job = Job(probe.kind, probe.path, probe.name, self.case.path, text)
        return self.lab.run(replace(job, **mode))  # type: ignore[arg-type]

    def compare(
        self, reference: Run, candidate: Run, excluded: frozenset[str] = frozenset(), exact: bool = False
    ) -> Comparison:
        result = self.lab.compare(reference, candidate, excluded, exact)
        if isinstance(result, str):
            raise Unproved("probe-failed", f"the runs could not be compared: {result}")
        return result

    def evidence(self, comparison: Comparison | None) -> tuple[Evidence, ...]:
        shown = comparison or Comparison((), 0, 0, 0.0, False)
        return (
            Evidence(
                probe=self.case.probe.label,
                values=shown.values,
                gradients=shown.gradients,
                difference=shown.largest,
                checks=tuple(self.checks),
                checks_not_run=(*self.missing, *_ELSEWHERE),
                runs=self.runs,
                seeds=(SEED,),
                isolation=self.lab.isolation,
                framework=self.lab.framework,
                notes=tuple(dict.fromkeys([*self.notes, *shown.notes])),
            ),
        )

    def ruling(self, verdict: Verdict, reason: str | None, sentence: str, shown: Comparison | None = None) -> Ruling:
        return Ruling(verdict, reason, sentence, self.evidence(shown))


@dataclass(frozen=True, slots=True)
class _Reference:
    """The original's run that the rewritten one must equal; `cloned` if it is not the plain one."""

    run: Run
    cloned: bool
    excluded: frozenset[str]


def judge(lab: Laboratory, case: Case, marks: tuple[Mark, ...]) -> Judgement:
    """Checks 0-4 of the design on two versions of a file, with reachability."""
    bench = _Bench(lab, case)
    try:
        reference = _reference(bench, marks)
        comparison, refuted = _candidate(bench, reference)
        if refuted is not None:
            return Judgement(refuted)
        reached, refuted = _reached(bench, reference, marks)
        return Judgement(refuted or _accept(bench, comparison, reached), reached)
    except Unproved as stop:
        return Judgement(bench.ruling(Verdict.UNPROVED, stop.reason, str(stop)))


def alone(lab: Laboratory, case: Case) -> Ruling:
    """Compare both versions with saved tensors cloned: tells a wrong edit from another culprit that is still there.

    Either refuted, or unproved: agreement under clones is no proof.
    """
    bench = _Bench(lab, case)
    try:
        run = bench.run(case.original, cloned=True)
        _usable(run)
        reference = _Reference(run, True, _noise(bench, run, bench.run(case.original, cloned=True, perturbed=True)))
        comparison, refuted = _candidate(bench, reference, cloned=True)
    except Unproved as stop:
        return bench.ruling(Verdict.UNPROVED, stop.reason, str(stop))
    if refuted is not None:
        return refuted
    return bench.ruling(Verdict.UNPROVED, "not-reached", "agrees while saved tensors are cloned", comparison)


def _reference(bench: _Bench, marks: tuple[Mark, ...]) -> _Reference:
    plain = bench.run(bench.case.original)
    if (why := obstacle(plain)) is not None:
        raise Unproved(*why)
    if is_broken(plain):
        return _cloned_reference(bench, plain, marks)
    _reached_at_all(bench, False, marks)
    excluded = _noise(bench, plain, bench.run(bench.case.original, perturbed=True))
    bench.checks.append("original twice")
    _look_for_silent_error(bench, plain, excluded)
    return _Reference(plain, False, excluded)


def _cloned_reference(bench: _Bench, plain: Run, marks: tuple[Mark, ...]) -> _Reference:
    errors = [each for each in (plain.failure, *plain.failures) if each is not None and is_inplace(each)]
    bench.notes.append(f"the original fails: {errors[0].sentence}")
    run = bench.run(bench.case.original, cloned=True)
    _usable(run)
    _reached_at_all(bench, True, marks)
    excluded = _noise(bench, run, bench.run(bench.case.original, cloned=True, perturbed=True))
    bench.checks += ["original with saved tensors cloned, twice"]
    return _Reference(run, True, excluded)


def _usable(run: Run) -> None:
    """Raises Unproved if a cloned run of the original is no reference."""
    if run.failure is not None and (is_inplace(run.failure) or refuses_hooks(run.failure)):
        sentence = f"the original does not get through even with saved tensors cloned: {run.failure.sentence}"
        raise Unproved("no-forward-reference", sentence)
    if (why := obstacle(run)) is not None:
        raise Unproved(*why)
    if is_broken(run):
        raise Unproved("no-forward-reference", f"a backward of the original fails: {run.failures[0].sentence}")
    if run.no_clone_reference:
        raise Unproved("no-forward-reference", run.no_clone_reference)


def _noise(bench: _Bench, one: Run, two: Run) -> frozenset[str]:
    """Paths that differ between two runs of the same version, which says nothing about the edit."""
    if (why := obstacle(two)) is not None or not two.finished:
        raise Unproved("nondeterministic", f"a second run of the original ends differently: {why[1] if why else ''}")
    differences = bench.compare(one, two, exact=True).differences
    for each in differences:
        if each.reason in _GRADIENT:
            raise Unproved("nondeterministic", f"two runs of the original give different gradients: {each.sentence}")
    if differences:
        named = ", ".join(sorted({each.path for each in differences})[:5])
        bench.notes.append(f"not compared, since two runs of the original differ there: {named}")
    return frozenset(each.path for each in differences)


def _look_for_silent_error(bench: _Bench, plain: Run, excluded: frozenset[str]) -> None:
    cloned = bench.run(bench.case.original, cloned=True)
    if not cloned.finished or cloned.no_clone_reference:
        bench.missing.append("original with saved tensors cloned")
        return
    bench.checks.append("original with saved tensors cloned")
    wrong = [each for each in bench.compare(plain, cloned, excluded).differences if each.reason in _GRADIENT]
    if wrong:
        sentence = (
            f"the original finishes with silently wrong gradients, saved values were overwritten: {wrong[0].sentence}"
        )
        bench.notes.append(sentence)


def _candidate(bench: _Bench, reference: _Reference, cloned: bool = False) -> tuple[Comparison, Ruling | None]:
    """The rewritten version against the reference: the comparison, and the refutation if there is one."""
    run = bench.run(bench.case.rewritten, cloned=cloned)
    if is_broken(run):
        errors = [each for each in (run.failure, *run.failures) if each is not None and is_inplace(each)]
        return _NOTHING, bench.ruling(Verdict.REFUTED, "still-raises", f"the error stays: {errors[0].sentence}")
    why = obstacle(run)
    if why is not None:
        if why[0] in ("timed-out", "over-memory"):
            raise Unproved(why[0], f"the rewritten version: {why[1]}")
        return _NOTHING, bench.ruling(Verdict.REFUTED, "new-error", f"only the rewritten version fails: {why[1]}")
    comparison = bench.compare(reference.run, run, reference.excluded)
    bench.checks += _COMPARED
    bench.notes += [*reference.run.notes, *run.notes]
    comparison = _once_more_in_double(bench, reference, comparison, {"cloned": reference.cloned}, {"cloned": cloned})
    return comparison, _refutation(bench, reference, run, comparison)


_NOTHING = Comparison((), 0, 0, 0.0, False)


def _once_more_in_double(
    bench: _Bench, reference: _Reference, first: Comparison, ours: Json, theirs: Json
) -> Comparison:
    """The comparison in float64 where that may help, the program follows the default dtype and both versions run.

    ours, theirs: how the two versions were run the first time.
    """
    if not first.differences or not all(each.numeric for each in first.differences):
        return first
    run = bench.run(bench.case.original, **ours, double=True)
    other = bench.run(bench.case.rewritten, **theirs, double=True)
    if not (run.finished and other.finished):
        return first
    second = bench.compare(run, other, reference.excluded)
    if second.differences or not second.follows_default:
        return first
    bench.checks.append("once more in float64")
    bench.notes.append(f"rounding only, equal in float64: {_worst(first.differences).sentence}")
    return second


def _refutation(bench: _Bench, reference: _Reference, run: Run, comparison: Comparison) -> Ruling | None:
    if not comparison.differences:
        return None
    worst = _worst(comparison.differences)
    if worst.reason == "over-memory":
        raise Unproved("over-memory", worst.sentence)
    more = len(comparison.differences) - 1
    sentence = worst.sentence + (f", and {more} more" if more else "")
    if not reference.cloned and worst.reason in _GRADIENT:
        cloned = bench.run(bench.case.original, cloned=True)
        if cloned.finished and not bench.compare(cloned, run, reference.excluded).differences:
            sentence += "; it equals what the original would give if its saved values were not overwritten"
    return bench.ruling(Verdict.REFUTED, worst.reason, sentence, comparison)


def _worst(differences: tuple[Difference, ...]) -> Difference:
    return min(differences, key=lambda each: _ORDER.index(each.reason) if each.reason in _ORDER else len(_ORDER))


def _reached_at_all(bench: _Bench, cloned: bool, marks: tuple[Mark, ...]) -> None:
    """Raises Unproved if the original runs none of the code in question: no other run would tell anything."""
    regions = _regions(mark.original for mark in marks)
    traced = _traced(bench, bench.case.original, cloned=cloned, regions=regions)
    reached = frozenset(regions[index] for index in traced.reached)
    if not any(reached.issuperset(mark.original) for mark in marks):
        raise Unproved("not-reached", "the probe does not run the code in question")


def _reached(bench: _Bench, reference: _Reference, marks: tuple[Mark, ...]) -> tuple[frozenset[int], Ruling | None]:
    """Groups all of whose edits ran in both versions, traced in runs of their own, and what those runs refute.

    The traced runs also tell what the file's functions return.
    """
    regions, others = _regions(mark.original for mark in marks), _regions(mark.rewritten for mark in marks)
    ours, theirs = {"cloned": reference.cloned, "regions": regions}, {"regions": others}
    original = _traced(bench, bench.case.original, **ours)
    rewritten = _traced(bench, bench.case.rewritten, **theirs)
    bench.checks += ["reached in both versions", "values returned by the file's functions"]
    comparison = bench.compare(original, rewritten, reference.excluded)
    if comparison.differences:
        again = bench.run(bench.case.original, **ours, perturbed=True)
        reference = replace(reference, excluded=reference.excluded | _noise(bench, original, again))
        comparison = bench.compare(original, rewritten, reference.excluded)
    comparison = _once_more_in_double(bench, reference, comparison, ours, theirs)
    ran = {regions[index] for index in original.reached}, {others[index] for index in rewritten.reached}
    reached = (
        mark.group
        for mark in marks
        if mark.rewritten and ran[0].issuperset(mark.original) and ran[1].issuperset(mark.rewritten)
    )
    return frozenset(reached), _refutation(bench, reference, rewritten, comparison)


def _regions(sides: Iterable[tuple[Region, ...]]) -> tuple[Region, ...]:
    return tuple(sorted({region for side in sides for region in side}))


def _traced(bench: _Bench, text: str, **mode: object) -> Run:
    """A run whose instructions are watched; raises Unproved if it does not get to its end."""
    run = bench.run(text, **mode)
    if (why := obstacle(run)) is not None:
        raise Unproved(why[0], f"while looking for the code that runs: {why[1]}")
    return run


def _accept(bench: _Bench, comparison: Comparison, reached: frozenset[int]) -> Ruling:
    if comparison.gradients == 0:
        sentence = "no gradient was compared: the probe runs no backward and returns nothing that is tracked"
        return bench.ruling(Verdict.UNPROVED, "not-reached", sentence, comparison)
    if not reached:
        return bench.ruling(Verdict.UNPROVED, "not-reached", "the edited code did not run", comparison)
    sentence = f"{comparison.values} values and {comparison.gradients} gradients agree"
    return bench.ruling(Verdict.PROVED, None, sentence, comparison)
