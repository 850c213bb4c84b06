"""Where `inplace` flags are set, and which instances an edit of such a place switches off."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from fixinplace.repair.base import Proposal, Scene
from fixinplace.repair.code import Code
from fixinplace.trace.events import Offence, Place, Write

INSTANCE = "instance-off"
_LINES = 2
_SOONER, _LATER, _SHOWN = 7, 2, 4


def set_later(scene: Scene, write: Write) -> Iterator[tuple[Code, ast.Assign]]:
    """`m.inplace = True` in the files that the write has passed through."""
    seen: set[str] = set()
    for place in (write.built, *write.stack, write.place):
        code = scene.files(place.file) if isinstance(place, Place) else None
        if code is None or code.path in seen:
            continue
        seen.add(code.path)
        for node in ast.walk(code.tree):
            match node:
                case ast.Assign(targets=[ast.Attribute(attr="inplace")], value=value) if not is_false(value):
                    yield code, node


def is_false(node: ast.expr) -> bool:
    """True for the literal."""
    return isinstance(node, ast.Constant) and node.value is False


def weighed(proposals: Iterable[Proposal], offences: Sequence[Offence]) -> Iterator[Proposal]:
    """A culprit's proposals, where several instances of a module are concerned.

    All guilty instances are switched off together, and before an edit that would switch off harmless ones as well, as
    long as that takes a line or two: in the class that holds them, or in one around that, where it holds others too.
    What an edit switches off without need is its caveat.
    """
    guilty = {each.writes[0].instances.path for each in offences if each.writes} - {""}
    single: dict[int, dict[object, Proposal]] = {}  # by rank: edits of packages are kept apart
    spare = False
    for each in proposals:
        if each.repair == INSTANCE:
            single.setdefault(each.rank, {}).setdefault(each.changes, each)
            continue
        harmless = [path for path in each.covers if path and path not in guilty]
        spare = spare or bool(harmless)
        yield _told(each, harmless)
    order = [path for each in offences for write in each.writes[:1] for path in write.instances.flagged]
    for some in single.values():
        if len(some) <= _LINES:
            yield _joined(sorted(some.values(), key=lambda each: _index(order, each)), guilty, spare)


def _index(order: Sequence[str], proposal: Proposal) -> int:
    return next((n for n, path in enumerate(order) if path in proposal.covers), len(order))


def _joined(some: Sequence[Proposal], guilty: set[str], spare: bool) -> Proposal:
    covers = tuple(dict.fromkeys(path for each in some for path in each.covers))
    changes = tuple(change for each in some for change in each.changes)
    title = " and ".join(each.title for each in some)
    harmless = [path for path in covers if path and path not in guilty]
    rank = some[0].rank - (_SOONER if spare else 0) + (_LATER if harmless else 0)
    return _told(replace(some[0], title=title, changes=changes, covers=covers, rank=rank), harmless)


def _told(proposal: Proposal, harmless: Sequence[str]) -> Proposal:
    if not harmless:
        return proposal
    count = "1 instance that does" if len(harmless) == 1 else f"{len(harmless)} instances that do"
    more = f" and {len(harmless) - _SHOWN} more" if len(harmless) > _SHOWN else ""
    caveat = f"also off for {count} no harm in this run: {', '.join(harmless[:_SHOWN])}{more}"
    return replace(proposal, caveats=(*proposal.caveats, caveat))
