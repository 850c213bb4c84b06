"""What may keep a tensor that a fix is about: whether made inputs came by it; see Note [Kept in a branch]."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fixinplace.inputs.elsewhere import SETS, set_elsewhere
from fixinplace.inputs.handing import handing_on, in_doubt, reachable
from fixinplace.inputs.units import Home
from fixinplace.inputs.untold import untold
from fixinplace.model import Fix, Keeper
from fixinplace.source import Text

if TYPE_CHECKING:
    from fixinplace.verify.jobs import Found, Region


class Watched:
    """The keepers of some fixes, as regions that a search looks for as well; the first one has the index `first`."""

    def __init__(self, fixes: Sequence[Fix], first: int) -> None:
        self._fixes = fixes
        self._first = first
        self._of: dict[tuple[str, int], tuple[Keeper, ...]] = {}
        self._index: dict[Keeper, int] = {}
        self.regions: tuple[Region, ...] = ()

    def at(self, part: Text, tree: ast.Module, found: Sequence[Home], of_group: Mapping[int, set[int]]) -> list[Home]:
        """The homes, each with the keepers of what is edited there."""
        for home in found:
            around = set_elsewhere(tree, part, reachable(tree, home.name))
            shared = (*handing_on(tree, part, home.name), *around)
            for fix in self._fixes:
                if of_group.get(fix.group, set()) & {*home.spans}:
                    self._of[home.name, fix.group] = (*fix.keepers, *(shared if in_doubt(fix) else ()))
        for keeper in (each for keepers in self._of.values() for each in keepers):
            self._note(keeper)
        return [dataclasses.replace(home, spans=(*home.spans, *self._wanted(home))) for home in found]

    def _note(self, keeper: Keeper) -> None:
        from fixinplace.verify.jobs import Region

        region = Region(keeper.at.start, keeper.at.end, 0)
        if region not in self.regions:
            self.regions += (region,)
        self._index[keeper] = self._first + self.regions.index(region)

    def _wanted(self, home: Home) -> list[int]:
        keepers = (each for (name, _), some in self._of.items() if name == home.name for each in some if not each.mute)
        return list(dict.fromkeys(self._index[each] for each in keepers))

    def unsettled(self, part: Text, found: Sequence[Found]) -> dict[int, str]:
        """Groups with a keeper that says nothing in the runs of a class or function that the group edits.

        And those with a doubt that such runs leave, see Note [One use of many].
        """
        reached = {each.unit: frozenset(each.reached) for each in found}
        told: dict[int, str] = {}
        for (name, group), keepers in self._of.items():
            for each in keepers:
                if each.mute or self._index[each] not in reached.get(name, frozenset()):
                    told.setdefault(group, _sentence(part, each))
        return untold(self._fixes, ast.parse(part.text)) | told


def _sentence(part: Text, keeper: Keeper) -> str:
    does = _DOES.get(keeper.doubt, "may keep the tensor")
    why = _MISSED if not keeper.mute else _CHOSEN if keeper.doubt in _DOES else _MUTE
    return f"`{keeper.text}` in line {part.position(keeper.at.start)[0]} {does}, and {why}"


_DOES = {"": "hands on what it is given", SETS: "may set a part that hands on what it is given"}
_MUTE = "no made input tells: what it calls may have been passed in"
_CHOSEN = "no made input tells: it is chosen elsewhere"
_MISSED = "no made input comes by it"
