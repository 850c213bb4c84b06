"""A parameter edited or updated by hand: in place, and under `torch.no_grad()`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proof, Proposal, Repair, Scene, Tier, Wrap
from fixinplace.repair.code import Code
from fixinplace.repair.steps.facts import Reader

_RULES = ("FIP202", "FIP203")
_UPDATE = (
    "An update by hand: the parameter itself gets the new values and keeps them, and they are constants for autograd, "
    "so that whatever computed them gets no gradient through it."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """The refused statement in a block of its own; first choice where a parameter is meant, second for an input."""
    offence = scene.offence
    if offence.rule not in _RULES or not offence.writes:
        return
    spot = scene.node(offence.writes[0].place)
    if spot is None:
        return
    code, node = spot
    statement = code.statement(node)
    known = code.name_of("torch", "no_grad")
    if code.head(statement) is None or (known is None and not code.can_import("torch")):
        return
    no_grad, imports = known or "torch.no_grad", () if known else ("torch",)
    span = code.text.span(statement)
    wrap = Wrap(span.start, span.end, f"with {no_grad}():")
    title = f"`{code.source_of(statement).splitlines()[0]}` under `{no_grad}()`"
    updates = _is_parameter(code, statement, offence.writes[0].names, offence.note)
    rank, excused = (5, _excused(code, statement)) if updates else (20, ())
    change = Change(code.path, wraps=(wrap,), imports=imports)
    yield Proposal("without-grad", Tier.PATCH, title, (change,), rank=rank, otherwise=_UPDATE, excused=excused,
                   proof=Proof.LEAVES | Proof.OWN)  # fmt: skip


def _excused(code: Code, statement: ast.stmt) -> tuple[str, ...]:
    """What the functions of the file are given and return that are called in an update: constants from then on."""
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    found = (Reader(code).called(call, statement) for call in calls)
    return tuple(f"{code.qualified(function)}() " for function in found if function is not None)


def _is_parameter(code: Code, statement: ast.stmt, names: tuple[str, ...], note: str) -> bool:
    """True for what a module or an optimizer holds, what a loop over parameters gives, and steps by `.grad`."""
    text = code.source_of(statement)
    if ".grad" in text or "parameter" in note or any(name.count(".") for name in names):
        return True
    function = code.function(statement)
    if function is not None and function.name == "forward":
        return False
    loop = code.loop(statement)
    over = code.source_of(loop.iter) if isinstance(loop, ast.For) else ""
    return "param" in over or ".weight" in text or ".bias" in text or _of_weight(code, statement)


def _of_weight(code: Code, statement: ast.stmt) -> bool:
    """True if the name that is written was bound, earlier in this function, from a weight or a bias."""
    target: ast.expr | None = statement.target if isinstance(statement, ast.AugAssign) else None
    target = statement.targets[0] if isinstance(statement, ast.Assign) else target
    while isinstance(target, (ast.Subscript, ast.Attribute)):
        target = target.value
    scope: ast.AST = code.function(statement) or code.tree
    if not isinstance(target, ast.Name):
        return False
    bound = [n for n in ast.walk(scope) if isinstance(n, ast.Assign) and n.lineno < statement.lineno]
    texts = (code.source_of(n.value) for n in bound if any(_binds(t, target.id) for t in n.targets))
    return any(word in text for text in texts for word in (".weight", ".bias", "Parameter(", "param"))


def _binds(target: ast.expr, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(target))


REPAIR = Repair(
    name="without-grad",
    what="Puts the statement that writes a leaf, or a view of one, under `torch.no_grad()`; the write stays in place.",
    why="A parameter must stay the tensor that module and optimizer hold; out of place its name would leave it.",
    propose=propose,
)
