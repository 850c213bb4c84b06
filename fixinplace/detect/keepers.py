"""Where a tensor is handed to code that may keep it: what a run with made inputs must have come by.

Note [Kept in a branch]
    Somebody may look at a tensor after it is written because a call keeps it that no made input comes by: a callback
    that is None by default, a flag that nobody turns on.  A run settles the doubt only where that call was made, and
    never for an object that may have been passed in: a stand-in that does nothing says nothing about it.  That is about
    calls whose value nobody uses, which are made for what they do, and those that make an object of what they get;
    `x = self.drop_path(x)` is made for its value.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set

from fixinplace.model import Keeper, Span
from fixinplace.source import Text

_SHOWN = 60
_MAKERS = frozenset(
    "partial map zip dict list tuple set frozenset iter enumerate reversed filter deque defaultdict namedtuple".split()
)


def keepers_at(
    node: ast.expr, doubt: str, part: Text, above: Mapping[int, ast.AST], locals_: Set[str]
) -> frozenset[Keeper]:
    """What may keep a tensor: a call for its effect, or an attribute or a place of a container that is stored to.

    locals_: names of the function, which may hold what was passed in.
    The instruction that does it is the smallest one around the last character.
    """
    call = isinstance(node, ast.Call)
    if isinstance(node, ast.Call) and not isinstance(above.get(id(node)), ast.Expr) and not _makes_object(node):
        return frozenset()
    span = part.span(node)
    text = " ".join(part.slice(span).split())
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return frozenset((Keeper(Span(span.end - 1, span.end), text, doubt, call and _root(node) in locals_),))


def _makes_object(node: ast.Call) -> bool:
    """True for `SimpleNamespace(hidden=h)` and `partial(f, h)`: an object that is made of what it is given."""
    return is_maker(node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""))


def is_maker(name: str) -> bool:
    """True for what makes an object of what it is given, and does so in every use."""
    return name[:1].isupper() or name in _MAKERS


def _root(node: ast.AST) -> str:
    """The name at the beginning of a callee: `self` of `self.monitor.update(h)`."""
    while isinstance(node, (ast.Call, ast.Attribute, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
