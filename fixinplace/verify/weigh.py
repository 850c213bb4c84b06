"""What one comparison says about a rewritten version: a refutation, a hidden caller, or nothing against it."""

from __future__ import annotations

from dataclasses import replace

from fixinplace.model import Ruling, Verdict
from fixinplace.verify.bench import Bench, Mark, Unproved
from fixinplace.verify.errors import inplace_failures, is_broken, obstacle
from fixinplace.verify.jobs import Comparison, Difference, Json, Region, Run
from fixinplace.verify.reference import GRADIENT_REASONS, Reference, noise

HIDDEN = "hidden-caller"
_WIDENED = "in that run float32 that the program asks for by name is float64 as well"
_PRINTED = "output-differs"
_MORE_RUNS = (2, 3)
_ORDER = (
    "dtype-differs", "forward-differs", "gradient-missing", "gradient-differs", "state-differs", "aliasing-differs",
    "random-state-differs", "output-differs",
)  # fmt: skip


def failed(bench: Bench, run: Run) -> Ruling | None:
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


def compared(bench: Bench, reference: Reference, run: Run, ours: Json, theirs: Json) -> Comparison:
    """The comparison; once more in float64 if rounding may explain the differences and the program follows the default.

    See Note [Autocast in float64] for programs that do not.

    ours, theirs: how the two versions were run.
    """
    first = bench.compare(reference.run, run, reference.excluded)
    if first.differences and all(each.reason == _PRINTED for each in first.differences):
        reference = _settled(bench, reference, ours)
        first = bench.compare(reference.run, run, reference.excluded)
    explained = all(each.numeric for each in first.differences) and not reference.run.lowered
    if not first.differences or not explained:
        return first
    for widened in (False, True):
        second = _in_double(bench, reference, {**ours, "widened": widened}, {**theirs, "widened": widened})
        far = [each for each in first.differences if second is None or (each.far and each.path not in second.rounding)]
        if second is None or second.differences or far or not second.follows_default:
            continue
        bench.checks.append("once more in float64")
        bench.notes += [_WIDENED] * widened
        bench.notes.append(f"rounding only, equal in float64: {_worst(first.differences).sentence}")
        return second
    return first


def _settled(bench: Bench, reference: Reference, ours: Json) -> Reference:
    """The reference, and what it prints left out of the comparison if it prints something else in a further run.

    Two runs that print how long they took, in hundredths of a second, are equal by chance every few times.
    """
    for number in _MORE_RUNS:
        excluded = noise(bench, reference.run, bench.original(**{**ours, "perturbed": number}))
        if not excluded <= reference.excluded:
            return replace(reference, excluded=reference.excluded | excluded)
    return reference


def _in_double(bench: Bench, reference: Reference, ours: Json, theirs: Json) -> Comparison | None:
    """Both versions compared in float64; None if either does not come to its end there."""
    run, other = bench.original(**ours, double=True), bench.rewritten(**theirs, double=True)
    if not (run.finished and other.finished):
        return None
    return bench.compare(run, other, reference.excluded, rough=reference.run)


def difference(bench: Bench, reference: Reference, run: Run, comparison: Comparison) -> Ruling | None:
    """The refutation, or the ruling that only hidden callers can tell; None if nothing differs."""
    wrong = tuple(each for each in comparison.differences if each.reason != HIDDEN)
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
    return bench.ruling(Verdict.UNPROVED, HIDDEN, sentence, comparison)


def _worst(differences: tuple[Difference, ...]) -> Difference:
    return min(differences, key=lambda each: _ORDER.index(each.reason) if each.reason in _ORDER else len(_ORDER))


def reached(
    marks: tuple[Mark, ...], original: Run, rewritten: Run, ours: tuple[Region, ...], theirs: tuple[Region, ...]
) -> frozenset[int]:
    """Groups all of whose edits ran in both versions; ours, theirs: the regions that the two runs were asked about."""
    ran = {ours[index] for index in original.reached}, {theirs[index] for index in rewritten.reached}
    return frozenset(
        mark.group
        for mark in marks
        if mark.rewritten and ran[0].issuperset(mark.original) and ran[1].issuperset(mark.rewritten)
    )
