"""Sums whose operands may have different dtypes, with `--verify off`: `x += y` as `x = (x + y).to(x.dtype)`.

Note [Guarded sums]
    Where a file converts dtypes somewhere, `x = x + y` may promote what `x += y` keeps, and only a run tells.  The cast
    settles it: of one dtype it returns its very argument, and of two it rounds where the in-place form does.  The
    gradient of the target is that of the result in either form.  That of the operand is not: where it was broadcast, it
    is summed before the conversion to its dtype in one form and after it in the other, so that operands to which a
    gradient may flow are left to a run, which proves the shorter form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fixinplace.model import Certainty, Facts, Found
from fixinplace.rewrite.conditions import GUARDED, PROMOTES

_SUMS = ("Tensor.__iadd__", "Tensor.__isub__")


def guarded(found: Sequence[Found]) -> list[Found]:
    """The sites, those with the cast of Note [Guarded sums] for which only a dtype is in doubt."""
    return [replace(one, facts=_cast(one.facts)) if _is_doubted(one) else one for one in found]


def _is_doubted(one: Found) -> bool:
    facts = one.facts
    certain = one.site.certainty is not Certainty.GUESSED and facts.tracked is True and not facts.parameter
    doubted = bool(facts.doubts) and all(doubt.endswith(PROMOTES) for doubt in facts.doubts)
    return one.site.op in _SUMS and certain and not facts.flows and (doubted or (facts.mixed and not facts.doubts))


def _cast(facts: Facts) -> Facts:
    return replace(facts, mixed=True, doubts=(), assumes=(GUARDED,))
