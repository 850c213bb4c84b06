"""A backward that dies in a graph which an earlier one has freed: is it a state that a loop carries with its graph?

Note [Freed graphs]
    Torch frees what a backward used, so the command dies before it could meet a tensor that was overwritten since.  A
    second run keeps all graphs.  If its backward then meets what was saved in an earlier round, by a line that has run
    again since, a state was kept with its graph, and the line that keeps it is the culprit, whether or not what was
    saved has been overwritten since.  The same holds for what was computed once, before the loop, from weights that a
    step of the loop has changed.  Two backwards through the graph of one round are another mistake: nothing of them is
    told here.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from fixinplace.repair.base import Files, Scene
from fixinplace.repair.code import same_file
from fixinplace.repair.steps.carried import kept_states
from fixinplace.repair.steps.inner import inner_states
from fixinplace.repair.steps.paths import path
from fixinplace.repair.steps.situation import situation
from fixinplace.repair.wording import place_in
from fixinplace.trace.events import Offence, Place
from fixinplace.verify.jobs import Failure


def carried(offences: Sequence[Offence], failure: Failure, files: Files) -> list[Offence]:
    """Of the offences of a run with all graphs kept, those of a carried state; failure: how it ended without.

    A run that got past the backward that fails may meet a state of which that one knows nothing.
    """
    here = [each for each in offences if _is_at(each.needed, failure)]
    found = [each for each in here if each.rule == "FIP207"]
    overwritten = [each for each in found if each.found_version != each.saved_version]
    if found:
        return [_kept(each, failure.message, files) for each in overwritten or found]
    return [one for each in here if (one := _made_before(each, failure.message, files)) is not None]


def _made_before(offence: Offence, message: str, files: Files) -> Offence | None:
    """A step's offence whose tensor was saved before the loop, by what all rounds read; see Note [Freed graphs]."""
    found = situation(Scene(offence, files)) if offence.rule == "FIP201" else None
    made = None if found is None else found.frame.save
    if found is None or made is None or found.loop is None or any(each is made for each in ast.walk(found.loop)):
        return None
    target = made.targets[0] if isinstance(made, ast.Assign) and len(made.targets) == 1 else None
    if target is None or (state := path(target)) is None:
        return None
    note = "torch frees a graph at its backward; this one was made before the loop, and a second round goes on into it"
    keeper = place_in(found.code, made)
    return replace(offence, rule="FIP207", message=message, note=note, keeper=keeper, state=state, silent=False)


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
