"""`inplace` switched off where no out-of-place form of the construction was found: flags set later, or computed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair import kept
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.steps.flags import is_false, set_later
from fixinplace.trace.events import Write


def propose(scene: Scene) -> Iterator[Proposal]:
    """The flag in the call that wrote or in the call that built the module; else where `.inplace` is set."""
    offence = scene.offence
    for write in offence.writes[:1]:
        places = [place for place in dict.fromkeys((write.origin, write.place)) if place is not None]
        spots = [spot for place in places if (spot := scene.node(place)) is not None]
        for code, node in spots:
            if isinstance(node, ast.Call):
                yield from _in_call(code, node, write)
        if write.origin != write.place:
            yield from _set_later(scene, write)


def _in_call(code: Code, node: ast.Call, write: Write) -> Iterator[Proposal]:
    keeper = kept.keeper(write, code, node)
    for keyword in node.keywords:
        if keyword.arg == "inplace" and not is_false(keyword.value):
            if kept.is_object(keeper) and write.origin == write.place:
                continue
            edits = (code.replace(keyword.value, "False"),)
            title = f"`inplace=False` in `{' '.join(code.source_of(node).split())}`"
            yield Proposal(
                "flag-off",
                Tier.PATCH,
                title,
                (Change(code.path, edits),),
                rank=12 if keeper is None else 34,
                covers=write.instances.twins,
                caveats=kept.told(keeper),
            )


def _set_later(scene: Scene, write: Write) -> Iterator[Proposal]:
    for code, node in set_later(scene, write):
        edits = (code.replace(node.value, "False"),)
        title = f"`{code.source_of(node)}` switched off"
        changes = (Change(code.path, edits),)
        covers = write.instances.flagged if _is_of_many(code, node) else ()
        yield Proposal("flag-off", Tier.PATCH, title, changes, rank=13, covers=covers)


def _is_of_many(code: Code, node: ast.Assign) -> bool:
    """True where a loop or a function sets the flag of whatever it is given."""
    target = node.targets[0]
    name = target.value.id if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) else ""
    function = code.function(node)
    given = [] if function is None else [each.arg for each in function.args.args]
    return bool(name) and (code.loop(node) is not None or name in given)


REPAIR = Repair(
    name="flag-off",
    what="Switches `inplace` off in the call that wrote, or where the attribute is set after construction.",
    why="The module overwrites what its caller passes in, and the operation before it has kept that tensor.",
    propose=propose,
)
