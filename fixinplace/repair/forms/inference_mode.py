"""Tensors of inference mode that reach autograd: `no_grad` instead, or a copy outside.

Note [Who else has it]
    Torch refuses to write a tensor of inference mode outside of it, so no run has ever shown what such a write means.
    Where a function writes what it was given, its caller may keep the tensor (a cache of features), and would find it
    written under `no_grad`, again in every round: a copy and `no_grad` are two meanings then, and a choice.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from fixinplace.detect.index import dotted
from fixinplace.imports import reachable
from fixinplace.model import Edit
from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.steps.paths import base
from fixinplace.repair.wording import only_kept

_NAME = "inference-mode"
_REACHES = (
    "The write reaches the tensor itself: whoever else has `{}`, as a cache does, finds it changed, in every round "
    "anew, and with the graph of what was added."
)
_COPIES = "The function writes a copy of its own; whoever gave it `{}` keeps that as it was."


def propose(scene: Scene) -> Iterator[Proposal]:
    """`no_grad` for each `inference_mode` of the files that the error has passed through, then a clone at the use.

    Where these files have none, those that they import may: what made the tensor has returned long ago.
    """
    offence = scene.offence
    if offence.rule != "FIP205":
        return
    given = _given(scene)
    for code, node, replaced in _switches(scene):
        title = f"`{replaced}` instead of `{dotted(node)}`"
        change = Change(code.path, (code.replace(node, replaced),))
        tier, meaning = Tier.PATCH if given is None else Tier.CHOOSE, "" if given is None else _REACHES
        yield Proposal(_NAME, tier, title, (change,), meaning.format(given and given.name), rank=8)
    if only_kept(offence):
        yield from _copied(scene)
    if given is not None and given.edit is not None:
        change, meaning = Change(given.path, (given.edit,)), _COPIES.format(given.name)
        yield Proposal(_NAME, Tier.CHOOSE, f"`{given.name}` copied before it is written", (change,), meaning, rank=6)


def _switches(scene: Scene) -> list[tuple[Code, ast.expr, str]]:
    """What switches inference mode on, with what to write instead: in the nearest files that do."""
    near = list(_files(scene))
    return _in_files(near) or _in_files(_imported(near, scene))


def _in_files(files: Iterable[Code]) -> list[tuple[Code, ast.expr, str]]:
    found: list[tuple[Code, ast.expr, str]] = []
    for code in files:
        for node in ast.walk(code.tree):
            if isinstance(node, (ast.Name, ast.Attribute)) and dotted(node).endswith("inference_mode"):
                replaced = _replacement(code, node)
                found += [] if replaced is None else [(code, node, replaced)]
    return found


def _imported(files: Sequence[Code], scene: Scene) -> list[Code]:
    def tree_of(path: PurePath) -> ast.Module | None:
        code = scene.files(str(path))
        return None if code is None else code.tree

    known = {code.path for code in files}
    paths = {str(path) for code in files for path in reachable(PurePath(code.path), tree_of)} - known
    return [code for path in sorted(paths) if (code := scene.files(path)) is not None]


def _copied(scene: Scene) -> Iterator[Proposal]:
    """Each operand of what would have kept the tensor, cloned where it is read."""
    spot = scene.node(scene.offence.writes[0].place) if scene.offence.writes else None
    if spot is None or not isinstance(spot[1], ast.expr):
        return
    for operand in copying.operands(spot[1]):
        if not isinstance(operand, ast.Constant):
            yield copying.copied(_NAME, spot[0], [operand], rank=10)


@dataclass(frozen=True)
class _Given:
    """A parameter that its function writes, and the edit that copies it before; None where the line has no place."""

    name: str
    path: str
    edit: Edit | None


def _given(scene: Scene) -> _Given | None:
    """See Note [Who else has it]."""
    spot = scene.node(scene.offence.writes[0].place) if scene.offence.writes else None
    function = None if spot is None else spot[0].function(spot[1])
    if spot is None or function is None:
        return None
    code, statement = spot[0], spot[0].statement(spot[1])
    match statement:
        case ast.AugAssign(target=target):
            name = base(target)
        case ast.Expr(value=ast.Call() as call) | ast.Assign(value=ast.Call() as call):
            name = base(call)
        case _:
            return None
    arguments = function.args
    names = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    bound = {each.id for each in ast.walk(function) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
             and (each.lineno, each.col_offset) < (statement.lineno, statement.col_offset)}  # fmt: skip
    if name is None or name not in names - bound:
        return None
    return _Given(name, code.path, code.before_statement(statement, f"{name} = {name}.clone()"))


def _replacement(code: Code, node: ast.Name | ast.Attribute) -> str | None:
    """`torch.no_grad` in the spelling of this file; a call with `False` or a variable switches nothing on."""
    call = code.above.get(id(node))
    if isinstance(call, ast.Call) and call.func is node and call.args:
        return None
    parent = dotted(node).rpartition(".")[0]
    return f"{parent}.no_grad" if parent else code.name_of("torch", "no_grad")


def _files(scene: Scene) -> Iterator[Code]:
    offence = scene.offence
    places = [offence.save.place if offence.save else None, offence.needed, *offence.needed_stack]
    places += [place for write in offence.writes for place in (write.place, *write.stack)]
    places += list(offence.save.stack) if offence.save else []
    seen: set[str] = set()
    for place in places:
        code = scene.files(place.file) if place is not None else None
        if code is not None and code.path not in seen:
            seen.add(code.path)
            yield code


REPAIR = Repair(
    name="inference-mode",
    what="Writes `torch.no_grad` where `torch.inference_mode` made tensors that autograd has to keep or write; or "
    "copies a parameter before it is written, where the caller may have the tensor as well.",
    why="An inference tensor has no version counter: autograd can neither save it nor see that it is written.",
    propose=propose,
)
