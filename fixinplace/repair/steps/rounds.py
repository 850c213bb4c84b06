"""A loop over optimizers that share parameters: each on its own gradients, all on the sum, or one for all.

Note [Shared in a loop]
    Each round clears, differentiates and steps; the second backward meets the first step.  Limiting each backward to
    its own optimizer is no way out where they share parameters: the last clearing would leave every step with the
    gradients of the last round.  So the gradients of each round are kept until all are taken, or every optimizer is
    cleared before the first and steps behind the last, or one optimizer takes the place of all.  That they share is
    read off their construction: a part of what each is given is the same for all.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from fixinplace.model import Edit, Span
from fixinplace.repair.steps.along import apart, prepares
from fixinplace.repair.steps.choice import Choice, edited
from fixinplace.repair.steps.container import Container, container
from fixinplace.repair.steps.moving import CannotMove, cut, moved, pasted_before, pasted_below
from fixinplace.repair.steps.optimizers import clears
from fixinplace.repair.steps.reorder import same_again
from fixinplace.repair.steps.situation import Situation
from fixinplace.repair.steps.turns import plain_loss, trains, whole_loop

_OLD = (
    "All rounds run with the weights from before the steps, which come behind the loop; every gradient is taken at the "
    "weights that its forward used. "
)


@dataclass(frozen=True)
class _Rounds:
    """The loop, what it goes through, and its statements that clear and that step, with what prepares the step."""

    at: Situation
    loop: ast.For
    of: Container
    clearing: ast.stmt
    going: tuple[ast.stmt, ...]

    def again(self) -> str:
        """The header of a loop over the optimizers alone, where that is enough for the steps; else the loop's own."""
        names = {n.id for each in self.going for n in ast.walk(each) if isinstance(n, ast.Name)}
        return self.of.alone(names) or f"{self._text(self.loop.target)} in {self._text(self.loop.iter)}"

    def _text(self, node: ast.expr) -> str:
        return " ".join(self.at.code.source_of(node).split())


def shares(at: Situation) -> bool:
    """True if the optimizers that a loop goes through are known to have parameters in common."""
    loop = whole_loop(at)
    found = container(at, loop) if loop is not None else None
    return found is not None and bool(found.shared)


def in_rounds(at: Situation) -> Iterator[Choice]:
    """The choices for a loop over optimizers; see Note [Shared in a loop]."""
    rounds = _rounds(at)
    if rounds is None:
        return
    for form in (_own, _summed, _joint):
        try:
            yield from form(rounds)
        except CannotMove:
            continue


def _rounds(at: Situation) -> _Rounds | None:
    loop = whole_loop(at)
    of = container(at, loop) if loop is not None else None
    if loop is None or of is None or not of.shared or at.step is None or at.step.scaler or plain_loss(at) is None:
        return None
    index = next(n for n, node in enumerate(loop.body) if node is at.write)
    before = loop.body[: loop.body.index(at.needed)]
    clearing = [node for node in loop.body if clears(node) == at.step.optimizer]
    going = (*prepares(loop.body, index), at.write)
    training = [node for node in loop.body if trains(node)]
    alone = len(clearing) == 1 and clearing[0] in before and len(training) == len(going) + 2
    plain = alone and isinstance(clearing[0], ast.Expr) and ast.unparse(clearing[0]).endswith("zero_grad()")
    step = at.reader.facts(at.write)
    rest = [node for node in loop.body if node not in (*clearing, *going, at.needed)]
    if not plain or not all(apart(step, at.reader.facts(node), at) for node in rest):
        return None
    return _Rounds(at, loop, of, clearing[0], going)


def _own(of: _Rounds) -> Iterator[Choice]:
    at, optimizer, name = of.at, of.at.optimizer, _free(of.at, "task_grads", "kept_grads")
    if not same_again(at, of.loop.iter) or not name or _free(at, "grads") != "grads":
        return
    kept = f'{name}.append([(p, p.grad) for group in {optimizer}.param_groups for p in group["params"]])'
    target, _, over = of.again().partition(" in ")
    target = f"({target})" if "," in target else target
    lines = [f"for {target}, grads in zip({over}, {name}):", "    for p, grad in grads:", "        p.grad = grad"]
    lines += [f"    {line}" for line in moved(at.code, [at.write])]
    start, below = pasted_before(at.code, of.loop, [f"{name} = []"]), pasted_below(at.code, of.loop, lines)
    meaning = (
        f"{_OLD}In its turn each optimizer steps on the gradients of its own round alone, which are kept until then: "
        f"what they share is stepped once by each, on the gradients of one loss."
    )
    title = f"`{at.one_line(at.write)}` in a loop of its own, each on the gradients of its round, which are kept"
    yield edited(at.code, (start, at.code.replace(at.write, kept), below), title, meaning, 10)


def _summed(of: _Rounds) -> Iterator[Choice]:
    at = of.at
    if not same_again(at, of.loop.iter):
        return
    header = f"for {of.again()}:"
    first = [header, *(f"    {line}" for line in moved(at.code, [of.clearing]))]
    last = [header, *(f"    {line}" for line in moved(at.code, of.going))]
    start, below = pasted_before(at.code, of.loop, first), pasted_below(at.code, of.loop, last)
    edits = (start, *cut(at.code, [of.clearing, *of.going]), below)
    meaning = (
        f"{_OLD}All gradients are cleared before the first round: what the optimizers share gets the sum of the "
        f"gradients of all rounds, and each optimizer steps it on that sum, once for each optimizer."
    )
    both = f"`{at.one_line(of.clearing)}` before all rounds and `{at.one_line(at.write)}` behind them"
    yield edited(at.code, edits, f"{both}, each in a loop of its own", meaning, 14)


def _joint(of: _Rounds) -> Iterator[Choice]:
    at, made = of.at, of.of
    name = made.variable or _free(at, "optimizer", "joint_optimizer")
    call, header = made.joint(), made.header_without(of.loop)
    users = [of.clearing, of.going[-1]]
    if call is None or header is None or not name or len(of.going) > 1 or made.used_elsewhere(of.loop, users):
        return
    start, end = at.code.text.span(of.loop.target).start, at.code.text.span(of.loop.iter).end
    edits = [
        at.code.replace(made.statement, f"{name} = {call}"),
        pasted_before(at.code, of.loop, [f"{name}.zero_grad()"]),
        *cut(at.code, users),
        pasted_below(at.code, of.loop, [f"{name}.step()"]),
    ]
    if header != at.code.text.text[start:end]:
        edits.append(Edit(Span(start, end), header))
    meaning = (
        f"One optimizer for all: it has the parameters of every one in `{made.name}`, each once, and steps once behind "
        f"the loop, on the sum of the gradients of all rounds, all taken at the weights that the forward used. What "
        f"they share has one state instead of one for each."
    )
    title = f"one `{name}` over the parameters of all of `{made.name}`, in one step behind the loop"
    yield edited(at.code, edits, title, meaning, 15)


def _free(at: Situation, *names: str) -> str:
    """The first of some names that the function does not know; empty if all are taken."""
    home = at.frame.function or at.code.tree
    taken = {each.id for each in ast.walk(home) if isinstance(each, ast.Name)}
    return next((name for name in names if name not in taken), "")
