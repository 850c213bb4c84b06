"""Programs that finish: whether their gradients are right as they stand, so that a patch would only spoil them.

Note [Right as it stands]
    What is written through `.data` is not differentiated, and the clone of what was saved before is the reference for
    that.  But who sets to zero what a sigmoid has kept gets a backward of zero there, which is the derivative of the
    mask: the gradients are those of the values that the program computes, and no one of the two is wrong by itself.
    Both are asked for the derivative of the values, in forward mode that follows such writes.  Where the original's
    gradients are that derivative and the patch's are not, there was nothing to repair.  Where neither is, the patch
    holds by the convention alone, and the evidence says so.

Note [Where a hidden write shows]
    `prob.data.clamp_(0.2, 0.8)` changes nothing before the network is sure of something.  Forward mode ends at the
    first step, where the gradients with the write and without it are the same, and says that all is right.  So the
    derivative that follows the write is compared with the one that does not, and forward mode begins behind the
    backwards at which they are equal (Note [Forward mode begins late]): up to there the two versions are one program.
"""

from __future__ import annotations

import re

from fixinplace.model import Ruling, Verdict
from fixinplace.verify import independent
from fixinplace.verify.bench import NOTHING, Bench
from fixinplace.verify.errors import is_broken
from fixinplace.verify.jobs import Json, Run, Slope

DIRECTIONS = 2
_BACKWARDS = 4
_MODES: tuple[Json, ...] = ({"double": True}, {})
NOTHING_WRONG = "as it stands its gradients are the derivative of what it computes, the write behind autograd included"
RIGHT = (
    "its gradients are the derivative of what it computes, the write behind autograd included; the patch's are not: "
)
_CONVENTION = (
    "convention: a write behind autograd (`.data`, `detach`, numpy) is not differentiated, though values change; if "
    "its gradient is meant as well, write the tensor itself, out of place"
)
_BEHIND = re.compile(r"\bdetach\b|\.data\b|\bnumpy\b|dlpack")


def begin(bench: Bench) -> None:
    """Let forward mode begin where a hidden write changes a derivative, or at once if it does nowhere.

    See Note [Where a hidden write shows]; it looks behind fewer than `_BACKWARDS` backwards.
    """
    for behind in range(min(bench.original().backwards, _BACKWARDS)):
        bench.later = behind
        if any(_shows(bench, mode) for mode in _MODES):
            return
    bench.later = 0


def _shows(bench: Bench, mode: Json) -> bool:
    """True if the derivative of the original in a direction is another one if hidden writes are followed."""
    runs = [bench.original(**mode, forward=0, hidden=hidden) for hidden in (True, False)]
    plain = bench.original(**mode)
    if not (all(map(independent.took, runs)) and plain.finished):
        return False
    followed, passed = (bench.slopes(run, plain, 0) for run in runs)
    pairs = zip(followed, passed, strict=False)
    return any(abs(one.expected - other.expected) > one.tolerance for one, other in pairs if not one.obstacle)


def is_right(bench: Bench) -> bool:
    """True if the original's own gradients are, in all directions, the derivative that follows its hidden writes."""
    for mode in _MODES:
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
    begin(bench)
    try:
        return _checked(bench)
    finally:
        bench.later = 0


def _checked(bench: Bench) -> Ruling | None:
    for mode in _MODES:
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
