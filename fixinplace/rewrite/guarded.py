"""Forms that are exact whatever dtypes and strides meet, for `--verify off`: `x += y` as `x = (x + y).to(x.dtype)`.

Note [Guarded sums]
    Where a file converts dtypes somewhere, `x = x + y` may promote what `x += y` keeps, and only a run tells.  The cast
    settles it: of one dtype it returns its very argument, and of two it rounds where the in-place form does, so that
    values and dtypes are those of today whatever meets.  Of one dtype so are the gradients, and of two those of a sum
    to whose operand none flows.  Any other gradient passes through the wider dtype in one form and the narrower one in
    the other: where it is summed for a broadcast operand, or multiplied by a factor, it may be rounded otherwise, which
    is said.  A run proves the shorter form.  A number has no dtype: `total = 0` must not be what is summed up.

Note [The same op on a clone]
    Other ops have no such cast, and the strides of `x.cumsum(0)` may differ from those that `x.cumsum_(0)` leaves as
    they are.  Where that is all that is in doubt, `x = x.clone()` and the op as it stands are exact: a clone has the
    strides of its tensor.  In a loop it would be one more pass in every round, which a copy of all of a tensor is
    anyway: `x = x.clone().copy_(y)`.  Behind such a clone the op is finished: nothing has kept what it overwrites.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import replace

from fixinplace.catalogue import Memory, result
from fixinplace.model import Certainty, Found, Hazard, Place
from fixinplace.rewrite.conditions import GUARDED, PROMOTES, ROUNDED
from fixinplace.rewrite.placed import before
from fixinplace.source import Text

_SUMS = frozenset(f"Tensor.{name}" for name in ("__iadd__", "__isub__", "add_", "sub_"))
_RULES = ("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109", "FIP113")
_COMPARISONS = frozenset(
    f"Tensor.{name}_" for name in "eq ne lt le gt ge not_equal less less_equal greater greater_equal".split()
)
"""In place what they write still requires grad, with a gradient of zeros; what they return does not."""
_PRODUCTS = frozenset(f"Tensor.{name}" for name in ("__imul__", "__itruediv__", "mul_", "div_"))


def guarded(part: Text, found: Sequence[Found]) -> list[Found]:
    """The sites, those for which only a dtype or strides are in doubt with what makes them exact."""
    return [_cast(one) if _is_doubted(one) else _cloned(part, one) if _is_unsure(one) else one for one in found]


def settled(part: Text, found: Sequence[Found]) -> list[Found]:
    """The sites where a run may prove a shorter form; what `guarded` has left behind a clone is finished here too."""
    return [_finished(one) if _is_unsure(one) and _stands_behind_clone(part, one) else one for one in found]


def _is_certain(one: Found) -> bool:
    facts = one.facts
    certain = one.site.certainty is not Certainty.GUESSED and facts.tracked is True and not facts.summed
    return certain and not facts.parameter and not facts.hazards


def _is_unsure(one: Found) -> bool:
    """True where dtypes or strides are all that is in doubt; see Note [The same op on a clone]."""
    facts = one.facts
    plain = one.site.rule in _RULES and facts.place in (Place.NAME, Place.SUBSCRIPT) and not facts.in_loop
    copied = one.site.op == "Tensor.copy_" and facts.place is Place.NAME and facts.in_loop
    open_to_doubt = facts.doubts or facts.relaid or copied or one.site.op in _COMPARISONS
    doubted = all(doubt.endswith(PROMOTES) for doubt in facts.doubts) and bool(open_to_doubt)
    return (plain or copied) and _is_certain(one) and doubted and not (facts.through or facts.each)


def _cloned(part: Text, one: Found) -> Found:
    if one.site.op == "Tensor.copy_" and one.facts.in_loop:
        return replace(one, facts=replace(one.facts, cloned=True, relaid=False))
    if not _stands_behind_clone(part, one):
        return replace(one, facts=replace(one.facts, cloned=True))
    return _finished(one)


def _finished(one: Found) -> Found:
    hazard = Hazard("finished", "the tensor is a clone, and nothing has kept it yet")
    return replace(one, facts=replace(one.facts, hazards=(hazard,)))


def _stands_behind_clone(part: Text, one: Found) -> bool:
    """True if the statements right before the write, in its block, clone the tensor and make views of it anew."""
    names = {one.site.target.partition("[")[0], *(holder.name for holder in one.facts.family)}
    if not any(f"{name}.clone()" in part.text for name in names):
        return False
    for statement in reversed(before(part, one)):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if name in names and part.slice(part.span(value)) == f"{name}.clone()":
                    return True
                if not is_view(value, names):
                    return False
            case _:
                return False
    return False


def is_view(node: ast.expr, names: Collection[str]) -> bool:
    """True for a name, and for a view of it, of which nothing is kept."""
    while not isinstance(node, ast.Name):
        match node:
            case ast.Subscript(value=value) | ast.Attribute(value=value):
                node = value
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=given):
                row = result(f"Tensor.{attr}")
                if row is None or row.memory is not Memory.VIEW:
                    return False
                node = given[0] if isinstance(value, ast.Name) and value.id == "torch" and given else value
            case _:
                return False
    return node.id in names


def _is_doubted(one: Found) -> bool:
    facts = one.facts
    doubted = bool(facts.doubts) and all(doubt.endswith(PROMOTES) for doubt in facts.doubts)
    plain = one.site.op in _SUMS | _PRODUCTS and facts.place is Place.NAME
    return plain and _is_certain(one) and not facts.relaid and (doubted or (facts.mixed and not facts.doubts))


def _cast(one: Found) -> Found:
    exact = one.site.op in _SUMS and not one.facts.flows
    assumes = [why for why in one.facts.assumes if why != "one dtype"]
    facts = replace(one.facts, mixed=True, doubts=(), assumes=(*assumes, GUARDED if exact else ROUNDED))
    return replace(one, facts=facts)
