"""Where a tensor is handed to code that may keep it: what a run with made inputs must have come by.

Note [Kept in a branch]
    Somebody may look at a tensor after it is written because a call keeps it that no made input comes by: a callback
    that is None by default, a flag that nobody turns on.  A run settles the doubt only where that call was made.  Even
    then one whose value nobody uses, of an object that may have been passed in, is made for what it does: a stand-in
    that does nothing says nothing about it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set

from fixinplace.model import Keeper, Span
from fixinplace.source import Text

_SHOWN = 60


def keeper_at(node: ast.expr, doubt: str, part: Text, above: Mapping[int, ast.AST], locals_: Set[str]) -> Keeper:
    """What may keep a tensor: a call, or an attribute or a place of a container that is stored to.

    locals_: names of the function, which may hold what was passed in.
    The instruction that does it is the smallest one around the last character.
    """
    span = part.span(node)
    text = " ".join(part.slice(span).split())
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    dropped = isinstance(node, ast.Call) and isinstance(above.get(id(node)), ast.Expr)
    return Keeper(Span(span.end - 1, span.end), text, doubt, dropped and _root(node) in locals_)


def _root(node: ast.AST) -> str:
    """The name at the beginning of a callee: `self` of `self.monitor.update(h)`."""
    while isinstance(node, (ast.Call, ast.Attribute, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
