"""Stores into a boolean mask of the target's own shape."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from fixinplace.rewrite.base import Case, Node


@dataclass(frozen=True, slots=True)
class Masked:
    """`x[mask] = value`.

    source: `y` where the value is `y[mask]` with the very same mask; that was computed twice and is now computed once,
        which nobody sees: detection vouches for masks that are made elementwise from the target and numbers.
    plain_value: the value has no effect and computes nothing, so that it may be evaluated after the mask.
    """

    mask: cst.BaseExpression
    value: cst.BaseExpression
    source: cst.BaseExpression | None
    plain_value: bool


def masked(case: Case, node: Node) -> Masked | None:
    """The parts of a store into a mask; None for any other store, and for one with several targets."""
    if not isinstance(node, cst.Assign) or len(node.targets) != 1 or not case.facts.mask:
        return None
    target = node.targets[0].target
    mask = _index(target)
    if mask is None or not isinstance(target, cst.Subscript) or not _is_dotted(target.value):
        return None
    other = _index(node.value)
    same = other is not None and other.deep_equals(mask)
    taken = node.value.value if same and isinstance(node.value, cst.Subscript) else None
    source = taken if taken is not None and _is_dotted(taken) else None
    return Masked(mask, node.value, source, _is_plain(node.value))


def _index(node: cst.BaseExpression) -> cst.BaseExpression | None:
    """The index of a subscript that has one, and no slice."""
    if not isinstance(node, cst.Subscript) or len(node.slice) != 1:
        return None
    index = node.slice[0].slice
    return index.value if isinstance(index, cst.Index) and index.star is None else None


def _is_dotted(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) or (isinstance(node, cst.Attribute) and _is_dotted(node.value))


def _is_plain(node: cst.BaseExpression) -> bool:
    """True for names, literals, signs, and `float("-inf")`."""
    match node:
        case cst.UnaryOperation(expression=inner):
            return _is_plain(inner)
        case cst.Call(func=cst.Name(value="float"), args=[cst.Arg(value=cst.SimpleString())]):
            return True
    return isinstance(node, cst.BaseNumber) or _is_dotted(node)
