"""A module run on a copy of its weights, so that what steps afterwards does not reach what its forward has saved.

Note [Weights of the round]
    `total += f(net(x))` in a loop that also steps, and `total.backward()` behind it, as first-order meta-learning does:
    no order of the lines gives every round its own weights, since the next round has to step from where this one came
    to.  The module is run on a copy of its weights as they are in that round.  `clone` hands gradients on, so they come
    to the module's own parameters, as they do in the line as it stands, and nothing else about the loop changes.

    The same goes for a forward anywhere, where the lines cannot change places: an update by hand in the function that
    has computed the loss, which its caller differentiates.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from fixinplace.model import Edit
from fixinplace.repair.base import Change, Scene
from fixinplace.repair.code import Code
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.lines import Item, holding, last_round, needed
from fixinplace.repair.steps.moving import CannotMove, checked, pasted_before
from fixinplace.repair.steps.paths import begins, path
from fixinplace.repair.steps.situation import Situation

_NAMES = ("weights", "round_weights", "weights_of_round")
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)


def in_rounds_on_copies(at: Situation) -> Iterator[Choice]:
    """The calls whose weights a later round has stepped, on copies of them; see Note [Weights of the round]."""
    loop, module = _loop(at), _module(at)
    edits = None if loop is None or module is None else _edits(at, loop, module)
    if loop is None or module is None or edits is None:
        return
    title = f"`{module}` run on a copy of its weights in each round of the loop in line {loop.lineno}"
    meaning = (
        f"Every part of {at.loss} is differentiated at the weights that its own round used, and the gradients of all "
        f"rounds are added up in the parameters of `{module}`; each round steps where it stood. Nothing flows through "
        f"the steps themselves. It keeps one copy of the weights per round until the backward."
    )
    yield Choice(title, meaning, (Change(at.code.path, edits),), 8)


def on_a_copy(scene: Scene) -> Iterator[Choice]:
    """The forward that saved the weights, on a copy of them, wherever it stands."""
    save = scene.offence.save
    spots = [] if save is None else [spot for place in save.stack if (spot := scene.node(place)) is not None]
    for code, node in spots:
        module = _called(scene, node)
        if module is not None and isinstance(node, ast.Call):
            edits = _copied(code, [code.statement(node)], [node], module)
            if edits is not None:
                yield Choice(
                    f"`{module}` run on a copy of its weights in line {node.lineno}",
                    f"What line {node.lineno} computes is differentiated at the weights that it used, whatever changes "
                    f"them before the backward; the gradients come to the parameters of `{module}`. Nothing flows "
                    f"through that change itself. It keeps a copy of the weights until the backward.",
                    (Change(code.path, edits),),
                    30,
                )
            return


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
    return None if at.frame.save_node is None else _called(at.scene, at.frame.save_node)


def _called(scene: Scene, node: ast.AST) -> str | None:
    called = path(node.func) if isinstance(node, ast.Call) else None
    names = [name for write in scene.offence.writes for name in write.names]
    return called if called is not None and any(name.startswith(f"{called}.") for name in names) else None


def _edits(at: Situation, loop: ast.stmt, module: str) -> tuple[Edit, ...] | None:
    """The weights copied before the first call that the loss needs, and every such call on them; None if it cannot."""
    saving = at.frame.save
    if saving is None:
        return None
    items = last_round(at.reader, at.items, saving)
    chosen = [items[n] for n in sorted(needed(items, at.wanted)[0])]
    calls = [(item, call) for item in chosen if _within(loop, item) for call in _calls(item, module)]
    if not calls or _moves(items, calls, module):
        return None
    return _copied(at.code, [item.node for item, _ in calls], [call for _, call in calls], module)


def _copied(
    code: Code, statements: Sequence[ast.stmt], calls: Sequence[ast.Call], module: str
) -> tuple[Edit, ...] | None:
    """The weights copied before the first of the statements, and the calls on them."""
    function = code.name_of("torch", "func.functional_call") or code.name_of("torch.func", "functional_call")
    name = next((each for each in _NAMES if each not in code.text.text), None)
    if function is None or name is None or not all(isinstance(each, _SIMPLE) for each in statements):
        return None
    copied = f"{name} = {{name: p.clone() for name, p in {module}.named_parameters()}}"
    on = [code.replace(call, _on(code, call, function, name)) for call in calls]
    try:
        return checked(code, (pasted_before(code, statements[0], [copied]), *on))
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
