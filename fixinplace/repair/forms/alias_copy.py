"""A copy where an alias past autograd is made: `.detach()`, `.data` and `.numpy()` share the memory."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.trace.events import Place

_COPIES = {"numpy": ".copy()", **dict.fromkeys("detach data from_numpy as_tensor from_dlpack".split(), ".clone()")}
_FOREIGN = ("numpy", "from_numpy", "as_tensor", "from_dlpack")
_MOST = 6
_RULES = ("FIP301", "FIP302")


def propose(scene: Scene) -> Iterator[Proposal]:
    """Each alias in the files of the save and of the write: of the written thing first, then those in their functions,
    then the nearest."""
    offence = scene.offence
    if offence.rule not in _RULES:
        return
    places = [place for write in offence.writes for place in (write.place, *write.stack)]
    places += [offence.save.place, *offence.save.stack] if offence.save else []
    seen: set[str] = set()
    held = copying.owners(scene)
    for place in places:
        spot = scene.node(place) if isinstance(place, Place) else None
        if spot is not None and spot[0].path not in seen:
            seen.add(spot[0].path)
            yield from _aliases(*spot, held, foreign=offence.rule == "FIP302")


def _aliases(code: Code, at: ast.expr | ast.stmt, held: frozenset[str], foreign: bool) -> Iterator[Proposal]:
    found = [node for node in ast.walk(code.tree) if isinstance(node, ast.expr) and _kind(node) and _kept(code, node)]
    found = [node for node in found if not foreign or _kind(node) in _FOREIGN]
    home = code.function(at)

    def distance(node: ast.expr) -> tuple[bool, bool, int]:
        other = not any(copying.path(each) in held for each in copying.operands(node))
        return other, code.function(node) is not home, abs(at.lineno - node.lineno)

    for node in sorted(found, key=distance)[:_MOST]:
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
