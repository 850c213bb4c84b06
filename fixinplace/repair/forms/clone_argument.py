"""A copy where a function is called: what it saves is what its caller overwrites later."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair import copying
from fixinplace.repair.base import Proposal, Repair, Scene

_NAME = "clone-argument"
_LEVELS = 4


def propose(scene: Scene) -> Iterator[Proposal]:
    """The arguments that share the written memory, call by call outwards from the line that saved."""
    save = scene.offence.save
    if save is None or not copying.helps(scene):
        return
    rank = copying.rank(scene) + 3
    calls = [spot for place in save.stack if place != save.place and (spot := scene.node(place)) is not None]
    for level, spot in enumerate(calls[:_LEVELS]):
        if not isinstance(spot[1], ast.Call):
            continue
        values = [*spot[1].args, *(keyword.value for keyword in spot[1].keywords)]
        given = [branch for each in values for branch in copying.branches(each)]
        found = [
            each
            for each in copying.sharing(scene, spot[0], spot[1])
            if each in given and not copying.only_holds(scene, each)
        ]
        for argument in found:
            yield copying.copied(_NAME, spot[0], [argument], rank + 2 * level)
        if len(found) > 1:
            yield copying.copied(_NAME, spot[0], found, rank + 2 * level + 1)


REPAIR = Repair(
    name=_NAME,
    what="Clones the argument where the function that keeps it is called: `f(s[:, 0])` becomes `f(s[:, 0].clone())`.",
    why="The function keeps its argument for backward, and its caller goes on writing into the storage behind it.",
    propose=propose,
)
