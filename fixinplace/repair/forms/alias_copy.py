"""A copy where an alias past autograd is made: `.detach()`, `.data` and `.numpy()` share the memory."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.trace.events import Place

_COPIES = {"numpy": ".copy()", **dict.fromkeys("detach data from_numpy as_tensor from_dlpack".split(), ".clone()")}
_RULES = ("FIP301", "FIP302")


def propose(scene: Scene) -> Iterator[Proposal]:
    """Each alias in the functions of the save and of the write, the nearest before the write first."""
    offence = scene.offence
    if offence.rule not in _RULES:
        return
    places = [place for write in offence.writes for place in (write.place, *write.stack)]
    places += [offence.save.place, *offence.save.stack] if offence.save else []
    seen: set[tuple[str, int]] = set()
    for place in places:
        spot = scene.node(place) if isinstance(place, Place) else None
        if spot is None:
            continue
        code, node = spot
        scope: ast.AST = code.function(node) or code.tree
        if (code.path, id(scope)) not in seen:
            seen.add((code.path, id(scope)))
            yield from _aliases(code, scope, place.line if place is not None else 0)


def _aliases(code: Code, scope: ast.AST, line: int) -> Iterator[Proposal]:
    found = [node for node in ast.walk(scope) if isinstance(node, ast.expr) and _kind(node) and _kept(code, node)]
    for node in sorted(found, key=lambda node: abs(line - node.lineno)):
        text = f"{code.source_of(node)}{_COPIES[_kind(node)]}"
        title = f"`{' '.join(text.split())}`: a copy instead of an alias"
        yield Proposal("alias-copy", Tier.PATCH, title, (Change(code.path, (code.replace(node, text),)),), rank=4)


def _kind(node: ast.expr) -> str:
    match node:
        case ast.Call(func=ast.Attribute(attr=attr)) if attr in _COPIES and attr != "data":
            return attr
        case ast.Attribute(attr="data", ctx=ast.Load()):
            return "data"
    return ""


def _kept(code: Code, node: ast.expr) -> bool:
    """False inside another alias (`x.detach().numpy()` is copied once) and where something is written through it."""
    parent = code.above.get(id(node))
    if isinstance(parent, ast.Attribute):
        call = code.above.get(id(parent))
        return not (isinstance(call, ast.Call) and (_kind(call) != "" or parent.attr in ("clone", "copy")
                                                    or parent.attr.endswith("_")))  # fmt: skip
    return not isinstance(parent, ast.AugAssign)


REPAIR = Repair(
    name="alias-copy",
    what="Copies where an alias is made that autograd does not see: `a = t.detach().numpy()` gets `.copy()`.",
    why="A write through `.data`, `.detach()` or a numpy view changes what autograd has saved, and nothing counts it.",
    propose=propose,
)
