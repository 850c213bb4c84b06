"""Where nobody saw the writer, as under `torch.func`: the writes that ran are tried, and the proof tells which it was.

Note [Found by trying]
    A transform of `torch.func` takes no hooks on what it saves, so that the error names a tensor and no line.  What was
    written in place in the run is known.  Each such line is taken for the culprit, all of them are mended together, and
    what the proof can do without is taken back.  Only what it cannot do without is named, and that it was found so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fixinplace.model import Fix
from fixinplace.repair.base import Files, Scene
from fixinplace.repair.found import Found
from fixinplace.repair.ran import fix_at
from fixinplace.trace.events import Offence, Save, Spot, Standing, Write

_MOST = 6
_NOTE = "torch.func takes no hooks on what it saves; of {} it is the one without whose repair the error stays"
_OTHERS = "the in-place writes of the run"


def is_unseen(offence: Offence) -> bool:
    """True where torch has raised, and neither the save nor the write was seen."""
    return offence.save is None and not offence.writes and not offence.complete and bool(offence.message)


def suspected(offences: Sequence[Offence], spots: Sequence[Spot], files: Files) -> list[Offence]:
    """An offence for each line of the user's that wrote in place and has a rewrite; none if too many did."""
    unseen = next((each for each in offences if is_unseen(each)), None)
    places = dict.fromkeys((spot.place, spot.op) for spot in spots if spot.standing is Standing.PENDING)
    if unseen is None:
        return []
    found = [_accused(unseen, Write(0, op, place, (place,))) for place, op in places]
    found = [each for each in found if _has_rewrite(each, files)]
    return found if len(found) <= _MOST else []


def _accused(offence: Offence, write: Write) -> Offence:
    save = Save(0, "", None)
    return replace(offence, writes=(write,), save=save, note=_NOTE.format(_OTHERS))


def _has_rewrite(offence: Offence, files: Files) -> bool:
    write = offence.writes[0]
    spot = Scene(offence, files).node(write.place)
    outcome = None if spot is None else fix_at(*spot, write)
    return outcome is not None and isinstance(outcome.fix, Fix)


def searched(
    offences: Sequence[Offence], spots: Sequence[Spot], files: Files, search: Callable[[Sequence[Offence]], Found]
) -> Found:
    """What a search comes to; with suspects, those that the proof needs are the culprits, or else nobody is."""
    suspects = suspected(offences, spots, files)
    if not suspects:
        return search(offences)
    rest = [each for each in offences if not is_unseen(each)]
    found = search([*rest, *suspects])
    if not found.proved or found.best is None:
        nobody = search([each for each in offences if is_unseen(each)])
        return replace(nobody, tried=found.tried, stopped=found.stopped)
    needed = found.best.attempt.proposals
    mended = tuple(each for each in found.culprits if any(one in needed for one in each.proposals))
    return replace(found, culprits=mended)
