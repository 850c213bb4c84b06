"""A forward that writes a parameter under a name of its own: a value of its own or the parameter itself, as choices."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from fixinplace.model import Fix
from fixinplace.repair.base import Change, Proof, Proposal, Repair, Scene, Tier
from fixinplace.repair.forms import without_grad
from fixinplace.repair.ran import fix_at
from fixinplace.repair.valued import Valued, valued

NAME = "parameter-as-value"
_VALUE = (
    "`{0}` is a value of its own: {1} keeps what it has learned, and gradients go through the write, to {1} and to "
    "what is written."
)
_ITSELF = (
    "{0} itself is changed, again at every forward; it gets its gradient as if the new value were its own, and what is "
    "written gets none."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """`p += x` as `p = p + x`, or what `p` is bound to cloned; and the write as it is, without grad."""
    found = valued(scene)
    if found is None:
        return
    whose = _whose(scene.offence.note)
    for title, change in _apart(found):
        if found.shares:
            yield Proposal(NAME, Tier.PATCH, title, (change,), rank=10)
        else:
            yield Proposal(NAME, Tier.CHOOSE, title, (change,), _VALUE.format(found.name, whose), 10)
    if not found.shares:
        for each in without_grad.propose(scene):
            yield replace(each, repair=NAME, tier=Tier.CHOOSE, meaning=_ITSELF.format(whose), rank=20,
                          proof=Proof.PLAIN)  # fmt: skip


def _whose(note: str) -> str:
    """`self.bias`, as the trace told it."""
    name = note.partition("it is the parameter ")[2].partition(";")[0].strip()
    return name or "the parameter"


def _apart(found: Valued) -> Iterator[tuple[str, Change]]:
    """The one write of the whole out of place; for parts and for several writes a clone where the name is bound."""
    code, statement = found.code, found.code.statement(found.node)
    whole = isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name)
    outcome = fix_at(code, found.node) if whole and (len(found.writes) == 1 or found.binding is None) else None
    if outcome is not None and isinstance(outcome.fix, Fix):
        yield outcome.fix.title, Change(code.path, outcome.fix.edits)
    elif found.binding is not None:
        value = found.binding.value
        simple = isinstance(value, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
        text = f"{code.source_of(value)}.clone()" if simple else f"({code.source_of(value)}).clone()"
        yield f"`{found.name} = {' '.join(text.split())}`", Change(code.path, (code.replace(value, text),))


REPAIR = Repair(
    name=NAME,
    what="Offers a value of its own (`p = p + x`, `p = self.p.expand(n, -1).clone()`) for a parameter that a forward "
    "writes under another name and computes with, and the write under `torch.no_grad()`.",
    why="Torch refuses the write, so that no run shows what was meant. In place, every forward would change what the "
    "module has learned; that is seldom meant, and only the author knows.",
    propose=propose,
)
