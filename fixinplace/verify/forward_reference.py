"""Programs whose original dies before its first backward: the original in forward mode is what the rewrite must equal.

Note [What stands in for the original]
    A write to a leaf, to a view of one, or to one of several views is refused when it is made; no hook gets past it.
    In forward mode nothing is refused.  Both versions then run in forward mode, to the same stop, and everything
    observable there is compared, with the variables of the functions that were running: as values of the program, not
    of its end.  The gradients come from the rewritten version's plain run; they must give the original's derivative in
    `DIRECTIONS` random directions.  What lies behind the stop has been run but compared with nothing, and the evidence
    says so.

Note [A leaf that was written]
    `x += 1` makes what was a leaf a result, if it means anything.  Rebinding the name instead leaves the leaf
    behind: an optimizer goes on with the one, the program with the other, and `x.grad` is None.  As long as the forward
    run comes to its end, nothing of the kind can happen unseen; where it stops because the program asks for the
    gradient of such a leaf, nobody can tell.  Where it stops for another leaf, whoever else holds the written one
    (an optimizer, a list) is found by what shares its storage, and a later read of `.grad` by watching for it in a run
    of the rewritten version.  An edit that keeps the write in place leaves nothing behind.
"""

from __future__ import annotations

import re
from dataclasses import replace

from fixinplace.model import Ruling, Verdict
from fixinplace.verify import behind_stop, callers_leaf, independent, offenders, weigh
from fixinplace.verify import reference as references
from fixinplace.verify.bench import Bench, Judgement, Mark, Unproved
from fixinplace.verify.jobs import Comparison, Json, Region, Run
from fixinplace.verify.reference import Reference

DIRECTIONS = 3
_NONE = "no-forward-reference"
FOLLOWED = (
    "convention: the write through `.data` is differentiated like any other, so that the gradients are the derivative "
    "of what is computed; if they are meant to pass it by, leave it, and clone the tensor where it was saved"
)
DERIVED = (
    "torch gives a wrong gradient for a store that names an element twice; what the patch gives is compared with the "
    "derivative of what the original computes, in forward mode"
)
_REFUSED = re.compile(
    r"leaf Variable that requires grad is being used in an in-place operation"
    r"|This view is the output of a function that returns multiple views"
    r"|its base or another view of its base has been modified inplace"
    r"|functions with out=\.\.\. arguments don't support automatic differentiation"
    r"|A view was created in no_grad mode"
    r"|Can't detach views in-place"
    r"|Output \d+ of BackwardHookFunction(Backward)? is a view and is being modified inplace"
)
_CHECKED = (
    "original in forward mode, twice", "forward values", "final state", "shared storage", "dtypes", "random state",
    "output", "reached in both versions", "results and arguments of the file's functions",
)  # fmt: skip
_LOCAL = re.compile(r"^\w+ in .+\(\)")


def serves(bench: Bench, stop: Unproved) -> bool:
    """True if the original dies of a write that forward mode allows, so that nothing else can be its reference."""
    failure = bench.original().failure
    return stop.reason == _NONE and failure is not None and _REFUSED.search(failure.message) is not None


def follow(bench: Bench, marks: tuple[Mark, ...]) -> Judgement:
    """The same where the original's own gradients pass by what it writes behind autograd, and the others do not."""
    bench.always["hidden"] = True
    bench.notes.append(FOLLOWED)
    return judge(bench, marks)


def judge(bench: Bench, marks: tuple[Mark, ...]) -> Judgement:
    """All that can be checked without a finished run of the original; raises Unproved where that is not enough."""
    if (refuted := weigh.failed(bench, bench.rewritten())) is not None:
        return Judgement(refuted)
    regions = references.regions_of([mark.original for mark in marks])
    others = references.regions_of([mark.rewritten for mark in marks])
    if not (bench.case.hidden or bench.case.derived):
        _begin_late(bench, regions)
    ours: Json = {"forward": 0, "regions": regions}
    theirs: Json = {"forward": 0, "regions": others}
    original, rewritten = bench.original(**ours), bench.rewritten(**theirs)
    asked = callers_leaf.is_asked_as_given(original, rewritten)
    _usable(original, bench.case.kept or asked)
    reference = Reference(original, False, references.noise(bench, original, bench.original(**ours, perturbed=1)))
    _same_end(original, rewritten)
    comparison = weigh.compared(bench, reference, rewritten, ours, theirs)
    if asked:
        comparison = callers_leaf.without(comparison, original, rewritten)
    ruling = weigh.difference(bench, reference, rewritten, _certain(comparison))
    if ruling is not None and ruling.reason != weigh.HIDDEN:
        return Judgement(ruling)
    _variables(comparison, original)
    bench.notes += [callers_leaf.CONVENTION] * asked
    _leaf_left(bench, original, others)
    bench.checks += _CHECKED
    gradients = _gradients(bench)
    if isinstance(gradients, Ruling):
        return Judgement(gradients)
    if (offence := offenders.check(bench, marks)) is not None:
        return Judgement(offence)
    reached = weigh.reached(marks, original, rewritten, regions, others)
    stopped = original.forward is not None and bool(original.forward.stopped)
    whole = behind_stop.run_to_the_end(bench) if stopped and not asked else None
    if whole is not None and (refuted := behind_stop.refuted(bench, whole)) is not None:
        return Judgement(refuted)
    _say(bench, original, whole is not None)
    if ruling is not None:
        return Judgement(bench.with_all_checks(ruling), reached)
    if bench.lost:  # by a backward that forward mode, which ends at a step, need not come to
        raise Unproved(_NONE, bench.lost)
    return Judgement(_accept(bench, replace(comparison, gradients=gradients), reached), reached)


