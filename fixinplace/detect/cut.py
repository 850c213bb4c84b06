"""Parts that others take out of a list of modules, or put there: `net.body[0] = nn.Identity()`, `net.body.pop()`.

What stands there instead may return its argument, which the part did not.  Of an object of which nothing is known, that
concerns the attribute of that name in every class.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from fixinplace.detect.derived import PARTS, SEQUENTIAL
from fixinplace.detect.kinds import Kind
from fixinplace.detect.part_names import stored_attributes
from fixinplace.detect.placing import leaves, lost
from fixinplace.detect.quiet import Fresh
from fixinplace.detect.values import Value

if TYPE_CHECKING:
    from fixinplace.detect.program import Program

CUTS = ("pop", "__delitem__", "__setitem__", "insert")
_UNKNOWN_PARTS = Value(Kind.MODULE, name=SEQUENTIAL)


def note_cut(program: Program, node: ast.expr, base: Value) -> None:
    """`net.body` has other parts from now on; a `ModuleList` that others change is told by the file's text."""
    if base.kind is not Kind.UNKNOWN:
        return
    lost(program, [base], "others take parts out of the list that it is in")
    if not isinstance(node, ast.Attribute):
        return
    if node.attr not in stored_attributes(program.tree):
        return
    program.ledger.unrepeatable()
    index = program.index
    for info in index.classes.values():
        kept = info.attribute(node.attr)
        if kept is None or kept.kind is not Kind.MODULE:
            continue
        if kept.name == SEQUENTIAL:
            index.note_attribute(info.name, node.attr, _UNKNOWN_PARTS)
        if SEQUENTIAL in index.bases(kept.name):
            index.note_attribute(kept.name, PARTS, _UNKNOWN_PARTS)
        lost(program, [kept], "others take parts out of the list that it is in")


def is_replaced(program: Program, value: Value) -> bool:
    """True unless what takes the place of a part computes something new, as a layer does."""
    return value.kind in (Kind.MODULE, Kind.UNKNOWN) and leaves(program, value, Fresh.NO) is Fresh.NO
