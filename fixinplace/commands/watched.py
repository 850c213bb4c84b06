"""What may keep a tensor that a fix is about: whether made inputs came by it; see Note [Kept in a branch]."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fixinplace.inputs.units import Home
from fixinplace.model import Fix, Keeper
from fixinplace.source import Text

if TYPE_CHECKING:
    from fixinplace.verify.jobs import Found, Region


class Watched:
    """The keepers of some fixes, as regions that a search looks for as well; the first one has the index `first`."""

    def __init__(self, fixes: Sequence[Fix], first: int) -> None:
        from fixinplace.verify.jobs import Region

        self._of_group = {fix.group: fix.keepers for fix in fixes}
        self._index: dict[Keeper, int] = {}
        self.regions: tuple[Region, ...] = ()
        for keeper in (each for fix in fixes for each in fix.keepers):
            region = Region(keeper.at.start, keeper.at.end, 0)
            if region not in self.regions:
                self.regions += (region,)
            self._index[keeper] = first + self.regions.index(region)

    def at(self, found: Sequence[Home], of_group: Mapping[int, set[int]]) -> list[Home]:
        """The homes, each with the keepers of what is edited there."""
        self._homes = {home.name: [group for group, at in of_group.items() if at & {*home.spans}] for home in found}
        return [dataclasses.replace(home, spans=(*home.spans, *self._wanted(home))) for home in found]

    def _wanted(self, home: Home) -> list[int]:
        keepers = (each for group in self._homes[home.name] for each in self._of_group[group] if not each.mute)
        return list(dict.fromkeys(self._index[each] for each in keepers))

    def unsettled(self, part: Text, found_homes: Sequence[Home], found: Sequence[Found]) -> dict[int, str]:
        """Groups with a keeper that says nothing in the runs of a class or function that the group edits."""
        reached = {each.unit: frozenset(each.reached) for each in found}
        told: dict[int, str] = {}
        for home in found_homes:
            for group in self._homes[home.name]:
                for each in self._of_group[group]:
                    if each.mute or self._index[each] not in reached.get(home.name, frozenset()):
                        told.setdefault(group, _sentence(part, each))
        return told


def _sentence(part: Text, keeper: Keeper) -> str:
    what = f"`{keeper.text}` in line {part.position(keeper.at.start)[0]} may keep the tensor"
    return f"{what}, and {_MUTE if keeper.mute else _MISSED}"


_MUTE = "no made input tells: what it calls may have been passed in"
_MISSED = "no made input comes by it"
