"""Several rounds over one forward: every optimizer of a loop in its turn, or one step for all rounds together.

One optimizer that steps in each round is the simpler case: its step comes out of the loop, see `accumulated`.

Note [In turn]
    A loop over optimizers takes, in each round, a backward and a step; the second backward meets the first step.  Each
    backward is limited to its own optimizer, since the next round would clear or add to what it leaves elsewhere, and
    the steps get a loop of their own behind the first.

Note [All rounds together]
    What a loop carries keeps its graph if no weight changes before the last backward: the losses are added up, and one
    backward and one step come behind the loop.  That is backpropagation through the whole of time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from fixinplace.repair.base import Change
from fixinplace.repair.steps.along import apart, prepares
from fixinplace.repair.steps.choice import Choice, joined
from fixinplace.repair.steps.lines import common
from fixinplace.repair.steps.moving import CannotMove, checked, cut, moved, pasted_before, pasted_below
from fixinplace.repair.steps.optimizers import clears
from fixinplace.repair.steps.paths import path, touch
from fixinplace.repair.steps.reorder import same_again
from fixinplace.repair.steps.situation import Situation

_TRAINS = "backward zero_grad step unscale_ clip_grad_norm_ clip_grad_value_ update".split()
_JUMPS = (ast.Break, ast.Continue, ast.Return, ast.Yield, ast.YieldFrom)


def in_turn(at: Situation) -> Iterator[Choice]:
    """The steps of a loop over optimizers in a loop of their own; see Note [In turn]."""
    loop = whole_loop(at)
    if loop is None or at.step is None or not at.inside or not same_again(at, loop.iter):
        return
    names = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    used = {node.id for node in ast.walk(at.write) if isinstance(node, ast.Name)}
    text = f'[p for group in {at.step.optimizer}.param_groups for p in group["params"]]'
    limited = at.backward.with_argument("inputs", text)
    index = next(n for n, node in enumerate(loop.body) if node is at.write)
    mine, behind = at.reader.facts(at.write), [at.reader.facts(node) for node in loop.body[index + 1 :]]
    if not names & used or limited is None or not all(apart(mine, other, at) for other in behind):
        return
    going = [*prepares(loop.body, index), at.write]
    try:
        lines = [_header(at, loop, going), *(f"    {line}" for line in moved(at.code, going))]
        edits = checked(at.code, (*cut(at.code, going), pasted_below(at.code, loop, lines)))
    except CannotMove:
        return
    meaning = (
        f"Every gradient is taken at the weights that its forward used, and the optimizers step afterwards. In each "
        f"round {at.loss} gives gradients to the parameters of `{at.step.optimizer}` alone, and all step behind the "
        f"loop: each on the gradients of its own round, unless they share parameters."
    )
    title = f"`{at.one_line(at.write)}` in a loop of its own, and each `{at.failing}` limited to its optimizer"
    yield Choice(title, meaning, joined(Change(at.code.path, edits), limited), 10)


def accumulated(at: Situation) -> Iterator[Choice]:
    """One optimizer that every round clears and steps, cleared before the loop and stepped behind it.

    Only where no round runs what is stepped, and each has a loss of its own: several epochs over one batch are meant
    as several steps.
    """
    loop = whole_loop(at)
    if loop is None or at.step is None or at.step.scaler or not at.inside:
        return
    index = next(n for n, node in enumerate(loop.body) if node is at.write)
    going = [*prepares(loop.body, index), at.write]
    clearing = [node for node in loop.body if clears(node) == at.step.optimizer]
    names = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    used = _names((*going, *clearing))
    alone = len(clearing) == 1 and len([node for node in loop.body if trains(node)]) == len(going) + 2
    rest = [at.reader.facts(node) for node in loop.body if node not in (*clearing, *going, at.needed)]
    runs = at.stepped is None or any(touch(each.reads, at.stepped) for each in rest)
    same = not names & _names([node for node in loop.body if node not in (*going, *clearing)])
    if (
        names & used
        or same
        or runs
        or not alone
        or not all(apart(at.reader.facts(at.write), other, at) for other in rest)
    ):
        return
    try:
        start, behind = pasted_before(at.code, loop, moved(at.code, clearing)), moved(at.code, going)
        edits = checked(at.code, (start, *cut(at.code, [*clearing, *going]), pasted_below(at.code, loop, behind)))
    except CannotMove:
        return
    meaning = (
        f"All rounds use the weights from before the step. Their gradients are added up, and `{at.step.optimizer}` "
        f"steps once, on the sum, where it is to step once a round as it stands."
    )
    title = f"one `{at.one_line(at.write)}` behind the loop in line {loop.lineno}, on the gradients of all its rounds"
    yield Choice(title, meaning, (Change(at.code.path, edits),), 13)


def all_together(at: Situation) -> Iterator[Choice]:
    """One backward and one step behind the loop, on the sum of the losses; see Note [All rounds together]."""
    loop, loss = whole_loop(at), plain_loss(at)
    if loop is None or at.step is None or loss is None:
        return
    index = next(n for n, node in enumerate(loop.body) if node is at.write)
    clearing = [node for node in loop.body[:index] if clears(node) == at.step.optimizer]
    going = [*clearing, *prepares(loop.body, index), at.write]
    training = [node for node in loop.body if trains(node)]
    total = next((name for name in ("total", "total_loss", "loss_sum") if name not in at.code.text.text), None)
    summed = builds_up(at, loop, loss)
    if len(training) != len(going) + 1 or total is None:
        return
    try:
        first, last = moved(at.code, clearing), moved(at.code, going[len(clearing) :])
        behind = pasted_below(at.code, loop, [*first, f"{loss if summed else total}.backward()", *last])
        start = () if summed else (pasted_before(at.code, loop, [f"{total} = 0.0"]),)
        replaced = () if summed else (at.code.replace(at.needed, f"{total} = {total} + {loss}"),)
        gone = cut(at.code, [*going, at.needed] if summed else going)
        edits = checked(at.code, (*start, *gone, *replaced, behind))
    except CannotMove:
        return
    of_what = (
        f"`{loss}`, which all rounds add to" if summed else f"the sum of `{loss}` over all rounds, back to the first"
    )
    meaning = (
        f"Backpropagation through the whole loop: all rounds run with the same weights, and `{at.step.optimizer}` "
        f"steps once, behind the loop, on the gradients of {of_what}."
    )
    title = f"one backward and one step behind the loop in line {loop.lineno}"
    yield Choice(title, meaning, (Change(at.code.path, edits),), 19)


def builds_up(at: Situation, loop: ast.For, loss: str) -> bool:
    """True if the rounds add to the failing loss: `event_loss += loss`."""
    return any(touch(f.writes, [loss]) and touch(f.reads, [loss]) for f in map(at.reader.facts, loop.body))


def summed_up(at: Situation) -> Iterator[Choice]:
    """The same for a loss alone that every round adds to, and back-propagates."""
    loop, loss = whole_loop(at), plain_loss(at)
    if loop is not None and loss is not None and builds_up(at, loop, loss):
        yield from all_together(at)


def plain_loss(at: Situation) -> str | None:
    """The name of the failing loss, for a statement `loss.backward()` without arguments that matter."""
    match at.needed:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner), args=[], keywords=keywords) as call):
            known = all(each.arg == "retain_graph" for each in keywords)
            return path(owner) if call is at.backward.call and known else None
    return None


def whole_loop(at: Situation) -> ast.For | None:
    """The loop in whose body step and failing backward stand themselves, if every round comes to its end."""
    shared = common(at.code, at.write, at.needed)
    loop = at.loop
    if shared is None or not isinstance(loop, ast.For) or loop.orelse or shared[0] is not loop.body:
        return None
    direct = shared[1] > shared[2] and at.write in loop.body and at.needed in loop.body
    return loop if direct and not any(isinstance(node, _JUMPS) for node in ast.walk(loop)) else None


def trains(node: ast.stmt) -> bool:
    """True for what clears, differentiates, prepares or steps."""
    calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(isinstance(called, ast.Attribute) and called.attr in _TRAINS for called in calls)


def _names(nodes: Sequence[ast.stmt]) -> set[str]:
    return {node.id for each in nodes for node in ast.walk(each) if isinstance(node, ast.Name)}


def _header(at: Situation, loop: ast.For, going: Sequence[ast.stmt]) -> str:
    """The loop's header once more, without a counter that is not needed."""
    match loop:
        case ast.For(target=ast.Tuple(elts=[ast.Name(id=counter), target]),
                     iter=ast.Call(func=ast.Name(id="enumerate"), args=[iterable], keywords=[])):  # fmt: skip
            if not any(isinstance(n, ast.Name) and n.id == counter for each in going for n in ast.walk(each)):
                return f"for {at.code.source_of(target)} in {at.code.source_of(iterable)}:"
    return f"for {at.code.source_of(loop.target)} in {at.code.source_of(loop.iter)}:"
