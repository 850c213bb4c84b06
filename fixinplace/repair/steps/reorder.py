"""First choice: the step goes behind the failing backward, so that every backward meets the weights of its forward.

Note [What goes along]
    With the step go what prepares its gradients (`unscale_`, clipping) and what follows it up before the failing
    backward: its schedule, its scaler's update, clearing its gradients, writes to the stepped parameters, and the steps
    of other optimizers.  What the lines between then see are the weights from before the step.  Nothing is moved past a
    jump, nor past a line that it reads from or writes to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from fixinplace.model import Edit
from fixinplace.repair.base import Change
from fixinplace.repair.steps.choice import Choice, joined
from fixinplace.repair.steps.facts import Facts
from fixinplace.repair.steps.lines import common
from fixinplace.repair.steps.moving import CannotMove, cut, moved, pasted_after
from fixinplace.repair.steps.optimizers import clears, disjoint, scaler_update, step_of
from fixinplace.repair.steps.paths import meets, touch
from fixinplace.repair.steps.situation import Situation


@dataclass(frozen=True)
class _Move:
    """What would go behind the statement `behind`; joined: it is dropped instead, since one step is
    enough; loop: the loop that it comes out of."""

    going: tuple[ast.stmt, ...]
    behind: ast.stmt
    joined: bool = False
    loop: ast.For | None = None


def reordered(at: Situation) -> Iterator[Choice]:
    """The choices in which the failing backward comes before the step."""
    try:
        move = _whole_loop(at) or _straight(at)
        if move is None:
            return
        if move.joined:
            yield _one_step(at, move)
            return
        yield from _moved(at, move)
    except CannotMove:
        return


# --- what is moved


def _straight(at: Situation) -> _Move | None:
    shared = common(at.code, at.write, at.needed)
    if shared is None:
        return None
    block, first, last = shared
    behind = block[last]
    if first >= last or block[first] is not at.write or at.code.block(at.write) is None:
        return None
    if at.step is None and not at.whole_update:
        return None
    going = [*_prepares(at, block, first), at.write]
    staying: list[ast.stmt] = []
    for node in block[first + 1 : last]:
        role = _role(at, node)
        if role == "blocks":
            return None
        (going if role == "goes" else staying).append(node)
    if _again(at, block[last:], behind):
        return _joined(at, going, behind, block[last:])
    late = {id(node) for node in going if scaler_update(node)}
    if any(scaler_update(node) for node in block[last + 1 :]):
        going = [node for node in going if id(node) not in late] + [node for node in going if id(node) in late]
    return _Move(tuple(going), behind) if _free(at, going, [*staying, behind], block) else None


def _prepares(at: Situation, block: list[ast.stmt], index: int) -> list[ast.stmt]:
    """The statements right before the step that work on its gradients alone."""
    found: list[ast.stmt] = []
    for node in reversed(block[:index]):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
            break
        name = ast.unparse(node.value.func)
        if not name.endswith(("unscale_", "clip_grad_norm_", "clip_grad_value_")):
            break
        found.insert(0, node)
    return found


def _role(at: Situation, node: ast.stmt) -> str:
    """`goes` along with the step, `stays`, or `blocks` the move."""
    if at.reader.facts(node).jumps:
        return "blocks"
    if step_of(node) is not None or scaler_update(node):
        return "goes"
    owner = clears(node)
    if owner is not None:
        return {True: "goes", False: "stays", None: "blocks"}[_cleared(at, owner)]
    if _schedules(at, node) or _works_on_weights(at, node):
        return "goes"
    inner = [clears(each) for each in ast.walk(node)]
    return "blocks" if any(each is not None and _cleared(at, each) is not False for each in inner) else "stays"


def _cleared(at: Situation, owner: str) -> bool | None:
    """True if clearing this owner's gradients clears those of the step, None if that cannot be told."""
    if at.step is None:
        return False if at.whole_update else None
    if owner == at.step.optimizer:
        return True
    modules = at.modules(at.step.optimizer)
    if modules is not None and any(meets(owner, module) for module in modules):
        return True
    if at.modules(owner) is not None or at.is_optimizer(owner):
        theirs = at.modules(owner)
        return None if modules and theirs and not disjoint(modules, theirs) else False
    return None if modules is None else False


def _schedules(at: Situation, node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="step"))):
            made_for = at.optimizers.schedules(ast.unparse(owner))
            return made_for is None or at.step is None or made_for == at.step.optimizer
    return False


def _works_on_weights(at: Situation, node: ast.stmt) -> bool:
    """True for clamping, averaging and copying the stepped parameters: `for p in net.parameters()`, `soft(net, t)`."""
    modules = (at.modules(at.step.optimizer) if at.step is not None else None) or ()
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Attribute(value=owner, attr="parameters" | "named_parameters" | "state_dict")):
                if ast.unparse(owner) in modules:
                    return True
    match node:
        case ast.Expr(value=ast.Call(args=arguments)):
            return any(ast.unparse(each) in modules for each in arguments)
    return False


def _again(at: Situation, rest: list[ast.stmt], behind: ast.stmt) -> bool:
    """True if the same optimizer steps after the failing backward as well."""
    if at.step is None:
        return False
    nodes = [each for node in rest for each in ast.walk(node) if isinstance(each, ast.stmt)]
    return any((found := step_of(node)) is not None and found.optimizer == at.step.optimizer for node in nodes)


