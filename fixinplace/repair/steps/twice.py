"""One loss differentiated twice, with an update by hand in between: the update behind both.

Note [Taken twice]
    The same graph gives the same gradients twice, if the second backward meets the weights of the forward.  So the
    update finds behind the second what it had found behind the first, provided that the gradients are cleared in
    between, and the second backward owes nothing to the update.  Nothing is proposed where the update itself clears
    gradients, which the step would then miss, or where a line between has to do with it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change
from fixinplace.repair.code import Function
from fixinplace.repair.steps.along import apart
from fixinplace.repair.steps.backward import losses
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.lines import common
from fixinplace.repair.steps.moving import CannotMove, checked, cut, moved, pasted_after
from fixinplace.repair.steps.optimizers import clears
from fixinplace.repair.steps.paths import touch
from fixinplace.repair.steps.situation import Situation

_CLEARING = ("zero_grad", "zero_")


def taken_twice(at: Situation) -> Iterator[Choice]:
    """The update behind the second backward of the same loss; see Note [Taken twice]."""
    shared = common(at.code, at.write, at.needed)
    if shared is None or at.step is not None or not at.inside or not at.backward.of_tensor:
        return
    block, first, last = shared
    between = block[first + 1 : last]
    if block[last] is not at.needed or not isinstance(block[first], ast.Expr) or block[first] is not at.write:
        return
    if not between or not all(map(clears, between)) or not _twice(at, block[:first]) or not _leaves_gradients(at):
        return
    if not all(apart(at.reader.facts(at.write), at.reader.facts(node), at) for node in between):
        return
    try:
        lines = pasted_after(at.code, at.needed, moved(at.code, [at.write]))
        edits = checked(at.code, (*cut(at.code, [at.write]), lines))
    except CannotMove:
        return
    update = at.one_line(at.write)
    meaning = (
        f"Both backwards give the gradients of {at.loss} at the weights of its forward. `{update}` comes after them "
        f"and has no part in them: where it is undone before the optimizer steps, the training is one without it."
    )
    yield Choice(f"`{update}` moved behind `{at.failing}`", meaning, (Change(at.code.path, edits),), 25)


def _twice(at: Situation, before: list[ast.stmt]) -> bool:
    """True if the same loss had its first backward earlier in the block, and is the same since."""
    for node in reversed(before):
        if touch(at.reader.facts(node).writes, at.wanted):
            return False
        if losses(node):
            return losses(node) == at.wanted and isinstance(node, ast.Expr)
    return False


def _leaves_gradients(at: Situation) -> bool:
    """True if the whole update is one function of the user's, and drops no gradient."""
    inner = []
    for place in at.scene.offence.writes[0].stack:
        spot = at.scene.node(place)  # None for what a decorator of torch's puts in between
        if spot is not None and spot[0] is at.code and spot[0].statement(spot[1]) is at.write:
            break
        inner += [] if spot is None else [spot[0].function(spot[1])]
    helper = inner[0] if len(inner) == 1 else None
    return helper is not None and not any(_drops(at, node, helper) for node in ast.walk(helper))


def _drops(at: Situation, node: ast.AST, helper: Function) -> bool:
    match node:
        case ast.Attribute(attr="grad", ctx=ast.Store()):
            return True
        case ast.Call(func=called):
            name = ast.unparse(called).rsplit(".", 1)[-1]
            return name in _CLEARING or at.reader.called(node, helper) is not None
    return False
