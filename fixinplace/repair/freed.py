"""A backward that dies in a graph which an earlier one has freed: is it a state that a loop carries with its graph?

Note [Freed graphs]
    Torch frees what a backward used, so the command dies before it could meet a tensor that was overwritten since.  A
    second run keeps all graphs.  If its backward then meets what was saved in an earlier round, by a line that has run
    again since, a state was kept with its graph, and the line that keeps it is the culprit, whether or not what was
    saved has been overwritten since.  Two backwards through the graph of one round are another mistake: nothing of them
    is told here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fixinplace.repair.base import Files, Scene
from fixinplace.repair.code import same_file
from fixinplace.repair.steps.carried import kept_states
from fixinplace.repair.steps.inner import inner_states
from fixinplace.repair.steps.situation import situation
from fixinplace.repair.wording import place_in
from fixinplace.trace.events import Offence, Place
from fixinplace.verify.jobs import Failure


def carried(offences: Sequence[Offence], failure: Failure, files: Files) -> list[Offence]:
    """Of the offences of a run with all graphs kept, those of a carried state; failure: how it ended without.

    A run that got past the backward that fails may meet a state of which that one knows nothing.
    """
    found = [each for each in offences if each.rule == "FIP207" and _is_at(each.needed, failure)]
    overwritten = [each for each in found if each.found_version != each.saved_version]
    return [_kept(each, failure.message, files) for each in overwritten or found]


def _is_at(place: Place | None, failure: Failure) -> bool:
    if place is None or not failure.file:
        return False
    return same_file(place.file, failure.file) and place.line <= failure.line <= max(place.line, place.end_line)


def _kept(offence: Offence, message: str, files: Files) -> Offence:
    note = "torch frees a graph at its backward; with all graphs kept, this one goes on into that of an earlier round"
    found = situation(Scene(offence, files))
    states = [] if found is None else kept_states(found) or [each for states in inner_states(found) for each in states]
    first = next((each for each in states if each.stores), None)
    keeper = None if first is None else place_in(first.code, first.stores[-1])
    state = "" if first is None else first.state
    return replace(offence, message=message, note=note, keeper=keeper, state=state, silent=False)