def _joined(at: Situation, going: list[ast.stmt], behind: ast.stmt, rest: list[ast.stmt]) -> _Move | None:
    """Drop the first step and the clearing behind it, where the second step follows in the same block."""
    direct = any((found := step_of(node)) and at.step and found.optimizer == at.step.optimizer for node in rest[1:])
    droppable = (clears(node) is not None or scaler_update(node) or node is at.write for node in going)
    whole = direct and behind is at.needed and all(droppable)
    return _Move(tuple(going), behind, joined=True) if whole else None


def _free(at: Situation, going: list[ast.stmt], staying: list[ast.stmt], block: list[ast.stmt]) -> bool:
    """True if no line that stays reads what goes, or writes what it reads."""
    order = {id(node): n for n, node in enumerate(block)}
    for mover in going:
        mine = at.reader.facts(mover)
        for other in staying:
            if order[id(other)] > order[id(mover)] and not _apart(mine, at.reader.facts(other)):
                return False
    return True


def _apart(mine: Facts, other: Facts) -> bool:
    return not (touch(mine.writes, other.reads | other.writes) or touch(mine.reads, other.binds))


def _whole_loop(at: Situation) -> _Move | None:
    """A loop over optimizers in whose body the step stands, and the failing backward behind the loop."""
    shared = common(at.code, at.write, at.needed)
    if shared is None:
        return None
    block, first, last = shared
    loop = block[first]
    if first >= last or not isinstance(loop, ast.For) or not any(each is at.write for each in loop.body) or loop.orelse:
        return None
    if at.step is None or any(isinstance(node, (ast.Break, ast.Continue, ast.Return)) for node in ast.walk(loop)):
        return None
    between = block[first + 1 : last]
    if any(_role(at, node) != "stays" or not _apart(at.reader.header(loop), at.reader.facts(node)) for node in between):
        return None
    if len(loop.body) == 1:
        return _Move((loop,), block[last])
    return _Move((at.write,), block[last], loop=loop) if _same_again(at, loop.iter) else None


def _same_again(at: Situation, iterable: ast.expr) -> bool:
    """True if iterating once more gives the same: names and attributes, `zip` and the like of them."""
    match iterable:
        case ast.Call(func=ast.Name(id="zip" | "enumerate" | "reversed" | "list"), args=arguments, keywords=[]):
            return all(_same_again(at, each) for each in arguments)
        case ast.Call(func=ast.Name(id="range")) | ast.Tuple() | ast.List():
            return True
        case ast.Call(func=ast.Attribute(value=owner, attr="values" | "items" | "keys"), args=[]):
            return _same_again(at, owner)
        case ast.Attribute(value=owner):
            return _same_again(at, owner)
        case ast.Name(id=name):
            return not at.one_shot(name)
    return False


# --- the choices


def _one_step(at: Situation, move: _Move) -> Choice:
    optimizer = at.optimizer
    meaning = (
        f"`{optimizer}` takes one step on the sum of both gradients, each taken at the weights that its forward used; "
        f"until now it was meant to step once for each."
    )
    title = f"one `{_code(at, at.write)}`, behind `{at.backward.text}`: the earlier one is dropped"
    return Choice(title, meaning, (Change(at.code.path, tuple(cut(at.code, move.going))),), 12)


def _moved(at: Situation, move: _Move) -> Iterator[Choice]:
    change, title = Change(at.code.path, _edits(at, move)), f"`{_code(at, at.write)}` moved behind `{at.backward.text}`"
    if at.whole_update:
        kept = at.backward.with_argument("retain_graph", "True") if at.update_keeps_graph else None
        yield Choice(title, _UPDATE.format(at.backward.text, _code(at, at.write)), joined(change, kept), 12)
    elif not at.backward.accumulates:
        yield Choice(title, _FIRST + ".", (change,), 10)
    else:
        for limited, whom, apart in at.only_later():
            meaning = _LIMITED.format(at.backward.loss, whom, at.optimizer, "" if apart else _UNLESS)
            yield Choice(f"{title}, which is limited to {whom}", meaning, joined(change, limited), 10)
        yield Choice(title, _ADDED.format(at.backward.loss, at.optimizer), (change,), 14)


_FIRST = "Every gradient is taken at the weights that its forward used, and the optimizers step afterwards"
_LIMITED = (
    _FIRST + ". `{0}` gives gradients to {1} alone: `{2}` steps on the gradients of the earlier backward only{3}."
)
_UNLESS = ", unless the two optimizers share parameters"
_ADDED = (
    _FIRST + ". `{0}` also gives gradients to the parameters of `{1}`: they are added to those of the earlier backward "
    "before it steps."
)
_UPDATE = (
    "`{0}` uses the weights that its forward used; all of `{1}`, with its own backward and step, comes afterwards."
)


def _edits(at: Situation, move: _Move) -> tuple[Edit, ...]:
    lines = moved(at.code, move.going)
    if move.loop is not None:
        header = f"for {at.code.source_of(move.loop.target)} in {at.code.source_of(move.loop.iter)}:"
        lines = [header, *(f"    {line}" for line in lines)]
    return (*cut(at.code, move.going), pasted_after(at.code, move.behind, lines))


def _code(at: Situation, node: ast.stmt) -> str:
    return " ".join(at.code.source_of(node).split())
