"""From runs to a ruling: the rewritten version against the reference, and what may be claimed.

Nothing here runs or imports torch; a `Laboratory` does the running, so that every decision can be tested without one.
"""

from __future__ import annotations

from dataclasses import replace

from fixinplace.model import Ruling, Verdict
from fixinplace.verify import independent
from fixinplace.verify import reference as references
from fixinplace.verify.bench import NOTHING, TRACER, Bench, Case, Judgement, Laboratory, Mark, Unproved
from fixinplace.verify.errors import inplace_failures, is_broken, obstacle
from fixinplace.verify.jobs import Comparison, Difference, Json, Run
from fixinplace.verify.reference import GRADIENT_REASONS, Reference

_ORDER = (
    "dtype-differs", "forward-differs", "gradient-missing", "gradient-differs", "state-differs", "aliasing-differs",
    "random-state-differs", "output-differs",
)  # fmt: skip
_COMPARED = (
    "forward values", "final state", "gradients at every backward", "shared storage", "dtypes", "random state",
    "output",
)  # fmt: skip
_TRACED = ("reached in both versions", "results and arguments of the file's functions")
_HIDDEN = "hidden-caller"


def judge(lab: Laboratory, case: Case, marks: tuple[Mark, ...]) -> Judgement:
    """Checks 0-4 of the design on two versions of a file, with reachability."""
    bench = Bench(lab, case)
    try:
        reference = references.find(bench, marks)
        comparison, refuted = _plain(bench, reference)
        if refuted is not None:
            return Judgement(refuted)
        reached, ruling = _traced(bench, reference, marks)
        _handled(bench, reference, marks)
        if ruling is None:
            ruling = independent.check(bench, reference.cloned)
        bench.missing.append(TRACER)
        return Judgement(ruling or _accept(bench, comparison, reached), reached)
    except Unproved as stop:
        return Judgement(bench.ruling(Verdict.UNPROVED, stop.reason, str(stop)))


def alone(lab: Laboratory, case: Case) -> Ruling:
    """Compare both versions with saved tensors cloned: tells a wrong edit from another culprit that is still there.

    Either refuted, or unproved: agreement under clones is no proof.  Also tells `hidden-caller`.
    """
    bench = Bench(lab, case)
    mode: Json = {"cloned": True, "regions": ()}
    try:
        run = bench.original(**mode)
        references.check_clones(run)
        excluded = references.noise(bench, run, bench.original(**mode, perturbed=True))
        candidate = bench.rewritten(**mode)
        if (refuted := _failed(bench, candidate)) is not None:
            return refuted
        comparison = _compared(bench, Reference(run, True, excluded), candidate, mode, mode)
        found = _difference(bench, Reference(run, True, excluded), candidate, comparison)
    except Unproved as stop:
        return bench.ruling(Verdict.UNPROVED, stop.reason, str(stop))
    agrees = "agrees while saved tensors are cloned"
    return found or bench.ruling(Verdict.UNPROVED, "not-reached", agrees, comparison)


def _plain(bench: Bench, reference: Reference) -> tuple[Comparison, Ruling | None]:
    """The rewritten version as it is, without mode or hook: the comparison, and the refutation if there is one."""
    run = bench.rewritten()
    if (refuted := _failed(bench, run)) is not None:
        return NOTHING, refuted
    comparison = _compared(bench, reference, run, {"cloned": reference.cloned}, {})
    bench.checks += _COMPARED
    bench.notes += [*reference.run.notes, *run.notes]
    return comparison, _difference(bench, reference, run, comparison)


def _failed(bench: Bench, run: Run) -> Ruling | None:
    """The refutation of a rewritten version that does not get to its end; raises Unproved if time or memory ran out."""
    if is_broken(run):
        sentence = f"the error stays: {inplace_failures(run)[0].sentence}"
        return bench.ruling(Verdict.REFUTED, "still-raises", sentence)
    why = obstacle(run)
    if why is not None and why[0] in ("timed-out", "over-memory"):
        raise Unproved(why[0], f"the rewritten version: {why[1]}")
    if why is not None:
        return bench.ruling(Verdict.REFUTED, "new-error", f"only the rewritten version fails: {why[1]}")
    return None


def _compared(bench: Bench, reference: Reference, run: Run, ours: Json, theirs: Json) -> Comparison:
    """The comparison; once more in float64 if rounding may explain the differences and the program follows the default.

    ours, theirs: how the two versions were run.
    """
    first = bench.compare(reference.run, run, reference.excluded)
    if not first.differences or not all(each.numeric for each in first.differences):
        return first
    run, other = bench.original(**ours, double=True), bench.rewritten(**theirs, double=True)
    if not (run.finished and other.finished):
        return first
    second = bench.compare(run, other, reference.excluded)
    if second.differences or not second.follows_default:
        return first
    bench.checks.append("once more in float64")
    bench.notes.append(f"rounding only, equal in float64: {_worst(first.differences).sentence}")
    return second


