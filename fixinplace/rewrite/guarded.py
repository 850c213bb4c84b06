"""Sums and products of what may have different dtypes, with `--verify off`: `x += y` as `x = (x + y).to(x.dtype)`.

Note [Guarded sums]
    Where a file converts dtypes somewhere, `x = x + y` may promote what `x += y` keeps, and only a run tells.  The cast
    settles it: of one dtype it returns its very argument, and of two it rounds where the in-place form does, so that
    values and dtypes are those of today whatever meets.  Of one dtype so are the gradients, and of two those of a sum
    to whose operand none flows.  Any other gradient passes through the wider dtype in one form and the narrower one in
    the other: where it is summed for a broadcast operand, or multiplied by a factor, it may be rounded otherwise, which
    is said.  A run proves the shorter form.  A number has no dtype: `total = 0` must not be what is summed up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fixinplace.model import Certainty, Found, Place
from fixinplace.rewrite.conditions import GUARDED, PROMOTES, ROUNDED

_SUMS = frozenset(f"Tensor.{name}" for name in ("__iadd__", "__isub__", "add_", "sub_"))
_PRODUCTS = frozenset(f"Tensor.{name}" for name in ("__imul__", "__itruediv__", "mul_", "div_"))


def guarded(found: Sequence[Found]) -> list[Found]:
    """The sites, those with the cast of Note [Guarded sums] for which only a dtype is in doubt."""
    return [_cast(one) if _is_doubted(one) else one for one in found]


def _is_doubted(one: Found) -> bool:
    facts = one.facts
    certain = one.site.certainty is not Certainty.GUESSED and facts.tracked is True and not facts.summed
    doubted = bool(facts.doubts) and all(doubt.endswith(PROMOTES) for doubt in facts.doubts)
    plain = one.site.op in _SUMS | _PRODUCTS and facts.place is Place.NAME
    return plain and certain and not facts.parameter and (doubted or (facts.mixed and not facts.doubts))


def _cast(one: Found) -> Found:
    exact = one.site.op in _SUMS and not one.facts.flows
    assumes = [why for why in one.facts.assumes if why != "one dtype"]
    facts = replace(one.facts, mixed=True, doubts=(), assumes=(*assumes, GUARDED if exact else ROUNDED))
    return replace(one, facts=facts)
