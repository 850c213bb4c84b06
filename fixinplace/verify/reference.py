"""What the rewritten version must equal: the original as it is, or, where that dies, the original with cloned saves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fixinplace.verify.bench import Bench, Mark, Unproved
from fixinplace.verify.errors import (
    inplace_failures,
    is_broken,
    is_inplace,
    obstacle,
    refuses_hooks,
    refuses_inference,
    refuses_leaf,
    refuses_output,
    refuses_shared,
)
from fixinplace.verify.jobs import Failure, Region, Run

RESULT = (
    "convention: a leaf that is written is a result from then on, and a gradient that is asked for is the one at the "
    "written value"
)
CONVENTION = "convention: what is written into a parameter is data; its gradient is taken at the new value"
OWN = "in the reference what a custom Function returns of its input is no view, but has the same memory"
UNSHARED = "convention: a tensor whose elements share memory is cloned before it is written, which torch asks for"
ALSO_OF_OTHERS = (
    "convention: that holds also where it depends on another tracked value, since no later backward goes through such "
    "a parameter while that value exists: its gradient could not show"
)
GRADIENT_REASONS = ("gradient-missing", "gradient-differs")


@dataclass(frozen=True, slots=True)
class Reference:
    """A run of the original; `cloned` if it is not the plain one; `excluded` are paths that change from run to run."""

    run: Run
    cloned: bool
    excluded: frozenset[str]


def find(bench: Bench, marks: tuple[Mark, ...]) -> Reference:
    """The reference for a proof; raises Unproved if there is none or if it does not reach any mark."""
    plain = bench.original()
    if plain.failure is not None and refuses_inference(plain.failure):
        bench.notes.append(f"the original fails: {plain.failure.sentence}")
        bench.notes.append("in the reference inference mode is taken as no_grad, which computes the same values")
        bench.always = {"no_inference": True}
        plain = bench.original()
    if bench.case.whole and plain.failure is not None and _may_share(plain.failure):
        plain = _past(bench, plain, "unshared", _may_share, UNSHARED)
    if bench.case.whole and plain.failure is not None and refuses_output(plain.failure):
        plain = _past(bench, plain, "own_outputs", refuses_output, OWN)
    if bench.case.kept and plain.failure is not None and refuses_leaf(plain.failure):
        plain = _with_data(bench, plain)
    if (why := obstacle(plain)) is not None:
        raise Unproved(*why)
    if is_broken(plain) or bench.case.whole:
        return _cloned(bench, plain, marks)
    _reaches(bench, False, marks)
    excluded = noise(bench, plain, bench.original(perturbed=1))
    bench.checks.append("original twice")
    _look_for_silent_error(bench, plain, excluded)
    return Reference(plain, False, excluded)


def _may_share(failure: Failure) -> bool:
    return refuses_shared(failure) or refuses_leaf(failure)


def _past(bench: Bench, plain: Run, mode: str, refuses: Callable[[Failure], bool], note: str) -> Run:
    """The original in a mode of the runner's, if that gets it past the write that is refused; else as it was."""
    before, failure = bench.always, plain.failure
    bench.always = {**before, mode: True}
    found = bench.original()
    if failure is None or (found.failure is not None and refuses(found.failure)):
        bench.always = before
        return plain
    bench.notes += [f"the original fails: {failure.sentence}", note]
    return found


def _with_data(bench: Bench, plain: Run) -> Run:
    """The original with its writes to parameters as data, if that gets it past them; else as it was."""
    before, failure = bench.always, plain.failure
    bench.always = {**before, "as_data": True}
    found, cloned = bench.original(), bench.original(cloned=True)
    ends = [run.data for run in (found, cloned) if run.data is not None]
    event = next((end.differentiated for end in ends if end.differentiated), "")
    if event:
        bench.lost = f"what is written into a parameter depends on another tracked value, and {event} asks for it"
        bench.notes.append(bench.lost)
    unasked = any(end.unasked for end in ends)
    if failure is None or event or unasked or (found.failure is not None and refuses_leaf(found.failure)):
        bench.always = before
        return plain
    bench.notes += [f"the original fails: {failure.sentence}", CONVENTION]
    bench.notes += [ALSO_OF_OTHERS] * any(end.others for end in ends)
    return found


