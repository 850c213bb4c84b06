"""Parts that others take out of a list of modules, or put there: `net.body[0] = nn.Identity()`, `net.body.pop()`.

What stands there instead may return its argument, which the part did not.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from fixinplace.detect.kinds import Kind
from fixinplace.detect.placing import leaves
from fixinplace.detect.quiet import Fresh
from fixinplace.detect.values import Value

if TYPE_CHECKING:
    from fixinplace.detect.program import Program

_HOLDS = ("torch.nn.Sequential", "torch.nn.ModuleList")
CUTS = ("pop", "__delitem__", "__setitem__", "insert")


def may_be_parts(program: Program, node: ast.expr, base: Value) -> bool:
    """True for `net.features`, of an object of which nothing is known, if a class of the file keeps parts there."""
    if base.kind is not Kind.UNKNOWN or not isinstance(node, ast.Attribute):
        return False
    program.ledger.unrepeatable()
    kept = (info.attribute(node.attr) for info in program.index.classes.values())
    return any(one is not None and one.kind is Kind.MODULE and _holds(program, one) for one in kept)


def _holds(program: Program, value: Value) -> bool:
    return value.name in _HOLDS or any(base in _HOLDS for base in program.index.bases(value.name))


def is_replaced(program: Program, value: Value) -> bool:
    """True unless what takes the place of a part computes something new, as a layer does."""
    return value.kind in (Kind.MODULE, Kind.UNKNOWN) and leaves(program, value, Fresh.NO) is Fresh.NO
