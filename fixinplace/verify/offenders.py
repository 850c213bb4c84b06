"""The rewritten version under the tracer: nothing that a backward needed may have been overwritten, loudly or silently.

Note [Whose offence it is]
    The rewritten version has finished and its gradients have been compared, so an offence that is left is a silent one.
    If the edit touches the place that writes, or if the original, traced to its end, has no such offence, the rewrite
    has brought it in or has missed it: refuted, since other inputs would show what these did not.  Otherwise the edit
    has nothing to do with it: the original has it too, or died before it could show.  Then it is a note, as
    are silently wrong gradients of the original; to refute for it would keep a right repair of one bug from a program
    that has two.
"""

from __future__ import annotations

from fixinplace.model import Ruling, Verdict
from fixinplace.source import Text
from fixinplace.trace.events import Offence, Place
from fixinplace.verify.bench import NOTHING, Bench, Mark, Unproved

CHECK = "rewritten code under the tracer"


def check(bench: Bench, marks: tuple[Mark, ...]) -> Ruling | None:
    """Trace the rewritten version; the refutation if it has an offender of its own. Books the check.

    Raises Unproved for a rewritten store that names one element twice: torch gives the overwritten value a gradient as
    well, in every version.
    """
    trace = bench.trace(bench.case.rewritten)
    if isinstance(trace, str):
        bench.missing.append(CHECK)
        bench.notes.append(f"{CHECK} did not come to its end: {trace}")
        return None
    bench.checks.append(CHECK)
    if not trace.offences:
        return None
    theirs = bench.trace(bench.case.original)
    died = isinstance(theirs, str) or not all(each.silent for each in theirs.offences)
    known = None if died or isinstance(theirs, str) else {_kind(each) for each in theirs.offences}
    for each in trace.offences:
        if each.rule == "FIP304" and _is_beside(bench, marks, each):
            sentence = f"torch's own gradient is wrong here, and equality with it is no proof: {_sentence(each)}"
            raise Unproved("no-forward-reference", f"the store names one element twice; {sentence}")
        if _touched(bench, marks, each) or (known is not None and _kind(each) not in known):
            sentence = f"the rewritten version overwrites what a backward needs: {_sentence(each)}"
            return bench.ruling(Verdict.REFUTED, "gradient-differs", sentence, NOTHING)
    bench.notes += [
        f"not of this edit: what a backward needs is overwritten: {_sentence(each)}" for each in trace.offences
    ]
    return None


def _kind(offence: Offence) -> tuple[object, ...]:
    """An offence without lines, which the edit may have moved."""
    saved = "" if offence.save is None else offence.save.op
    writes = [(each.op, "" if each.place is None else each.place.function) for each in offence.writes]
    return offence.rule, offence.node, saved, tuple(dict.fromkeys(writes))


def _sentence(offence: Offence) -> str:
    place = next((each.place for each in offence.writes if each.place is not None), offence.needed)
    where = "" if place is None else f" (line {place.line}: {place.text})"
    return f"{offence.node or 'a saved tensor'}{where}"


def _touched(bench: Bench, marks: tuple[Mark, ...], offence: Offence) -> bool:
    """True if a write of the offence, or the module that makes it, stands in edited text."""
    places = [place for write in offence.writes for place in (write.place, write.built) if place is not None]
    return any(_in_edit(bench, marks, place) for place in places)


def _is_beside(bench: Bench, marks: tuple[Mark, ...], offence: Offence) -> bool:
    """True if a write of the offence stands on a line of an edit, or on the one that begins where an edit ends."""
    for index, patch in enumerate(bench.case.rewritten):
        text = Text(patch.text)
        regions = [region for mark in marks for region in mark.rewritten if region.file == index]
        lines = [(text.position(region.start)[0], text.position(region.end)[0]) for region in regions]
        places = [w.place for w in offence.writes if w.place is not None and w.place.file == patch.path]
        if any(first <= place.line <= last for place in places for first, last in lines):
            return True
    return False


def _in_edit(bench: Bench, marks: tuple[Mark, ...], place: Place) -> bool:
    for index, patch in enumerate(bench.case.rewritten):
        if place.file != patch.path:
            continue
        starts = [*Text(patch.text).starts, len(patch.text)]
        first = starts[place.line - 1] + max(place.column - 1, 0)
        whole = not (place.column and place.end_line and place.end_column)
        last = starts[place.line] if whole else starts[place.end_line - 1] + place.end_column - 1
        regions = [region for mark in marks for region in mark.rewritten if region.file == index]
        if any(region.start < last and first < region.end for region in regions):
            return True
    return False
