"""What goes along with a step that moves, what stays where it is, and what forbids the move.

Note [What goes along]
    With the step go what prepares its gradients (`unscale_`, clipping) and what follows it up before the failing
    backward: its schedule, its scaler's update, clearing its gradients, writes to the stepped parameters, and the steps
    of other optimizers.  What the lines between then see are the weights from before the step.  Nothing is moved past a
    jump, nor past a line that it reads from or writes to.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from fixinplace.repair.steps.facts import Facts
from fixinplace.repair.steps.optimizers import clears, disjoint, scaler_update, step_of
from fixinplace.repair.steps.paths import EMPTY, meets, touch
from fixinplace.repair.steps.situation import Situation


def divided(at: Situation, between: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]] | None:
    """The lines between that go along, and those that stay; None where one of them forbids the move."""
    going: list[ast.stmt] = []
    staying: list[ast.stmt] = []
    optimizers: list[str] = []
    for node in between:
        role = "goes" if any(each is at.write for each in ast.walk(node)) else role_of(at, node, optimizers)
        if role == "blocks":
            return None
        (going if role == "goes" else staying).append(node)
        optimizers += stepping([node])
    return going, staying


def role_of(at: Situation, node: ast.stmt, optimizers: list[str]) -> str:
    """`goes` along with the steps of these optimizers, `stays`, or `blocks` the move."""
    if at.reader.facts(node).jumps:
        return "blocks"
    if step_of(node) is not None or scaler_update(node) or prepares_a_step(node):
        return "goes"
    owner = clears(node)
    if owner is not None:
        return {True: "goes", False: "stays", None: "blocks"}[cleared(at, owner, optimizers)]
    if _schedules(at, node, optimizers) or works_on_weights(at, node):
        return "goes"
    nested = [each for each in ast.walk(node) if isinstance(each, ast.stmt) and each is not node]
    inner = [owner for each in nested if (owner := clears(each)) is not None]
    held = any(cleared(at, each, optimizers) is not False for each in inner)
    return "blocks" if held or any(step_of(each) for each in nested) else "stays"


def prepares(block: Sequence[ast.stmt], index: int) -> list[ast.stmt]:
    """The statements right before the step that work on its gradients alone."""
    found: list[ast.stmt] = []
    for node in reversed(block[:index]):
        if not prepares_a_step(node):
            break
        found.insert(0, node)
    return found


def prepares_a_step(node: ast.stmt) -> bool:
    """True for unscaling and clipping."""
    match node:
        case ast.Expr(value=ast.Call(func=called)) | ast.Assign(value=ast.Call(func=called)):
            return ast.unparse(called).endswith(("unscale_", "clip_grad_norm_", "clip_grad_value_"))
    return False


def cleared(at: Situation, owner: str, optimizers: list[str]) -> bool | None:
    """True if clearing this owner's gradients clears those of the steps, None if that cannot be told."""
    if at.whole_update and not optimizers:
        return False
    if at.by_hand is not None and not at.uses_gradients:
        return False
    if at.by_hand is not None:
        return None if at.stepped is None else any(meets(at.full(owner), at.full(module)) for module in at.stepped)
    found = [_clears_for(at, owner, optimizer) for optimizer in optimizers]
    return True if True in found else None if None in found else False


def _clears_for(at: Situation, owner: str, optimizer: str) -> bool | None:
    if owner == optimizer:
        return True
    modules, theirs = at.modules(optimizer), at.modules(owner)
    if modules is not None and any(meets(at.full(owner), at.full(module)) for module in modules):
        return True
    if at.is_loop_variable(owner.split(".", maxsplit=1)[0]):
        return None
    if theirs is not None or at.is_optimizer(owner):
        return None if modules and theirs and not disjoint(modules, theirs) else False
    return None if modules is None else False


def _schedules(at: Situation, node: ast.stmt, optimizers: list[str]) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="step"))):
            made_for = at.optimizers.schedules(ast.unparse(owner))
            return made_for is None or made_for in optimizers
    return False


def works_on_weights(at: Situation, node: ast.stmt, this: str = "self", inside: tuple[ast.AST, ...] = ()) -> bool:
    """True for clamping, averaging and copying the stepped parameters: `for p in net.parameters()`, `soft(net, t)`.

    this: what `self` is for whoever called the method in which the statement stands, `critic` for `critic.clip()`.
    inside: the functions that were gone into; `self.base.step()` within the file's one `step` is somebody else's.
    """
    modules = [at.full(module) for module in at.stepped or ()]
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Attribute(value=owner, attr="parameters" | "named_parameters" | "state_dict")):
                if at.full(_seen(owner, this)) in modules:
                    return True
    match node:
        case ast.Expr(value=ast.Call(args=[], keywords=[]) as call):
            of = _seen(call.func.value, this) if isinstance(call.func, ast.Attribute) else this
            helper = at.reader.called(call, node) or _method(at, call.func)
            if helper is None or helper in inside:
                return False
            return all(works_on_weights(at, each, of, (*inside, helper)) for each in _steps(helper.body))
        case ast.Expr(value=ast.Call(args=arguments)):
            return any(at.full(ast.unparse(each)) in modules for each in arguments)
    return False


def _method(at: Situation, called: ast.expr) -> ast.FunctionDef | None:
    """The one method of this name in the file, whatever object has it."""
    name = called.attr if isinstance(called, ast.Attribute) else ""
    classes = [each for each in at.reader.code.tree.body if isinstance(each, ast.ClassDef)]
    found = [each for one in classes for each in one.body if isinstance(each, ast.FunctionDef) and each.name == name]
    return found[0] if len(found) == 1 else None


def _seen(owner: ast.expr, this: str) -> str:
    """An expression of a method, as its caller would write it."""
    first, dot, rest = ast.unparse(owner).partition(".")
    return f"{this if first == 'self' else first}{dot}{rest}"


def _steps(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements of a body: without a docstring, those of a `with` instead of the `with`."""
    found: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.With):
            found += _steps(node.body)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            found.append(node)
    return found


def stepping(nodes: list[ast.stmt]) -> list[str]:
    """The optimizers that step somewhere in these statements."""
    inner = (each for node in nodes for each in ast.walk(node) if isinstance(each, ast.stmt))
    return [step.optimizer for each in inner if (step := step_of(each)) is not None]


def apart(mine: Facts, other: Facts, at: Situation) -> bool:
    """True if two statements may change places; a scaler is asked for its scale in between, which stays."""
    scaler = frozenset({at.step.scaler}) if at.step is not None else EMPTY
    return not (touch(mine.writes - scaler, other.reads | other.writes) or touch(mine.reads, other.binds))
