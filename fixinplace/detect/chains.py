"""In which orders the modules of a list may stand.

Note [Chains]
    `layers.append(conv)` in a loop, a branch that leaves a norm out, `rep = rep[1:]`: where each part of a `Sequential`
    stands depends on the run, but not what may stand before it.  A chain is all lists that begin with one of some
    parts, end with one of some, and in which only some follow one another: what two ways have in common, and what
    growing at the end or cutting at the beginning keeps.  Parts that are built by one line are one part here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Part = TypeVar("Part")
_MOST = 48
"""Parts, and pairs of them, in a chain that is followed."""


@dataclass(frozen=True, slots=True)
class Chain(Generic[Part]):
    """See Note [Chains]; empty: the list may have no parts."""

    firsts: frozenset[Part] = frozenset()
    follows: frozenset[tuple[Part, Part]] = frozenset()
    lasts: frozenset[Part] = frozenset()
    empty: bool = True

    @property
    def parts(self) -> frozenset[Part]:
        """All parts that may stand somewhere."""
        return self.firsts | self.lasts | frozenset(part for pair in self.follows for part in pair)

    def before(self, part: Part) -> frozenset[Part]:
        """What may stand right before a part."""
        return frozenset(one for one, other in self.follows if other == part)

    def followed_by(self, other: Chain[Part]) -> Chain[Part] | None:
        """This list with another one behind it; None if it is too much to follow."""
        across = frozenset((one, two) for one in self.lasts for two in other.firsts)
        firsts = self.firsts | (other.firsts if self.empty else frozenset())
        lasts = other.lasts | (self.lasts if other.empty else frozenset())
        return _limited(Chain(firsts, self.follows | other.follows | across, lasts, self.empty and other.empty))

    def joined(self, other: Chain[Part]) -> Chain[Part] | None:
        """What covers both ways."""
        empty = self.empty or other.empty
        firsts, lasts = self.firsts | other.firsts, self.lasts | other.lasts
        return _limited(Chain(firsts, self.follows | other.follows, lasts, empty))

    def tail(self) -> Chain[Part]:
        """`parts[1:]`."""
        firsts = frozenset(two for one, two in self.follows if one in self.firsts)
        return Chain(firsts, self.follows, self.lasts, self.empty or bool(self.firsts & self.lasts))._pruned()

    def beginning(self) -> Chain[Part]:
        """`parts[:n]`, for some n."""
        return Chain(self.firsts, self.follows, self.parts)

    def led_by(self, part: Part) -> Chain[Part] | None:
        """The list after `parts[0] = part`, which an empty list does not take."""
        follows = self.follows | frozenset((part, two) for one, two in self.follows if one in self.firsts)
        lasts = self.lasts | (frozenset((part,)) if self.firsts & self.lasts else frozenset())
        return _limited(Chain(frozenset((part,)), follows, lasts, empty=False)._pruned())

    def _pruned(self) -> Chain[Part]:
        """The same without what no list that begins as these do comes to."""
        reached, found = frozenset[Part](), self.firsts
        while found > reached:
            reached = found
            found = reached | frozenset(two for one, two in self.follows if one in reached)
        follows = frozenset(pair for pair in self.follows if pair[0] in reached)
        return Chain(self.firsts, follows, self.lasts & reached, self.empty)


def chain(parts: Iterable[Part]) -> Chain[Part] | None:
    """The one list that is written down; None if it is too long to follow."""
    found: Chain[Part] | None = Chain()
    for part in parts:
        one = frozenset((part,))
        found = found.followed_by(Chain(one, frozenset(), one, empty=False)) if found is not None else None
    return found


def repeated(part: Part) -> Chain[Part]:
    """Any number of one part."""
    one = frozenset((part,))
    return Chain(one, frozenset(((part, part),)), one)


def joined(a: Chain[Part] | None, b: Chain[Part] | None) -> Chain[Part] | None:
    """What covers both ways, if both are followed."""
    return a.joined(b) if a is not None and b is not None else None


def _limited(found: Chain[Part]) -> Chain[Part] | None:
    return found if len(found.follows) <= _MOST else None
