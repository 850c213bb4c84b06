"""Programs that finish: whether their gradients are right as they stand, so that a patch would only spoil them.

Note [Right as it stands]
    What is written through `.data` is not differentiated, and the clone of what was saved before is the reference for
    that.  But who sets to zero what a sigmoid has kept gets a backward of zero there, which is the derivative of the
    mask: the gradients are those of the values that the program computes, and no one of the two is wrong by itself.
    Both are asked for the derivative of the values, in forward mode that follows such writes.  Where the original's
    gradients are that derivative and the patch's are not, there was nothing to repair.  Where neither is, the patch
    holds by the convention alone, and the evidence says so.
"""

from __future__ import annotations

import re

from fixinplace.model import Ruling, Verdict
from fixinplace.verify import independent
from fixinplace.verify.bench import NOTHING, Bench
from fixinplace.verify.errors import is_broken
from fixinplace.verify.jobs import Json, Run, Slope

DIRECTIONS = 2
NOTHING_WRONG = "as it stands its gradients are the derivative of what it computes, the write behind autograd included"
RIGHT = (
    "its gradients are the derivative of what it computes, the write behind autograd included; the patch's are not: "
)
_CONVENTION = (
    "convention: a write behind autograd (`.data`, `detach`, numpy) is not differentiated, though values change; if "
    "its gradient is meant as well, write the tensor itself, out of place"
)
_BEHIND = re.compile(r"\bdetach\b|\.data\b|\bnumpy\b|dlpack")


def is_right(bench: Bench) -> bool:
    """True if the original's own gradients are, in all directions, the derivative that follows its hidden writes."""
    modes: tuple[Json, ...] = ({"double": True}, {})
    for mode in modes:
        runs = [bench.original(**mode, forward=number, hidden=True) for number in range(DIRECTIONS)]
        plain = bench.original(**mode)
        if all(map(independent.took, runs)) and plain.finished:
            told = _told(bench, runs, plain)
            return bool(told) and not is_broken(plain) and all(each.agrees for each in told)
    return False


def check(bench: Bench) -> Ruling | None:
    """The refutation of a patch of what is right as it stands; notes what holds by convention alone."""
    if not any(_BEHIND.search(patch.text) for patch in bench.case.original):
        return None
    modes: tuple[Json, ...] = ({"double": True}, {})
    for mode in modes:
        runs = [bench.original(**mode, forward=number, hidden=True) for number in range(DIRECTIONS)]
        plain, patched = bench.original(**mode), bench.rewritten(**mode)
        if all(map(independent.took, runs)) and patched.finished:
            return _compared(bench, runs, plain, patched)
    return None


def _compared(bench: Bench, runs: list[Run], plain: Run, patched: Run) -> Ruling | None:
    wrong = [each for each in _told(bench, runs, patched) if each.differs]
    if not wrong:
        return None
    told = _told(bench, runs, plain) if plain.finished and not is_broken(plain) else []
    if told and all(each.agrees for each in told):
        sentence = RIGHT + independent.figures(wrong[0])
        return bench.ruling(Verdict.REFUTED, "gradient-differs", sentence, NOTHING)
    bench.notes.append(_CONVENTION)
    return None


def _told(bench: Bench, runs: list[Run], candidate: Run) -> list[Slope]:
    """What the derivatives say of a run's gradients, as far as they say anything."""
    found = (each for number, run in enumerate(runs) for each in bench.slopes(run, candidate, number))
    return [each for each in found if not each.obstacle]
