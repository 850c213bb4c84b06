"""A parameter that a forward writes before each call of its module: the call computes with a copy."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.index import dotted
from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code

_NAME = "weight-copied"
_RULES = ("FIP201", "FIP208", "FIP301", "FIP302", "FIP303")
_RANK = 12


def propose(scene: Scene) -> Iterator[Proposal]:
    """`self.conv(x)`, which keeps `self.conv.weight`, with a clone of that weight."""
    save, write = scene.offence.save, next(iter(scene.offence.writes), None)
    spot, wrote = scene.node(save.place if save else None), scene.node(write.place if write else None)
    if scene.offence.rule not in _RULES or not copying.helps(scene) or spot is None or wrote is None:
        return
    code, node = spot
    call = node.value if isinstance(node, ast.Expr | ast.Return | ast.Assign) else node
    name = copying.written(wrote[0].statement(wrote[1])).removesuffix(".data")
    owner = dotted(call.func) if isinstance(call, ast.Call) else ""
    if not owner or not name.startswith(f"{owner}.") or not isinstance(call, ast.Call):
        return
    text = _called(code, call, name, owner)
    known = code.name_of("torch")
    if text is not None and (known is not None or code.can_import("torch")):
        change = Change(code.path, (code.replace(call, text),), imports=() if known else ("torch",))
        title = f"`{' '.join(code.source_of(call).split())}` with a clone of `{name}`"
        yield Proposal(_NAME, Tier.PATCH, title, (change,), rank=_RANK)


def _called(code: Code, call: ast.Call, name: str, owner: str) -> str | None:
    """The call by torch's `functional_call`; None where what it gives is not spelled out."""
    words = [(word.arg, code.source_of(word.value)) for word in call.keywords]
    if any(isinstance(each, ast.Starred) for each in call.args) or any(key is None for key, _ in words):
        return None
    given = ", ".join(code.source_of(each) for each in call.args) + "," * (len(call.args) == 1)
    named = "".join(f", {{{', '.join(f'{key!r}: {value}' for key, value in words)}}}" if words else "")
    weights = f'{{"{name.removeprefix(owner + ".")}": {name}.clone()}}'
    return f"{code.name_of('torch') or 'torch'}.func.functional_call({owner}, {weights}, ({given}){named})"


REPAIR = Repair(
    name=_NAME,
    what="Calls a module with a copy of the parameter that is written again before the backward: `self.conv(x)` "
    'becomes `torch.func.functional_call(self.conv, {"weight": self.conv.weight.clone()}, (x,))`.',
    why="The next call writes the parameter that this one has kept; the copy stays, and hands its gradient on.",
    propose=propose,
)
