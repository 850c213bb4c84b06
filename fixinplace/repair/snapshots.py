"""One tensor under several entries of a list: a patch that leaves it so, and one by which each entry keeps its value.

Note [One tensor, several entries]
    `self.history.append(self.pos)` in every step, and `self.pos += delta`: all entries are one tensor and show what was
    written last.  A clone where the old value is needed keeps that, and every value that the program computes with it.
    Who appends in every step mostly means what was there at that time; then the write goes out of place, and the values
    change.  Where a list holds a written tensor more than once, and the two are not the same, both are offered.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from fixinplace.model import Fix, Verdict
from fixinplace.repair.base import Change, Files, Proposal, Scene, Tier
from fixinplace.repair.found import Culprit, Found, Tried
from fixinplace.repair.ran import fix_at

NAME = "several-entries"
_ENTRY = re.compile(r"(.+)\[\d+\]")
_VALUES = ("forward-differs", "state-differs", "gradient-differs")
_ONE = (
    "`{}` holds one tensor {} times, and every entry shows what was written last: all values stay what they are today."
)
_EACH = "Every entry of `{}` keeps the value that it was stored with, and what is computed of them changes."
With = Callable[[Tried, Proposal, tuple[Proposal, ...]], Tried | None]
"""Judges an attempt with one more proposal, and without others."""


def beside(found: Found, files: Files, judged: With) -> Found:
    """A proved repair with what else it may mean; see Note [One tensor, several entries]."""
    if not found.proved or found.best is None:
        return found
    best = found.best
    for culprit in found.culprits:
        name, count = _several(culprit)
        mine = tuple(each for each in best.attempt.proposals if each in culprit.proposals)
        apart = _apart(culprit, name, files) if count > 1 and mine else None
        tried = judged(best, apart, mine) if apart is not None else None
        if tried is not None and tried.ruling.verdict is Verdict.REFUTED and tried.ruling.reason in _VALUES:
            stays = Proposal(NAME, Tier.CHOOSE, f"`{name}` left as it is", (), _ONE.format(name, count), kind=NAME)
            today = replace(best, attempt=replace(best.attempt, proposals=(*best.attempt.proposals, stays)))
            return replace(found, best=None, open=(culprit,), choices=(today, tried))
    return found


def _apart(culprit: Culprit, name: str, files: Files) -> Proposal | None:
    """The first write out of place, as `fix` would write it; None where that cannot be written."""
    scene = Scene(culprit.offences[0], files)
    write = next(iter(scene.offence.writes), None)
    spot = None if write is None else scene.node(write.place)
    outcome = None if write is None or spot is None else fix_at(*spot, write)
    if spot is None or outcome is None or not isinstance(outcome.fix, Fix):
        return None
    changes = (Change(spot[0].path, outcome.fix.edits),)
    return Proposal(NAME, Tier.CHOOSE, outcome.fix.title, changes, _EACH.format(name), kind=NAME)


def _several(culprit: Culprit) -> tuple[str, int]:
    """The list that holds the written tensor most often, and how often."""
    most = ("", 0)
    for write in (write for offence in culprit.offences for write in offence.writes):
        held = Counter(entry[1] for name in write.names if (entry := _ENTRY.fullmatch(name)) is not None)
        most = max([most, *held.items()], key=lambda each: each[1])
    return most
