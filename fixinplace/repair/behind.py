"""What is left of a search for writes behind autograd: those whose gradient the program would change.

Note [Data that is differentiated]
    `h.data *= keep` behind what has kept `h`: the saved value is spoiled, and the gradient passes the product by.  A
    copy for the one who keeps `h` cures the first alone, and who wrote the line hardly meant the second.  So where the
    write is one to all of a tensor that was computed, with a derivative, it is tried out of place first.  Its reference
    is the original's derivative in forward mode that follows such writes; the report names the convention, and what the
    other one would be.

Note [Behind autograd, beside another culprit]
    A program that dies of one write may have another one that no backward knows: `h.data.clamp_(max=1)` before anybody
    has kept `h`.  With the first one repaired it runs, and its gradients are right by a convention that its author
    perhaps never thought of.  So the patch is offered with that line differentiated, and with it as it is; not where
    the write rounds, or copies something else in, which is how a straight-through gradient is written.

See Note [Behind autograd].  A write that changes no gradient when it is tracked (a mask before a softmax) is harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fixinplace.model import Verdict
from fixinplace.repair.base import Proposal, Tier
from fixinplace.repair.found import Culprit, Found, Tried
from fixinplace.trace.events import Offence

NAME = "behind-data"
_STRAIGHT_THROUGH = frozenset("round_ floor_ ceil_ trunc_ fix_ sign_ sgn_ heaviside_ copy_ set_ data".split())
_STAYS = "The gradient passes that line by, as if it did nothing, which is how a straight-through gradient is written."
_TELLS = ("gradient-differs", "gradient-missing", "forward-differs", "state-differs")


def differentiable(behind: Iterable[Offence]) -> list[Offence]:
    """The writes behind autograd that may as well be meant with their derivative."""
    found = (each for each in behind if each.rule == "FIP308" and each.writes)
    return [each for each in found if not {write.op for write in each.writes} & _STRAIGHT_THROUGH]


def beside(found: Found, hidden: Sequence[Culprit], choices: Sequence[Tried]) -> Found:
    """A repair with what else it may mean: see Note [Behind autograd, beside another culprit]."""
    seen = telling(replace(found, culprits=tuple(hidden), choices=tuple(choices)))
    if seen is None or found.best is None:
        return found
    places = (each.offences[0].writes[0].place for each in seen.culprits)
    lines = " and ".join(f"`{place.text}`" for place in places if place is not None)
    stays = Proposal(NAME, Tier.CHOOSE, f"{lines} left as it is", (), _STAYS, kind=f"{NAME} stays")
    attempt = replace(found.best.attempt, proposals=(*found.best.attempt.proposals, stays))
    both = (*seen.choices, replace(found.best, attempt=attempt))
    return replace(found, culprits=(*found.culprits, *seen.culprits), open=seen.culprits, choices=both, best=None)


def telling(found: Found) -> Found | None:
    """The culprits with a choice that gives other gradients than the program does; None if there is none."""
    real = tuple(one for one in found.choices if one.ruling.verdict is Verdict.REFUTED and one.ruling.reason in _TELLS)
    proposed = [proposal for one in real for proposal in one.attempt.proposals]
    culprits = tuple(each for each in found.culprits if any(p in proposed for p in each.proposals))
    return replace(found, culprits=culprits, open=culprits, choices=real, best=None) if culprits else None
