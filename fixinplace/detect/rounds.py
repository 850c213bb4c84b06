"""Loops that have a round for certain, told by what a function has returned for before."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from fixinplace.detect.index import dotted
from fixinplace.walking import every, scope, walk

SEVERAL = "a number of branches, scales or levels is one or more"
_THINGS = re.compile(r"_*((num|n|len|nr)_?)?(branch(es)?|scales?|levels?|resolutions?|views?|inputs?|stacks?)")


def is_several(body: Sequence[ast.stmt], count: ast.expr, tree: ast.Module, above: Mapping[int, ast.AST]) -> bool:
    """True for `n` in `range(1, n)` behind `if n == 1: return ...`, a number of branches that stays what it is.

    A name is bound once, by the parameters; an attribute by constructors alone.  SEVERAL is assumed.
    """
    name = dotted(count)
    before = [one for one in body if (one.end_lineno or 0) < count.lineno]
    stored = (n for one in body for n in walk(one) if isinstance(n, ast.Name | ast.Attribute))
    bound = any(not isinstance(n.ctx, ast.Load) and f"{name}.".startswith(f"{dotted(n)}.") for n in stored)
    last = name.rpartition(".")[2]
    attributes = (one for one in every(tree, ast.Attribute) if one.attr == last and not isinstance(one.ctx, ast.Load))
    fixed = all(getattr(scope(one, above), "name", "") == "__init__" for one in attributes)
    counts = _THINGS.fullmatch(last) is not None and fixed
    return counts and not bound and any(_leaves_for_one(one, name) for one in before)


def _leaves_for_one(node: ast.stmt, name: str) -> bool:
    match node:
        case ast.If(
            test=ast.Compare(left=left, ops=[ast.Eq() | ast.LtE()], comparators=[ast.Constant(value=1)]),
            body=[*_, ast.Return() | ast.Raise()],
        ):
            return dotted(left) == name
    return False
