"""What a search is about and what it came to: culprits, attempts with their rulings, and which was the nearest.

Note [Meant otherwise]
    A write that torch refuses has no run to compare with but the derivative of what it would compute.  A parameter that
    is set to what another part of the model gives may as well be meant as an update without gradients, and a buffer
    that `out=` fills as memory that nobody looks at.  A patch of which only the gradients are not those of the
    derivative is such a meaning: where nothing else is left, it is a choice.

Note [Half a repair]
    A write that no version tells may spoil what two forwards have saved.  A choice that computes one of them again
    behind the write runs to its end, with gradients that belong to no weights: it is traced, and dropped if the write
    still spoils something.  What torch notices raises by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fixinplace.model import Ruling, Verdict
from fixinplace.repair.base import Proposal, Tier
from fixinplace.repair.patching import Attempt
from fixinplace.trace.events import Offence
from fixinplace.verify import standing


@dataclass(frozen=True)
class Tried:
    """Something that was run: what was proposed, and what came of it."""

    attempt: Attempt
    ruling: Ruling


@dataclass(frozen=True)
class Culprit:
    """All offences with the same first write, and what may be done about them, best first."""

    offences: tuple[Offence, ...]
    proposals: tuple[Proposal, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two offences the same culprit's."""
        return key(self.offences[0])

    def of(self, tier: Tier) -> list[Proposal]:
        """Proposals of one tier."""
        return [proposal for proposal in self.proposals if proposal.tier is tier]


@dataclass(frozen=True)
class Found:
    """What a search came to.

    best: the attempt that is proved, or the one that came nearest. open: culprits for which nothing was right.
    choices: for culprits with several meanings, each proposal together with the patch of all else, and its ruling.
    stopped: why the search ended early.
    """

    culprits: tuple[Culprit, ...]
    best: Tried | None = None
    tried: tuple[Tried, ...] = ()
    open: tuple[Culprit, ...] = ()
    choices: tuple[Tried, ...] = ()
    stopped: str = ""

    @property
    def proved(self) -> bool:
        """True if the best attempt is proved and leaves no culprit."""
        return self.best is not None and self.best.ruling.verdict is Verdict.PROVED and not self.open


def is_silent(culprit: Culprit) -> bool:
    """True if torch raises nothing for what a culprit has written."""
    return any(each.silent for each in culprit.offences)


def meanings(culprit: Culprit, tried: Sequence[Tried]) -> list[Proposal]:
    """The choices that a culprit leaves, with what its patches may be meant as: see Note [Meant otherwise]."""
    alone = {each.attempt.proposals[0]: each.ruling.reason for each in tried if len(each.attempt.proposals) == 1}
    others = [each for each in culprit.of(Tier.PATCH) if each.otherwise and alone.get(each) in _GRADIENTS]
    meant = [replace(each, tier=Tier.CHOOSE, meaning=each.otherwise) for each in others]
    return sorted([*culprit.of(Tier.CHOOSE), *meant], key=lambda each: each.rank)


_GRADIENTS = ("gradient-differs", "gradient-missing")


def is_nearer(one: Tried, other: Tried) -> bool:
    """True if an attempt came nearer to a proof than another, or tells more: what is refuted is the furthest."""
    return _nearness(one.ruling) >= _nearness(other.ruling)


def _nearness(ruling: Ruling) -> tuple[int, bool]:
    order = (Verdict.REFUTED, Verdict.UNPROVED, Verdict.PROVED)
    return order.index(ruling.verdict), ruling.sentence.startswith(standing.RIGHT)


def is_near(tried: Tried) -> bool:
    """False for what was refuted, and for an edit that did not run."""
    return tried.ruling.verdict is not Verdict.REFUTED and tried.ruling.reason != "not-reached"


def key(offence: Offence) -> tuple[object, ...]:
    """The place that is to blame: where the first write is edited, or the save where no write was seen.

    What torch refuses to write and what spoils a saved value are two culprits of one line: each wants its own repair.
    """
    first = offence.writes[0] if offence.writes else None
    place = first.origin if first is not None else None
    place = place or (offence.save.place if offence.save is not None else None) or offence.needed
    if place is None:
        return (offence.rule, None)
    return (place.file, place.line, place.column, place.end_column, offence.save is None)
