"""Stores that follow one another share a clone.

Note [One clone for several stores]
    `x[0] = a` and `x[1] = b` each need a clone of `x` before them, unless nothing can have kept `x` since the clone
    before the first: then the second store is finished code as soon as the first is.  That is so if both stand in
    one block, what stands between does not mention `x`, and the stores themselves compute nothing with it.
    A store keeps nothing; of the operators, `x[0] += a`, `-=`, `*=` and `/=` keep at most a copy.

Note [Put back once]
    `half *= s` and `half += t` each put the new half back into the tensor that it is a part of, and make the others
    anew.  If the two follow one another in one block, and what stands between reads and binds nobody of the family but
    the half itself and parts that have no element in common with it, the second one is enough.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from fixinplace.detect.apart import disjoint
from fixinplace.model import Span
from fixinplace.rewrite.compose import Composed
from fixinplace.rewrite.reads import mentions, stores
from fixinplace.rewrite.setting import Compound, Setting
from fixinplace.source import Text

_STORES = ("add_", "sub_", "mul_", "div_", "copy_", "fill_", "zero_", "clamp_")
_KEEP_NOTHING = ast.Add | ast.Sub | ast.Mult | ast.Div


def shared(part: Text, table: Mapping[Span, Setting], composed: Mapping[Span, Composed]) -> dict[Span, Span]:
    """For statements whose clone is not needed, the earlier statement whose clone serves them too."""
    result: dict[Span, Span] = {}
    for span in sorted(composed, key=lambda span: span.start):
        names = composed[span].clones
        if len(names) == 1 and len(composed[span].lines) == 2 and only_stores(table[span].node, names[0]):
            earlier = _earlier(part, table[span], names[0], composed)
            if earlier is not None:
                result[span] = result.get(earlier, earlier)
    return result


def deferred(part: Text, table: Mapping[Span, Setting], composed: Mapping[Span, Composed]) -> dict[Span, Span]:
    """For statements that need not put back what they write, the next one that does; see Note [Put back once]."""
    result: dict[Span, Span] = {}
    for span, one in composed.items():
        later = _putting_later(part, table[span], one, composed) if one.after and len(one.steps) == 1 else None
        if later is not None:
            result[span] = later
    return result


def _putting_later(part: Text, setting: Setting, one: Composed, composed: Mapping[Span, Composed]) -> Span | None:
    case = one.steps[0].case
    own = next((h for h in case.facts.family if h.name == case.target), None)
    if own is None:
        return None
    overlapping = [h.name for h in case.facts.family if h is not own and not disjoint(h.steps, own.steps)]
    for node in setting.block[setting.index + 1 :]:
        span = part.span(node)
        if isinstance(node, Compound) or any(mentions(name, node) or stores(name, node) for name in overlapping):
            return None
        next_one = composed.get(span)
        if next_one is not None and next_one.after and len(next_one.steps) == 1:
            other = next_one.steps[0].case
            same = [(h.name, h.steps) for h in other.facts.family] == [(h.name, h.steps) for h in case.facts.family]
            return span if same and other.target == case.target else None
        if next_one is not None and any(step.case.facts.family for step in next_one.steps):
            return None  # it clones what the others are made from
        if any(stores(h.name, node) for h in case.facts.family) and next_one is None:
            return None
    return None


def _earlier(part: Text, setting: Setting, name: str, composed: Mapping[Span, Composed]) -> Span | None:
    """The nearest statement before that clones `name`, if nothing in between, nor itself, can have kept the clone."""
    for node in reversed(setting.block[: setting.index]):
        span = part.span(node)
        if span in composed and name in composed[span].clones:
            return span if only_stores(node, name) else None
        if isinstance(node, Compound) or mentions(name, node) or stores(name, node):
            return None
    return None


def only_stores(node: ast.AST, name: str) -> bool:
    """True if the statement stores into `name` through indices that do not read it, and keeps nothing of it."""
    match node:
        case ast.Assign(targets=[ast.Subscript() as target]):
            return not any(mentions(name, index) for index in _indices(target))
        case ast.AugAssign(target=ast.Subscript() as target, op=operator):
            plain = not any(mentions(name, index) for index in _indices(target))
            return plain and isinstance(operator, _KEEP_NOTHING)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Subscript() as part, attr=attr)) as call):
            given = [*call.args, *(word.value for word in call.keywords), *_indices(part)]
            return attr in _STORES and not any(mentions(name, one) for one in given)
    return False


def _indices(target: ast.expr) -> list[ast.expr]:
    return [target.slice, *_indices(target.value)] if isinstance(target, ast.Subscript) else []
