"""Tensors of inference mode that reach autograd: `no_grad` instead, or a copy outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.index import dotted
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code


def propose(scene: Scene) -> Iterator[Proposal]:
    """`no_grad` for each `inference_mode` of the files that the error has passed through, then a clone at the use."""
    offence = scene.offence
    if offence.rule != "FIP205":
        return
    for code in _files(scene):
        for node in ast.walk(code.tree):
            if isinstance(node, (ast.Name, ast.Attribute)) and dotted(node).endswith("inference_mode"):
                replaced = _replacement(code, node)
                if replaced is not None:
                    title = f"`{replaced}` instead of `{dotted(node)}`"
                    change = Change(code.path, (code.replace(node, replaced),))
                    yield Proposal("inference-mode", Tier.PATCH, title, (change,), rank=8)


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
    what="Writes `torch.no_grad` where `torch.inference_mode` made tensors that autograd has to keep or write.",
    why="An inference tensor has no version counter: autograd can neither save it nor see that it is written.",
    propose=propose,
)
