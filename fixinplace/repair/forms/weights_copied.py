"""Losses of several rounds, differentiated behind the loop that has stepped in each: run on copies of the weights.

Note [Weights of the round]
    `total += f(net(x))` in a loop that also steps, and `total.backward()` behind it, as first-order meta-learning does:
    no order of the lines gives every round its own weights, since the next round has to step from where this one came
    to.  The module is run on a copy of its weights as they are in that round.  `clone` hands gradients on, so they come
    to the module's own parameters, as they do in the line as it stands, and nothing else about the loop changes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from fixinplace.model import Edit
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.steps.lines import Item, holding, last_round, needed
from fixinplace.repair.steps.moving import CannotMove, checked, pasted_before
from fixinplace.repair.steps.paths import begins, path
from fixinplace.repair.steps.situation import Situation, situation
from fixinplace.repair.steps.splitting import one_by_one

_NAME = "weights-copied"
_NAMES = ("weights", "round_weights", "weights_of_round")
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)


def propose(scene: Scene) -> Iterator[Proposal]:
    """The calls whose weights a later round has stepped, on copies of them; see Note [Weights of the round]."""
    yield from one_by_one(scene, _propose)


def _propose(scene: Scene) -> Iterator[Proposal]:
    at = situation(scene) if scene.offence.rule in ("FIP201", "FIP207") else None
    loop = None if at is None else _loop(at)
    module = None if at is None or loop is None else _module(at)
    if at is None or loop is None or module is None:
        return
    edits = _edits(at, loop, module)
    if edits is None:
        return
    title = f"`{module}` run on a copy of its weights in each round of the loop in line {loop.lineno}"
    meaning = (
        f"Every part of {at.loss} is differentiated at the weights that its own round used, and the gradients of all "
        f"rounds are added up in the parameters of `{module}`; each round steps where it stood. Nothing flows through "
        f"the steps themselves. It keeps one copy of the weights per round until the backward."
    )
    yield Proposal(_NAME, Tier.CHOOSE, title, (Change(at.code.path, edits),), meaning, 8)


def _loop(at: Situation) -> ast.For | ast.While | None:
    """The outermost loop around the save and the step in which the failing backward does not stand."""
    if at.frame.save is None:
        return None
    around = [up for up in at.code.up(at.frame.save) if isinstance(up, (ast.For, ast.While))]
    inside = [(each, list(ast.walk(each))) for each in around]
    found = [each for each, nodes in inside if at.write in nodes and at.needed not in nodes]
    return found[-1] if found else None


def _module(at: Situation) -> str | None:
    """The module that was called where the tensor was saved, if what was written is one of its parameters."""
    node = at.frame.save_node
    called = path(node.func) if isinstance(node, ast.Call) else None
    names = [name for write in at.scene.offence.writes for name in write.names]
    return called if called is not None and any(name.startswith(f"{called}.") for name in names) else None


def _edits(at: Situation, loop: ast.stmt, module: str) -> tuple[Edit, ...] | None:
    """The weights copied before the first call that the loss needs, and every such call on them; None if it cannot."""
    saving = at.frame.save
    function = at.code.name_of("torch", "func.functional_call") or at.code.name_of("torch.func", "functional_call")
    name = next((each for each in _NAMES if each not in at.code.text.text), None)
    if saving is None or function is None or name is None:
        return None
    items = last_round(at.reader, at.items, saving)
    chosen = [items[n] for n in sorted(needed(items, at.wanted)[0])]
    calls = [(item, call) for item in chosen if _within(loop, item) for call in _calls(item, module)]
    if not calls or not all(isinstance(item.node, _SIMPLE) for item, _ in calls) or _moves(items, calls, module):
        return None
    copied = f"{name} = {{name: p.clone() for name, p in {module}.named_parameters()}}"
    on = [at.code.replace(call, _on(at.code, call, function, name)) for _, call in calls]
    try:
        return checked(at.code, (pasted_before(at.code, calls[0][0].node, [copied]), *on))
    except CannotMove:
        return None


def _within(loop: ast.stmt, item: Item) -> bool:
    return not item.header and any(node is item.node for node in ast.walk(loop))


def _calls(item: Item, module: str) -> list[ast.Call]:
    return [node for node in ast.walk(item.node) if isinstance(node, ast.Call) and path(node.func) == module]


def _moves(items: Sequence[Item], calls: Sequence[tuple[Item, ast.Call]], module: str) -> bool:
    """True if the module may step, or is another one, between the first call and the last."""
    ends = [n for _, call in calls if (n := holding(items, call)) is not None]
    between = items[min(ends) : max(ends) + 1]
    own = [item.node for item, _ in calls]
    others = [item for item in between if item.node not in own]
    stepped = any(item.facts.acts for item in others)
    bound = any(begins(module, name) for item in between for name in item.facts.writes)
    return stepped or bound


def _on(code: Code, call: ast.Call, function: str, weights: str) -> str:
    """The call on other weights: `functional_call(net, weights, (x,), {"mask": mask})`."""
    given = [code.source_of(each) for each in call.args]
    named = [f"**{code.source_of(k.value)}" if k.arg is None else f'"{k.arg}": {code.source_of(k.value)}'
             for k in call.keywords]  # fmt: skip
    last = f", {{{', '.join(named)}}}" if named else ""
    comma = "," if len(given) == 1 else ""
    return f"{function}({code.source_of(call.func)}, {weights}, ({', '.join(given)}{comma}){last})"


REPAIR = Repair(
    name=_NAME,
    what="Runs the module on a copy of its weights, as they are in that round: "
    "`torch.func.functional_call(net, weights, (x,))`.",
    why="A loop steps in every round, and the backward behind it goes through the forwards of all rounds. No order of "
    "the statements gives each forward its own weights; a copy does, and hands the gradients on to the parameters.",
    propose=propose,
)
