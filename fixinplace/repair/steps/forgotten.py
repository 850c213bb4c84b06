"""A value that an object computes once and keeps: forgotten at the step, so that it is computed again.

Note [A value that is kept]
    `if self.features is None: self.features = ...` computes what every round reads; its graph belongs to the first.
    Where nothing else writes the attribute it is a cache and no recurrent state, and the program computes it again as
    soon as it is None: with the weights that the step leaves, and with gradients for all that computes it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.hidden import hidden_states
from fixinplace.repair.steps.moving import CannotMove, pasted_after
from fixinplace.repair.steps.paths import path
from fixinplace.repair.steps.situation import Situation
from fixinplace.repair.steps.stores import Kept


def forgotten(at: Situation) -> Iterator[Choice]:
    """What is computed once, set back to None at the step; see Note [A value that is kept]."""
    kept = {each.state: each for each in hidden_states(at) if is_cache(each)}
    if not kept:
        return
    try:
        edit = pasted_after(at.code, at.by_hand or at.write, [f"{state} = None" for state in kept])
    except CannotMove:
        return
    shown = " and ".join(f"`{state}`" for state in kept)
    is_computed, it = ("is computed", "it") if len(kept) == 1 else ("are computed", "them")
    meaning = (
        f"{shown} {is_computed} again after each step, with the weights that it leaves: {at.loss} gives gradients to "
        f"all that computes {it}, in every round. What is computed again costs its time again."
    )
    title = f"{shown} forgotten behind `{at.one_line(at.by_hand or at.write)}`"
    yield Choice(title, meaning, (Change(at.code.path, (edit,)),), 12)


def is_cache(kept: Kept) -> bool:
    """True if every store is of None, or is made only where there is None."""
    filled = [node for node in kept.stores if not _is_none(getattr(node, "value", None))]
    return bool(filled) and all(isinstance(node, ast.Assign) and _is_first(kept, node) for node in filled)


def _is_first(kept: Kept, node: ast.stmt) -> bool:
    around = [(each, up) for each, up in _pairs(kept, node) if isinstance(up, ast.If)]
    return any(each in up.body and _asks(up.test, kept.name) for each, up in around)


def _pairs(kept: Kept, node: ast.stmt) -> Iterator[tuple[ast.AST, ast.AST]]:
    inner: ast.AST = node
    for up in kept.code.up(node):
        yield inner, up
        inner = up


def _asks(test: ast.expr, name: str) -> bool:
    """True for `name is None`, alone or with more that may have it computed anew."""
    match test:
        case ast.Compare(left=left, ops=[ast.Is()], comparators=[other]):
            return path(left) == name and _is_none(other)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_asks(each, name) for each in values)
    return False


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
