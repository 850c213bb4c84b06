"""A tensor made as a leaf that requires grad, and then filled: nobody asks for its gradient, so it need not be one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.index import dotted
from fixinplace.model import Edit, Span
from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proof, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code

NAME = "leaf-unasked"
_ASKING = ("grad", "backward", "retain_grad", "register_hook")
_RANK = 4


def propose(scene: Scene) -> Iterator[Proposal]:
    """`requires_grad=True` dropped where the written tensor is made, in the same function."""
    offence = scene.offence
    spot = scene.node(offence.writes[0].place) if offence.rule in ("FIP202", "FIP203") and offence.writes else None
    if spot is None:
        return
    code, node = spot
    name = copying.written(code.statement(node)).partition(".")[0]
    scope = code.function(node)
    made = _made(scope, name) if scope is not None and not _is_asked(scope, name) else None
    edit = _without(code, made) if made is not None else None
    if made is not None and edit is not None:
        title = f"`{' '.join(code.source_of(made).split())}` made without `requires_grad`"
        yield Proposal(NAME, Tier.PATCH, title, (Change(code.path, (edit,)),), rank=_RANK, proof=Proof.UNASKED)


def _made(scope: ast.AST, name: str) -> ast.Call | None:
    """The one call that a name of the function is bound to."""
    bound = [each for each in ast.walk(scope) if isinstance(each, ast.Name) and each.id == name
             and not isinstance(each.ctx, ast.Load)]  # fmt: skip
    found = [each.value for each in ast.walk(scope) if isinstance(each, ast.Assign) and bound == each.targets]
    return found[0] if len(found) == 1 and isinstance(found[0], ast.Call) else None


def _is_asked(scope: ast.AST, name: str) -> bool:
    """True if anybody asks for the gradient of a name, or may: `x.grad`, `autograd.grad(y, x)`, an optimizer's list."""
    for node in ast.walk(scope):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=attr) if owner == name and attr in _ASKING:
                return True
            case ast.Call(func=func, args=args) if dotted(func).rpartition(".")[2] == "grad" or "optim" in dotted(func):
                if any(isinstance(one, ast.Name) and one.id == name for each in args for one in ast.walk(each)):
                    return True
    return False


def _without(code: Code, call: ast.Call) -> Edit | None:
    """The call without the argument, or without `.requires_grad_()` behind it."""
    match call:
        case ast.Call(func=ast.Attribute(value=inner, attr="requires_grad_"), args=[], keywords=[]):
            return Edit(Span(code.text.span(inner).end, code.text.span(call).end), "")
    parts = [*call.args, *(word.value for word in call.keywords)]
    for word in call.keywords:
        if word.arg == "requires_grad" and ast.unparse(word.value) == "True" and parts[-1] is word.value and parts[:-1]:
            return Edit(Span(code.text.span(parts[-2]).end, code.text.span(word.value).end), "")
    return None


REPAIR = Repair(
    name=NAME,
    what="Makes a tensor that is filled afterwards without `requires_grad=True`: `torch.zeros(n, requires_grad=True)` "
    "becomes `torch.zeros(n)`.",
    why="What is stored into it brings its own history; a leaf refuses the store, and nobody asks for its gradient.",
    propose=propose,
)
