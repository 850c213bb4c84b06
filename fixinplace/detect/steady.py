"""Arguments of views that are the same whenever they are read: numbers, sizes, and what is computed from them.

Note [Steady arguments]
    A view is made again by its own text, later than it was first made.  A name that is bound to a number or a size
    gives the same until it is bound anew, which a link takes note of; the size of a tensor does until its shape is
    changed.  A list may grow in between (`y[len(outs):]`, `y.view(*shape)`), and a tensor be written (`y[n:]`): these
    make no link.  Of what nothing is known, a link may be made, but nothing is safe that rests on it.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterable
from typing import Protocol

from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Kind


class Steady(enum.IntEnum):
    """Whether an expression gives the same later."""

    NO = 0
    UNSURE = 1
    YES = 2


class Kinds(Protocol):
    """What a name, or an attribute of a name, holds at the place at hand."""

    def kind(self, node: ast.expr) -> Kind:
        """The kind of its value."""


_LIKE = ("view_as", "expand_as", "reshape_as")
"""Methods of whose argument only the shape is read."""


def steady(node: ast.expr, shown: Kinds, method: str = "") -> Steady:
    """Whether an argument of `method` gives the same later; see Note [Steady arguments]."""
    match node:
        case ast.Constant():
            return Steady.YES
        case ast.Attribute(value=value, attr="shape"):
            return _shaped(value, shown)
        case ast.Name() | ast.Attribute() if dotted(node):
            return _shaped(node, shown) if method in _LIKE else _of_kind(shown.kind(node))
        case ast.Call(func=ast.Name(id="len"), args=[inner], keywords=[]):
            return Steady.YES if dotted(inner) and shown.kind(inner) is Kind.TENSOR else Steady.NO
        case ast.Call(func=ast.Attribute(value=value, attr="size" | "dim" | "numel"), args=args, keywords=[]):
            return min(_shaped(value, shown), _all(args, shown))
        case ast.Subscript(value=value, slice=index):
            whole = steady(value, shown)
            return min(whole, steady(index, shown)) if not isinstance(index, ast.Slice) else Steady.NO
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return _all(elements, shown)
        case ast.UnaryOp(operand=operand) | ast.Starred(value=operand):
            return steady(operand, shown)
        case ast.BinOp(left=left, right=right):
            return min(steady(left, shown), steady(right, shown))
    return Steady.NO


def _all(nodes: Iterable[ast.expr], shown: Kinds) -> Steady:
    return min((steady(node, shown) for node in nodes), default=Steady.YES)


def _of_kind(kind: Kind) -> Steady:
    if kind in (Kind.NUMBER, Kind.SIZE, Kind.NONE):
        return Steady.YES
    return Steady.UNSURE if kind is Kind.UNKNOWN else Steady.NO


def _shaped(node: ast.expr, shown: Kinds) -> Steady:
    """The shape of a tensor with a name: changes of it undo the links that read the name."""
    if not dotted(node):
        return Steady.NO
    kind = shown.kind(node)
    return Steady.YES if kind is Kind.TENSOR else Steady.UNSURE if kind is Kind.UNKNOWN else Steady.NO
