"""`inplace` switched off where no out-of-place form of the construction was found: flags set later, or computed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.trace.events import Place, Write


def propose(scene: Scene) -> Iterator[Proposal]:
    """The flag in the call that wrote or in the call that built the module; else where `.inplace` is set."""
    offence = scene.offence
    for write in offence.writes[:1]:
        places = [place for place in dict.fromkeys((write.origin, write.place)) if place is not None]
        spots = [spot for place in places if (spot := scene.node(place)) is not None]
        for code, node in spots:
            if isinstance(node, ast.Call):
                yield from _in_call(code, node)
        if write.origin != write.place:
            yield from _set_later(scene, write)


def _in_call(code: Code, node: ast.Call) -> Iterator[Proposal]:
    for keyword in node.keywords:
        if keyword.arg == "inplace" and not _is_false(keyword.value):
            edits = (code.replace(keyword.value, "False"),)
            title = f"`inplace=False` in `{' '.join(code.source_of(node).split())}`"
            yield Proposal("flag-off", Tier.PATCH, title, (Change(code.path, edits),), rank=12)


def _set_later(scene: Scene, write: Write) -> Iterator[Proposal]:
    """`m.inplace = True` in the files that the write has passed through."""
    seen: set[str] = set()
    for place in (write.built, *write.stack, write.place):
        code = scene.files(place.file) if isinstance(place, Place) else None
        if code is None or code.path in seen:
            continue
        seen.add(code.path)
        for node in ast.walk(code.tree):
            match node:
                case ast.Assign(targets=[ast.Attribute(attr="inplace")], value=value) if not _is_false(value):
                    edits = (code.replace(value, "False"),)
                    title = f"`{code.source_of(node)}` switched off"
                    yield Proposal("flag-off", Tier.PATCH, title, (Change(code.path, edits),), rank=13)


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


REPAIR = Repair(
    name="flag-off",
    what="Switches `inplace` off in the call that wrote, or where the attribute is set after construction.",
    why="The module overwrites what its caller passes in, and the operation before it has kept that tensor.",
    propose=propose,
)
