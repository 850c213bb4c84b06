"""From runs to a ruling: the rewritten version against the reference, and what may be claimed.

Nothing here runs or imports torch; a `Laboratory` does the running, so that every decision can be tested without one.
"""

from __future__ import annotations

from dataclasses import replace

from fixinplace.model import Ruling, Verdict
from fixinplace.verify import forward_reference, independent, offenders, probes, standing, weigh
from fixinplace.verify import reference as references
from fixinplace.verify.bench import NOTHING, Bench, Case, Judgement, Laboratory, Mark, Unproved
from fixinplace.verify.errors import is_broken
from fixinplace.verify.jobs import Comparison, Json, Run
from fixinplace.verify.reference import GRADIENT_REASONS, Reference

_COMPARED = (
    "forward values", "final state", "gradients at every backward", "shared storage", "dtypes", "random state",
    "output",
)  # fmt: skip
_TRACED = ("reached in both versions", "results and arguments of the file's functions")


def judge(lab: Laboratory, case: Case, marks: tuple[Mark, ...]) -> Judgement:
    """All checks of the design on two versions of some files, with reachability."""
    bench = Bench(lab, case)
    try:
        if case.hidden:
            plain = judge(lab, replace(case, hidden=False), marks)
            if plain.ruling.verdict is Verdict.PROVED:
                return plain
            standing.begin(bench)
            if standing.is_right(bench):
                return Judgement(bench.ruling(Verdict.REFUTED, "gradient-differs", standing.NOTHING_WRONG))
            return forward_reference.follow(bench, marks)
        if case.derived:
            bench.notes.append(forward_reference.DERIVED)
            return forward_reference.judge(bench, marks)
        try:
            reference = references.find(bench, marks)
        except Unproved as stop:
            if not forward_reference.serves(bench, stop):
                raise
            try:
                return forward_reference.judge(bench, marks)
            except Unproved as silent:
                reference = references.with_results(bench, marks, silent)
        comparison, refuted = _plain(bench, reference)
        if refuted is not None:
            return Judgement(refuted)
        _mended(bench, reference)
        if case.whole and reference.cloned and (refuted := standing.check(bench)) is not None:
            return Judgement(refuted)
        reached, ruling = _traced(bench, reference, marks)
        _handled(bench, reference, marks)
        if ruling is None or ruling.reason == weigh.HIDDEN:
            late = independent.check(bench, reference.cloned) or offenders.check(bench, marks)
            ruling = late or (ruling and bench.with_all_checks(ruling))
        return Judgement(ruling or _accept(bench, comparison, reached), reached)
    except Unproved as stop:
        return Judgement(_without_reference(bench, stop) or bench.ruling(Verdict.UNPROVED, stop.reason, str(stop)))


def _without_reference(bench: Bench, stop: Unproved) -> Ruling | None:
    """What the rewritten version of a command tells where the original has no end: that it has one, or dies as well."""
    if not bench.case.whole or stop.reason != "probe-failed" or probes.runs_tests(bench.case.probe):
        return None
    run = bench.rewritten()
    if is_broken(run):
        return weigh.failed(bench, run)
    return bench.ruling(Verdict.UNPROVED, "no-forward-reference", str(stop)) if run.finished else None


def alone(lab: Laboratory, case: Case) -> Ruling:
    """Compare both versions with saved tensors cloned: tells a wrong edit from another culprit that is still there.

    Either refuted, or unproved: agreement under clones is no proof.  Also tells `hidden-caller`.
    """
    bench = Bench(lab, case)
    mode: Json = {"cloned": True, "regions": ()}
    try:
        run = bench.original(**mode)
        references.check_clones(run)
        excluded = references.noise(bench, run, bench.original(**mode, perturbed=1))
        candidate = bench.rewritten(**mode)
        if (refuted := weigh.failed(bench, candidate)) is not None:
            return refuted
        comparison = weigh.compared(bench, Reference(run, True, excluded), candidate, mode, mode)
        found = weigh.difference(bench, Reference(run, True, excluded), candidate, comparison)
    except Unproved as stop:
        return bench.ruling(Verdict.UNPROVED, stop.reason, str(stop))
    agrees = "agrees while saved tensors are cloned"
    return found or bench.ruling(Verdict.UNPROVED, "not-reached", agrees, comparison)


