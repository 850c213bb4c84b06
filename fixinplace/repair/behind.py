"""What is left of a search for writes behind autograd: those whose gradient the program would change.

Note [Data that is differentiated]
    `h.data *= keep` behind what has kept `h`: the saved value is spoiled, and the gradient passes the product by.  A
    copy for the one who keeps `h` cures the first alone, and who wrote the line hardly meant the second.  So where the
    write is one to all of a tensor that was computed, with a derivative, it is tried out of place first.  Its reference
    is the original's derivative in forward mode that follows such writes; the report names the convention, and what the
    other one would be.

See Note [Behind autograd].  A write that changes no gradient when it is tracked (a mask before a softmax) is harmless.
"""

from __future__ import annotations

from dataclasses import replace

from fixinplace.model import Verdict
from fixinplace.repair.found import Found

NAME = "behind-data"
DIFFERENTIATED = "data-differentiated"
_TELLS = ("gradient-differs", "gradient-missing", "forward-differs", "state-differs")


def telling(found: Found) -> Found | None:
    """The culprits with a choice that gives other gradients than the program does; None if there is none."""
    real = tuple(one for one in found.choices if one.ruling.verdict is Verdict.REFUTED and one.ruling.reason in _TELLS)
    proposed = [proposal for one in real for proposal in one.attempt.proposals]
    culprits = tuple(each for each in found.culprits if any(p in proposed for p in each.proposals))
    return replace(found, culprits=culprits, open=culprits, choices=real, best=None) if culprits else None
