"""Calls that give their tensor, or a view of it, or a copy, as it comes: `x.float()`, `x.contiguous()`, `x.reshape(n)`.

Note [Perhaps a copy]
    What such a call gave can be made again from a clone of its tensor by the same text, and is a copy then exactly if
    it was one: it has the dtype, the device and the strides to do that with.  Strides are a clone's too where elements
    have no gaps between them.  So whoever writes the result writes the same tensors as before.  That holds as long as
    neither of the two has been written since: a copy has gone its own way then, and made again it would not.
"""

from __future__ import annotations

import ast

from fixinplace.detect.kinds import Kind
from fixinplace.detect.links import Link, Shown, chain
from fixinplace.detect.replacing import replace
from fixinplace.detect.steady import Steady, steady
from fixinplace.model import View

_CONVERTING = ("to", "float", "double", "half", "bfloat16", "type", "cuda", "cpu")
_LAYING_OUT = ("contiguous", "reshape", "flatten", "ravel")
_WORDS = ("dtype", "device", "non_blocking", "copy")


def perhaps(node: ast.expr, shown: Shown) -> Link | None:
    """The link of a name that is bound to what such a call gives; see Note [Perhaps a copy]."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _CONVERTING or attr in _LAYING_OUT:
            found = perhaps(value, shown) or chain(value, shown)
        case _:
            return None
    words = [word.arg or "" for word in node.keywords]
    given = [*node.args, *(word.value for word in node.keywords)]
    named = all(word in _WORDS for word in words) if attr in _CONVERTING else not words
    how = min((_fixed(one, shown) for one in given), default=Steady.YES)
    if found is None or found.copies or not named or how is not Steady.YES or found.unsure:
        return None
    if not shown.is_tensor(found.base) or (attr in _LAYING_OUT and not shown.is_dense(found.base)):
        return None
    texts = (*map(shown.text, node.args), *(f"{word.arg}={shown.text(word.value)}" for word in node.keywords))
    step = View(attr, "", f".{attr}({', '.join(texts)})", texts)
    reads = found.reads.union(*(frozenset(_names(one)) for one in given))
    return replace(found, steps=(*found.steps, step), reads=reads, copies=True)


def is_conversion(step: View) -> bool:
    """True for a step that may give another dtype."""
    return step.op in _CONVERTING


def is_layout(step: View) -> bool:
    """True for a step that copies what does not lie in order."""
    return step.op in _LAYING_OUT


def _fixed(node: ast.expr, shown: Shown) -> Steady:
    """Whether an argument is the same later: a dtype or a device of torch is."""
    return Steady.YES if shown.kind(node) is Kind.PATH else steady(node, shown)


def _names(node: ast.expr) -> list[str]:
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