def _plain(bench: Bench, reference: Reference) -> tuple[Comparison, Ruling | None]:
    """The rewritten version as it is, without mode or hook: the comparison, and the refutation if there is one."""
    run = bench.rewritten()
    if (refuted := weigh.failed(bench, run)) is not None:
        return NOTHING, refuted
    _passes(bench, run)
    comparison = weigh.compared(bench, reference, run, {"cloned": reference.cloned}, {})
    bench.checks += _COMPARED
    bench.notes += [*reference.run.notes, *run.notes]
    return comparison, weigh.difference(bench, reference, run, comparison)


def _passes(bench: Bench, run: Run) -> None:
    """Raises Unproved if tests still fail, or a program that tells its in-place error by its exit code still does.

    The reference may leave with that code as well, where a test expects the error, or fails behind it.
    """
    plain = bench.original()
    told = is_broken(plain) and plain.failure is None and plain.exit
    if bench.case.whole and run.exit and (told or probes.runs_tests(bench.case.probe)):
        why = "what shows the error expects it, or fails without it too"
        sentence = f"the rewritten version leaves with exit code {run.exit}: {why}"
        raise Unproved("probe-failed", sentence)


def _mended(bench: Bench, reference: Reference) -> None:
    """Raises Unproved if the original finishes, silently wrong, and the rewritten version gives the same gradients.

    Then nothing was repaired, and the clones are no reference either: a checkpoint computes from overwritten state.
    """
    plain = bench.original()
    if not bench.case.whole or bench.always or not plain.finished or is_broken(plain):
        return
    differences = bench.compare(plain, bench.rewritten(), reference.excluded).differences
    if not any(each.reason in GRADIENT_REASONS for each in differences):
        sentence = "every gradient is what it was before the edit: what was overwritten is read in another way as well"
        raise Unproved("no-forward-reference", sentence)


def _handled(bench: Bench, reference: Reference, marks: tuple[Mark, ...]) -> None:
    """Raises Unproved if the program catches its in-place error, goes on, and shows that it did.

    What it computes after such an error is what the author wrote for that case; without the error it computes
    something else, and whether that is right no run of the original can tell.  A program that only tells the error by
    its exit code, as a test runner does, leaves with another one where there is no error.
    """
    plain = bench.original()
    told = plain.exit and plain.exit != reference.run.exit
    if not reference.cloned or not plain.finished or not is_broken(plain) or told:
        return
    ours = bench.original(regions=references.regions_of([mark.original for mark in marks]))
    theirs = bench.rewritten(regions=references.regions_of([mark.rewritten for mark in marks]))
    differences = bench.compare(ours, theirs, reference.excluded).differences
    shown = [each for each in differences if each.reason not in (*GRADIENT_REASONS, weigh.HIDDEN)]
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
        excluded |= references.noise(bench, original, bench.original(**ours, perturbed=1))
    traced = replace(reference, run=original, excluded=excluded)
    comparison = weigh.compared(bench, traced, rewritten, ours, theirs)
    reached = weigh.reached(marks, original, rewritten, regions, others)
    return reached, weigh.difference(bench, traced, rewritten, comparison)


def _accept(bench: Bench, comparison: Comparison, reached: frozenset[int]) -> Ruling:
    if comparison.gradients == 0:
        sentence = "no gradient was compared: the probe runs no backward and returns nothing that is tracked"
        return bench.ruling(Verdict.UNPROVED, "no-gradient", sentence, comparison)
    if not reached:
        return bench.ruling(Verdict.UNPROVED, "not-reached", "the edited code did not run", comparison)
    sentence = f"{comparison.values} values and {comparison.gradients} gradients agree"
    return bench.ruling(Verdict.PROVED, None, sentence, comparison)
