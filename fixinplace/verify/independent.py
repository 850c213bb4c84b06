"""A second opinion on the gradients: the original's derivative in forward mode, which needs no saved tensor.

Note [What the derivative may say]
    The rewritten version's gradients have been compared with those of a run of the original, one by one, before the
    derivative is asked.  If it agrees, two independent ways lead to the same numbers.  If it does not, and the
    original's own gradients disagree with it in the same way, the program has gradients that are no derivatives by
    intention (hooks that change them, straight-through estimators) or by a defect which is its own; either way the
    rewrite has kept them, and the check says nothing.  What is left refutes.
"""

from __future__ import annotations

from pathlib import Path

from fixinplace.model import Ruling, Verdict
from fixinplace.verify.bench import NOTHING, Bench
from fixinplace.verify.jobs import Json, Limits, Run, Slope

CHECK = "forward-mode derivative"
DIRECTIONS = 2
Key = tuple[int, str]
_BLOB = Limits().file_size // 2
"""Bytes of tensors that a run leaves at most; see `child.run`."""
_MOST = 0.9
"""Of these: who has left so many has left out what did not fit."""
_DOUBLE = 1e-12
"""An eps that lies between those of float64 and of every narrower type."""


def check(bench: Bench, cloned: bool) -> Ruling | None:
    """Compare the rewritten version's gradients with the original's derivative; the refutation if there is one.

    cloned: how the original has to run for its gradients to count. Books the check as run or as not run.
    """
    mode = _mode(bench)
    if isinstance(mode, str):
        _not_run(bench, mode)
        return None
    return _compared(bench, mode, cloned, DIRECTIONS)


def against(bench: Bench, directions: int) -> list[Slope] | str:
    """The original's derivatives against the rewritten version's gradients, where nothing else can be asked.

    A sentence where no derivative can be taken.
    """
    mode = _mode(bench)
    if isinstance(mode, str):
        return mode
    runs = [bench.original(**mode, forward=number) for number in range(directions)]
    slopes = _slopes(bench, runs, bench.rewritten(**mode))
    found = [_along(bench, mode, key, each) if each.asked else each for key, each in slopes.items()]
    _say_how_exact(bench, found)
    return found


def _along(bench: Bench, mode: Json, key: Key, slope: Slope) -> Slope:
    """The same with a derivative along those leaves alone whose gradients that backward was asked for."""
    number, event = key
    run = bench.original(**mode, forward=number, along=slope.asked)
    told = bench.slopes(run, bench.rewritten(**mode), number)
    return next((each for each in told if each.event == event), slope)


def _mode(bench: Bench) -> Json | str:
    """How both versions are run, in float64 if that is possible; a sentence where there is no derivative."""
    kept = _kept_bytes(bench.rewritten())
    if kept > _MOST * _BLOB:
        return "the gradients are more than are kept"
    modes: tuple[Json, ...] = ({"double": True}, {}) if 2 * kept <= _BLOB else ({},)
    for mode in modes:
        forward = bench.original(**mode, forward=0)
        if took(forward) and bench.rewritten(**mode).finished:
            return mode
        if forward.forward is not None and forward.forward.limited:
            break  # another dtype changes nothing
    return why_none(forward)


def _kept_bytes(run: Run) -> int:
    """How many bytes of tensors a run has left; in float64 they are twice as many."""
    blob = Path(run.folder) / "blob"
    return blob.stat().st_size if run.folder and blob.exists() else 0


def took(run: Run) -> bool:
    """At least one derivative was taken before the run ended, in whatever way."""
    return run.forward is not None and run.forward.derivatives > 0


def why_none(run: Run) -> str:
    """Why a forward-mode run has taken no derivative."""
    if run.forward is not None and run.forward.stopped:
        return run.forward.stopped
    if run.failure is not None:
        return f"in forward mode the original fails: {run.failure.sentence}"
    return run.detail or "no gradient is taken"


def _compared(bench: Bench, mode: Json, cloned: bool, directions: int) -> Ruling | None:
    runs = [bench.original(**mode, forward=number) for number in range(directions)]
    found = _slopes(bench, runs, bench.rewritten(**mode))
    wrong = {key: each for key, each in found.items() if each.differs}
    told = [each for each in found.values() if each.agrees]
    if wrong:
        reference = bench.original(**mode, cloned=cloned)
        return _disagrees(bench, wrong, _slopes(bench, runs, reference) if reference.finished else {})
    if told:
        bench.checks.append(CHECK)
        lost = [each for each in found.values() if each.obstacle]
        if lost:
            bench.notes.append(f"{CHECK}: {lost[0].event} is not compared: {lost[0].obstacle}")
        _say_how_exact(bench, told)
    else:
        first = next(iter(found.values()), None)
        _not_run(bench, "no gradient is taken" if first is None else f"{first.event}: {first.obstacle}")
    return None


def _slopes(bench: Bench, runs: list[Run], candidate: Run) -> dict[Key, Slope]:
    """By direction and backward."""
    return {
        (number, each.event): each for number, run in enumerate(runs) for each in bench.slopes(run, candidate, number)
    }


def _disagrees(bench: Bench, wrong: dict[Key, Slope], theirs: dict[Key, Slope]) -> Ruling | None:
    """Note [What the derivative may say]; theirs: the same derivatives against the original's own gradients."""
    said = figures(next(iter(wrong.values())))
    known = {key: theirs[key] for key in wrong if key in theirs and not theirs[key].obstacle}
    if any(not _alike(wrong[key], its) for key, its in known.items()):
        sentence = f"the original's derivative says otherwise: {said}"
        return bench.ruling(Verdict.REFUTED, "gradient-differs", sentence, NOTHING)
    words = "the gradients are no derivatives, by intention or by a defect of the original, and equal the original's"
    _not_run(bench, f"{words}: {said}" if known else f"the original's gradients cannot be asked: {said}")
    return None


def figures(slope: Slope) -> str:
    """What the two ways give."""
    expected, found = f"{slope.expected:.6g}", f"{slope.found:.6g}"
    return f"{slope.event} has the derivative {expected} in a random direction, and by its gradients {found}"


def _alike(ours: Slope, theirs: Slope) -> bool:
    """Both runs' gradients give the same number, right or wrong."""
    return abs(ours.found - theirs.found) <= max(ours.tolerance, theirs.tolerance)


def _say_how_exact(bench: Bench, told: list[Slope]) -> None:
    if max((each.eps for each in told), default=0.0) > _DOUBLE:
        bench.notes.append(f"{CHECK}: taken in the program's own types, exact to 1e-4 of the sum of its terms")


def _not_run(bench: Bench, why: str) -> None:
    bench.missing.append(CHECK)
    bench.notes.append(f"{CHECK} not compared: {why}")