def _begin_late(bench: Bench, regions: tuple[Region, ...]) -> None:
    """Let forward mode begin behind the backwards of the original, if it would end before what the original dies of."""
    end, behind = bench.original(forward=0, regions=regions).forward, bench.original().backwards
    if end is not None and end.stopped and end.derivatives <= behind:
        bench.later = behind


def _usable(run: Run, kept: bool) -> None:
    """Raises Unproved if a forward-mode run of the original is no reference.

    kept: no leaf is left behind, or it is known what is meant.
    """
    if not independent.took(run) or run.forward is None or run.failure is not None:
        raise Unproved(_NONE, f"the original cannot finish, and forward mode says nothing: {independent.why_none(run)}")
    if run.forward.concerned and run.forward.stopped and not kept:
        why = "a leaf is written in place, and what becomes of it once"
        raise Unproved(_NONE, f"{why} {run.forward.stopped}, no run of the original can tell")


def _same_end(original: Run, rewritten: Run) -> None:
    ends = [None if run.forward is None else run.forward.stopped for run in (original, rewritten)]
    if rewritten.failure is not None or ends[0] != ends[1]:
        said = rewritten.failure.sentence if rewritten.failure is not None else ends[1] or "it comes to its end"
        raise Unproved(_NONE, f"in forward mode the two versions end differently: {ends[0] or 'at the end'}; {said}")


def _certain(comparison: Comparison) -> Comparison:
    """Without variables of functions: whether anything reads them again is not known."""
    rest = tuple(each for each in comparison.differences if not _LOCAL.match(each.path))
    return replace(comparison, differences=rest)


def _variables(comparison: Comparison, original: Run) -> None:
    local = [each for each in comparison.differences if _LOCAL.match(each.path)]
    if local:
        stopped = original.forward.stopped if original.forward is not None else ""
        raise Unproved(_NONE, f"what follows once {stopped} may read what differs: {local[0].sentence}")


def _leaf_left(bench: Bench, original: Run, regions: tuple[Region, ...]) -> None:
    """Raises Unproved if the rewritten version looks for a leaf's gradient where the edit has left a result.

    torch gives None and a warning there; `if x.grad is not None` passes over it in silence.
    """
    if original.forward is None or not (original.forward.leaf_written and original.forward.stopped) or bench.case.kept:
        return
    if references.traced(bench.rewritten(regions=regions)).unfilled:
        raise Unproved(_NONE, "a leaf is written in place, and `.grad` of what it becomes is read: no run can tell it")


def _gradients(bench: Bench) -> int | Ruling:
    """How many gradients make up the derivatives that agree; the refutation if one does not."""
    found = independent.against(bench, DIRECTIONS)
    if isinstance(found, str):
        raise Unproved(_NONE, f"the original cannot finish, and its derivative is not known: {found}")
    lost = next((each for each in found if each.obstacle), None)
    if lost is not None:
        raise Unproved(_NONE, f"the original cannot finish, and {lost.event} has no reference: {lost.obstacle}")
    wrong = next((each for each in found if each.differs), None)
    if wrong is None:
        bench.checks.append(independent.CHECK)
        bench.missing.append("gradients at every backward")
        return sum({each.event: each.gradients for each in found}.values())
    if _hooked(bench):
        raise Unproved(_NONE, f"hooks change gradients, and nothing says to what: {independent.figures(wrong)}")
    sentence = f"the original's derivative says otherwise: {independent.figures(wrong)}"
    return bench.ruling(Verdict.REFUTED, "gradient-differs", sentence)


def _hooked(bench: Bench) -> bool:
    run = bench.original(forward=0, double=True)
    return run.forward is not None and run.forward.hooks


def _say(bench: Bench, original: Run, whole: bool) -> None:
    stopped = original.forward.stopped if original.forward is not None else ""
    rest = "" if whole else "; what follows was run and compared with nothing"
    far = f"up to where {stopped}{rest}" if stopped else "to its end"
    why = "its gradients pass a write by" if bench.case.hidden else "the original cannot finish"
    why = "torch's gradients of it are wrong" if bench.case.derived else why
    bench.notes.append(f"{why}; its reference is the original in forward mode, {far}")
    bench.notes.append(f"gradients are compared in sum, along {DIRECTIONS} random directions of all leaves")


def _accept(bench: Bench, comparison: Comparison, reached: frozenset[int]) -> Ruling:
    if comparison.gradients == 0:
        sentence = "no gradient was compared: nothing that is differentiated depends on a leaf"
        return bench.ruling(Verdict.UNPROVED, "no-gradient", sentence, comparison)
    if not reached:
        return bench.ruling(Verdict.UNPROVED, "not-reached", "the reference ends before the edited code", comparison)
    sentence = f"{comparison.values} values agree, and {comparison.gradients} gradients with the original's derivative"
    return bench.ruling(Verdict.PROVED, None, sentence, comparison)
