"""Parts that others take out of a list of modules, or put there: `net.body[0] = nn.Identity()`, `net.body.pop()`.

What stands there instead may return its argument, which the part did not.  Of an object of which nothing is known, that
concerns the attribute of that name in every class.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from fixinplace.detect.derived import PARTS, SEQUENTIAL
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Kind
from fixinplace.detect.part_names import stored_attributes
from fixinplace.detect.placing import leaves, lost
from fixinplace.detect.quiet import Fresh
from fixinplace.detect.values import Value
from fixinplace.walking import every, functions

if TYPE_CHECKING:
    from fixinplace.detect.program import Program

CUTS = ("pop", "__delitem__", "__setitem__", "insert")
_UNKNOWN_PARTS = Value(Kind.MODULE, name=SEQUENTIAL)


def note_cut(program: Program, node: ast.expr, base: Value) -> None:
    """`net.body` has other parts from now on; a `ModuleList` that others change is told by the file's text."""
    if base.kind is Kind.UNKNOWN:
        lost(program, [base], "others take parts out of the list that it is in")
    elif base.kind is not Kind.LIST or not isinstance(node, ast.Name):  # a parameter is guessed to be one
        return
    for attribute in sorted(_attributes(program.tree, node) & stored_attributes(program.tree)):
        _note(program, attribute)


def _attributes(tree: ast.Module, node: ast.expr) -> frozenset[str]:
    """The attributes that an expression may be: `net.body`, or a parameter for which callers pass `net.body`."""
    if isinstance(node, ast.Attribute):
        return frozenset({node.attr})
    if not isinstance(node, ast.Name):
        return frozenset()
    called = {one.name for one in functions(tree) if _takes(one, node)}
    calls = [one for one in every(tree, ast.Call) if dotted(one.func).rpartition(".")[2] in called]
    given = (one for call in calls for one in (*call.args, *(word.value for word in call.keywords)))
    return frozenset(one.attr for one in given if isinstance(one, ast.Attribute))


def _takes(function: ast.FunctionDef | ast.AsyncFunctionDef, node: ast.Name) -> bool:
    """True if the name is a parameter of the function that it stands in."""
    own = any(one.arg == node.id for one in every(function.args, ast.arg))
    return own and any(one is node for one in every(function, ast.Name))


def _note(program: Program, attribute: str) -> None:
    program.ledger.unrepeatable()
    index = program.index
    for info in index.classes.values():
        kept = info.attribute(attribute)
        if kept is None or kept.kind is not Kind.MODULE:
            continue
        if kept.name == SEQUENTIAL:
            index.note_attribute(info.name, attribute, _UNKNOWN_PARTS)
        if SEQUENTIAL in index.bases(kept.name):
            index.note_attribute(kept.name, PARTS, _UNKNOWN_PARTS)
        lost(program, [kept], "others take parts out of the list that it is in")


def is_replaced(program: Program, value: Value) -> bool:
    """True unless what takes the place of a part computes something new, as a layer does."""
    return value.kind in (Kind.MODULE, Kind.UNKNOWN) and leaves(program, value, Fresh.NO) is Fresh.NO
