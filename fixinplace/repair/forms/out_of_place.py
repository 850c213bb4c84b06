"""The write itself out of place, as `fix` would write it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.model import Fix
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.ran import fix_at
from fixinplace.trace.events import Write

_NOT_OURS = ("FIP201", "FIP207", "FIP208", "FIP210", "FIP211", "FIP212", "FIP304", "FIP305", "FIP306", "FIP307")
"""Rules whose write is right as it is: an optimizer's step, a buffer's update."""
_LAST_RESORT = "clone-first"


def propose(scene: Scene) -> Iterator[Proposal]:
    """The first write after the save, then all of the chain: later ones hit fresh memory once the first is gone."""
    offence = scene.offence
    if offence.rule in _NOT_OURS:
        return
    made: list[tuple[str, Fix]] = []
    for write in offence.writes:
        for code, node in _places(scene, write):
            outcome = fix_at(code, node)
            if isinstance(outcome, Fix) and (code.path, outcome) not in made:
                made.append((code.path, outcome))
                yield _proposal([made[-1]])
    if len(made) > 1:
        yield _proposal(made, 5)


def _proposal(made: list[tuple[str, Fix]], later: int = 0) -> Proposal:
    files: dict[str, list[Fix]] = {}
    for path, fix in made:
        files.setdefault(path, []).append(fix)
    changes = tuple(Change(path, tuple(edit for fix in fixes for edit in fix.edits)) for path, fixes in files.items())
    titles = "; ".join(dict.fromkeys(fix.title for _, fix in made))
    rank = 40 if any(fix.rewrite == _LAST_RESORT for _, fix in made) else 10
    return Proposal("out-of-place", Tier.PATCH, titles, changes, rank=rank + later)


def _places(scene: Scene, write: Write) -> Iterator[tuple[Code, ast.expr | ast.stmt]]:
    """Where the write can be edited: where its module was built, else the innermost line of the user's own."""
    for place in dict.fromkeys((write.origin, write.place)):
        if (spot := scene.node(place)) is not None:
            yield spot


REPAIR = Repair(
    name="out-of-place",
    what="Rewrites the first in-place write after the save out of place: `h += skip` becomes `h = h + skip`.",
    why="The tensor that autograd has saved keeps its value; the name gets a new tensor.",
    propose=propose,
)