def with_results(bench: Bench, marks: tuple[Mark, ...], stop: Unproved) -> Reference:
    """The original with leaves that it writes as results, see Note [A leaf that becomes a result]; else raises `stop`.

    stop: why nothing else is a reference.
    """
    failure = bench.original().failure
    if bench.case.kept or failure is None or not refuses_leaf(failure):
        raise stop
    before = bench.always
    bench.always, bench.later = {**before, "as_result": True}, 0
    runs = [bench.original(), bench.original(cloned=True)]
    refused = any(run.failure is not None and refuses_leaf(run.failure) for run in runs)
    if refused or any(run.asked_as_leaf for run in runs):
        bench.always = before
        raise stop
    found = find(bench, marks)
    bench.notes += [f"the original fails: {failure.sentence}", RESULT]
    return found


def _cloned(bench: Bench, plain: Run, marks: tuple[Mark, ...]) -> Reference:
    if is_broken(plain):
        bench.notes.append(f"the original fails: {inplace_failures(plain)[0].sentence}")
    run = bench.original(cloned=True)
    check_clones(run)
    _reaches(bench, True, marks)
    excluded = noise(bench, run, bench.original(cloned=True, perturbed=1))
    bench.checks.append("original with saved tensors cloned, twice")
    return Reference(run, True, excluded)


def check_clones(run: Run) -> None:
    """Raises Unproved if a run of the original with cloned saves is no reference."""
    if run.failure is not None and (is_inplace(run.failure) or refuses_hooks(run.failure)):
        sentence = f"the original does not get through even with saved tensors cloned: {run.failure.sentence}"
        raise Unproved("no-forward-reference", sentence)
    if (why := obstacle(run)) is not None:
        raise Unproved(*why)
    if is_broken(run):
        raise Unproved("no-forward-reference", f"a backward of the original fails: {run.failures[0].sentence}")
    if run.no_clone_reference:
        raise Unproved("no-forward-reference", run.no_clone_reference)


def noise(bench: Bench, one: Run, two: Run) -> frozenset[str]:
    """Paths that differ between two runs of the same version, which says nothing about the edit.

    Raises Unproved if the second run ends otherwise, or if gradients differ.
    """
    if (why := obstacle(two)) is not None or not two.finished:
        raise Unproved("nondeterministic", f"a second run of the original ends differently: {why[1] if why else ''}")
    if one.exit != two.exit:
        codes = f"{one.exit or 0} and {two.exit or 0}"
        raise Unproved("nondeterministic", f"two runs of the original leave with different exit codes: {codes}")
    differences = bench.compare(one, two, exact=True).differences
    for each in differences:
        if each.reason in GRADIENT_REASONS:
            raise Unproved("nondeterministic", f"two runs of the original give different gradients: {each.sentence}")
    if differences:
        named = ", ".join(sorted({each.path for each in differences})[:5])
        bench.notes.append(f"not compared, since two runs of the original differ there: {named}")
    return frozenset(each.path for each in differences)


def _reaches(bench: Bench, cloned: bool, marks: tuple[Mark, ...]) -> None:
    """Raises Unproved if the original runs none of the code in question: no other run would tell anything."""
    regions = regions_of([mark.original for mark in marks])
    run = traced(bench.original(cloned=cloned, regions=regions))
    reached = frozenset(regions[index] for index in run.reached)
    if not any(reached.issuperset(mark.original) for mark in marks):
        raise Unproved("not-reached", "the probe does not run the code in question")


def regions_of(sides: list[tuple[Region, ...]]) -> tuple[Region, ...]:
    """All regions of some marks, in order."""
    return tuple(sorted({region for side in sides for region in side}))


def traced(run: Run) -> Run:
    """A traced run itself; raises Unproved if it did not get to its end."""
    if (why := obstacle(run)) is not None:
        raise Unproved(why[0], f"while looking for the code that runs: {why[1]}")
    return run


def _look_for_silent_error(bench: Bench, plain: Run, excluded: frozenset[str]) -> None:
    """A program that finishes may still have back-propagated through overwritten values: a note of its own."""
    cloned = bench.original(cloned=True)
    if not cloned.finished or cloned.no_clone_reference:
        bench.missing.append("original with saved tensors cloned")
        return
    bench.checks.append("original with saved tensors cloned")
    differences = bench.compare(plain, cloned, excluded).differences
    wrong = [each for each in differences if each.reason in GRADIENT_REASONS]
    if wrong:
        words = "the original finishes with silently wrong gradients, saved values were overwritten"
        bench.notes.append(f"{words}: {wrong[0].sentence}")
