"""What forward mode has proved up to a stop, to the end of the program; see Note [Behind the stop]."""

from __future__ import annotations

import re
from dataclasses import replace

from fixinplace.model import Ruling
from fixinplace.verify import reference as references
from fixinplace.verify import weigh
from fixinplace.verify.bench import Bench, Unproved
from fixinplace.verify.jobs import Comparison, Json, Run
from fixinplace.verify.reference import Reference

_UNHELD = re.compile(r": leaf \d+$")
_MODE: Json = {"one_by_one": True, "as_result": True}


def run_to_the_end(bench: Bench) -> Run | None:
    """The original with saved tensors cloned and the write allowed that it dies of; None if that says nothing."""
    if bench.case.kept or bench.case.hidden or bench.case.derived:
        return None
    run = bench.original(cloned=True, **_MODE)
    try:
        references.check_clones(run)
    except Unproved:
        return None
    return run if run.finished and not run.asked_as_leaf else None


def refuted(bench: Bench, run: Run) -> Ruling | None:
    """The refutation of a rewritten version that differs from that run; raises Unproved if two of them differ."""
    mode: Json = {"cloned": True, **_MODE}
    excluded = references.noise(bench, run, bench.original(**mode, perturbed=1))
    reference = Reference(run, True, excluded)
    comparison = weigh.compared(bench, reference, bench.rewritten(), mode, {})
    if bench.case.unasked:
        comparison = _without_unheld(comparison)
    found = weigh.difference(bench, reference, bench.rewritten(), comparison)
    if found is None:
        said = f"{comparison.values} values and {comparison.gradients} gradients there are equal"
        bench.notes.append(f"to its end the original was run with the write allowed and saved tensors cloned: {said}")
    return found if found is not None and found.reason != weigh.HIDDEN else None


def _without_unheld(comparison: Comparison) -> Comparison:
    """Without the gradients of leaves that nobody holds by then: the one that was written, of which a copy is left."""
    found = (
        each for each in comparison.differences if each.reason != "gradient-missing" or not _UNHELD.search(each.path)
    )
    return replace(comparison, differences=tuple(found))
