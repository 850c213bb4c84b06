"""`torch._foreach_add_([a, b], 1)`: one call that writes many tensors, and may be able to bind new ones instead.

Note [Foreach]
    The out-of-place form returns all of the new tensors.  Names take them, each once, and so do the places of a list
    that the function has made itself, if each holds a tensor of its own.  Where an operand is one of the tensors that
    are written, the order in which that happens decides, and it stays as it is.
"""

from __future__ import annotations

import ast

from fixinplace.detect.functions import Functions
from fixinplace.detect.program import HELD
from fixinplace.detect.values import Value, distinct, element, overlap
from fixinplace.model import Place


def write_each(frame: Functions, node: ast.Call, op: str, target: ast.expr, listed: Value, value: Value) -> None:
    """Note that a call writes the tensors of a list; see Note [Foreach]."""
    alone = isinstance(frame.root, ast.Expr) and frame.root.value is node
    apart = alone and distinct(listed) and not overlap(listed.memory | listed.maybe, value.memory | value.maybe)
    names = _names(target)
    if apart and names and listed.exact and len(listed.items) == len(names):
        for name, item in zip(names, listed.items, strict=True):
            seen = frame.write(node, op, "FIP115", name, frame.as_tensor(item), value)
        seen.target = ", ".join(name.id for name in names)
        seen.facts |= {"place": Place.NAME, "each": bool(seen.facts.get("each", True))}
        return
    seen = frame.write(node, op, "FIP115", target, frame.as_tensor(element(listed)), value)
    own = apart and isinstance(target, ast.Name) and frame.is_own_list(target, listed)
    seen.facts["place"] = frame.place_of(target)[0]
    seen.facts["each"] = own and bool(seen.facts.get("each", True))
    if own and isinstance(target, ast.Name):
        seen.doubts.pop(HELD, None)
        seen.target = f"{target.id}[:]"


def _names(target: ast.expr) -> list[ast.Name]:
    """The names of `[a, b]`, each once; none for another expression, or for a single one."""
    elements = target.elts if isinstance(target, (ast.List, ast.Tuple)) else []
    names = [one for one in elements if isinstance(one, ast.Name)]
    return names if len(names) == len(elements) == len({one.id for one in names}) > 1 else []
