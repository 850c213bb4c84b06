"""Several writes to a parameter through one view of it: the view is taken of the detached parameter."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proof, Proposal, Repair, Scene, Tier


def propose(scene: Scene) -> Iterator[Proposal]:
    """One `.detach()` where the view is taken, where that stands for more than one block without grad mode."""
    offence = scene.offence
    spot = scene.node(offence.writes[0].place) if offence.rule == "FIP203" and offence.writes else None
    if spot is None or "parameter" not in offence.note:
        return
    code, node = spot
    function = code.function(node)
    name = copying.written(code.statement(node))
    if function is None or not name.isidentifier():
        return
    bound = [each for each in ast.walk(function) if isinstance(each, ast.Assign) and _binds(each, name)]
    writes = [each for each in ast.walk(function) if isinstance(each, ast.stmt) and _writes(each, name)]
    owner = _owner(bound[0].value) if len(bound) == 1 and len(writes) > 1 else None
    if owner is None:
        return
    title = f"`{name}` taken of `{code.source_of(owner)}.detach()`"
    change = Change(code.path, (code.after(owner, ".detach()"),))
    yield Proposal("detached-view", Tier.PATCH, title, (change,), rank=4, proof=Proof.LEAVES)


def _binds(assignment: ast.Assign, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in assignment.targets)


def _writes(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.AugAssign() | ast.Assign(targets=[ast.Subscript()]) | ast.Expr(value=ast.Call()):
            return copying.written(statement) == name
    return False


def _owner(view: ast.expr) -> ast.Attribute | None:
    """The attribute that a view is taken of: `head.bias` in `head.bias.view(3, -1)`; None for anything else."""
    while True:
        match view:
            case ast.Call(func=ast.Attribute(value=ast.Attribute() as inner)):
                return inner
            case ast.Call(func=ast.Attribute(value=inner)) | ast.Subscript(value=inner):
                view = inner
            case ast.Attribute():
                return view
            case _:
                return None


REPAIR = Repair(
    name="detached-view",
    what="Takes the view of the detached parameter: `head.bias.view(3, -1)` becomes `head.bias.detach().view(3, -1)`.",
    why="The view shares the parameter's memory and not its history, so that all writes through it stay in place.",
    propose=propose,
)