def _difference(bench: Bench, reference: Reference, run: Run, comparison: Comparison) -> Ruling | None:
    """The refutation, or the ruling that only hidden callers can tell; None if nothing differs."""
    wrong = tuple(each for each in comparison.differences if each.reason != _HIDDEN)
    if not wrong:
        hidden = comparison.differences[:1]
        if hidden and bench.case.whole:
            bench.notes.append(f"nothing that was run looks at it, but an argument changed: {hidden[0].sentence}")
            return None
        return _hidden(bench, hidden[0], comparison) if hidden else None
    worst = _worst(wrong)
    if worst.reason == "over-memory":
        raise Unproved("over-memory", worst.sentence)
    sentence = worst.sentence + (f", and {len(wrong) - 1} more" if len(wrong) > 1 else "")
    if not reference.cloned and worst.reason in GRADIENT_REASONS:
        cloned = bench.original(cloned=True)
        if cloned.finished and not bench.compare(cloned, run, reference.excluded).differences:
            sentence += "; it equals what the original would give if its saved values were not overwritten"
    return bench.ruling(Verdict.REFUTED, worst.reason, sentence, comparison)


def _hidden(bench: Bench, difference: Difference, comparison: Comparison) -> Ruling:
    sentence = f"all else is equal, but a caller may look at the argument: {difference.sentence}"
    return bench.ruling(Verdict.UNPROVED, _HIDDEN, sentence, comparison)


def _worst(differences: tuple[Difference, ...]) -> Difference:
    return min(differences, key=lambda each: _ORDER.index(each.reason) if each.reason in _ORDER else len(_ORDER))


def _handled(bench: Bench, reference: Reference, marks: tuple[Mark, ...]) -> None:
    """Raises Unproved if the program catches its in-place error, goes on, and shows that it did.

    What it computes after such an error is what the author wrote for that case; without the error it computes
    something else, and whether that is right no run of the original can tell.
    """
    plain = bench.original()
    if not reference.cloned or not plain.finished or not is_broken(plain):
        return
    ours = bench.original(regions=references.regions_of([mark.original for mark in marks]))
    theirs = bench.rewritten(regions=references.regions_of([mark.rewritten for mark in marks]))
    differences = bench.compare(ours, theirs, reference.excluded).differences
    shown = [each for each in differences if each.reason not in (*GRADIENT_REASONS, _HIDDEN)]
    if shown:
        sentence = f"the program handles its in-place error and goes on, and that shows: {shown[0].sentence}"
        raise Unproved("no-forward-reference", sentence)


def _traced(bench: Bench, reference: Reference, marks: tuple[Mark, ...]) -> tuple[frozenset[int], Ruling | None]:
    """Groups all of whose edits ran in both versions, traced in runs of their own, and what those runs tell against."""
    regions = references.regions_of([mark.original for mark in marks])
    others = references.regions_of([mark.rewritten for mark in marks])
    ours, theirs = {"cloned": reference.cloned, "regions": regions}, {"regions": others}
    original = references.traced(bench.original(**ours))
    rewritten = references.traced(bench.rewritten(**theirs))
    bench.checks += _TRACED
    excluded = reference.excluded
    if bench.compare(original, rewritten, excluded).differences:
        excluded |= references.noise(bench, original, bench.original(**ours, perturbed=True))
    traced = replace(reference, run=original, excluded=excluded)
    comparison = _compared(bench, traced, rewritten, ours, theirs)
    ran = {regions[index] for index in original.reached}, {others[index] for index in rewritten.reached}
    reached = (
        mark.group
        for mark in marks
        if mark.rewritten and ran[0].issuperset(mark.original) and ran[1].issuperset(mark.rewritten)
    )
    return frozenset(reached), _difference(bench, traced, rewritten, comparison)


def _accept(bench: Bench, comparison: Comparison, reached: frozenset[int]) -> Ruling:
    if comparison.gradients == 0:
        sentence = "no gradient was compared: the probe runs no backward and returns nothing that is tracked"
        return bench.ruling(Verdict.UNPROVED, "no-gradient", sentence, comparison)
    if not reached:
        return bench.ruling(Verdict.UNPROVED, "not-reached", "the edited code did not run", comparison)
    sentence = f"{comparison.values} values and {comparison.gradients} gradients agree"
    return bench.ruling(Verdict.PROVED, None, sentence, comparison)
