"""Loops that have a round for certain, told by what a function has returned for before."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from fixinplace.detect.index import dotted
from fixinplace.walking import walk


def is_several(body: Sequence[ast.stmt], count: ast.expr) -> bool:
    """True for `n` in `range(1, n)` behind `if n == 1: return ...` in a body that binds `n` to nothing else.

    A number of things is one or more: where there were none, no list of them had an element.
    """
    name = dotted(count)
    before = [one for one in body if (one.end_lineno or 0) < count.lineno]
    stored = (n for one in body for n in walk(one) if isinstance(n, ast.Name | ast.Attribute))
    bound = any(not isinstance(n.ctx, ast.Load) and f"{name}.".startswith(f"{dotted(n)}.") for n in stored)
    return bool(name) and not bound and any(_leaves_for_one(one, name) for one in before)


def _leaves_for_one(node: ast.stmt, name: str) -> bool:
    match node:
        case ast.If(
            test=ast.Compare(left=left, ops=[ast.Eq() | ast.LtE()], comparators=[ast.Constant(value=1)]),
            body=[*_, ast.Return() | ast.Raise()],
        ):
            return dotted(left) == name
    return False
