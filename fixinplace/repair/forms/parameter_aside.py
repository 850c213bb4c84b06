"""A forward that writes a parameter of its own object and computes with it: with a copy instead, as a choice.

Note [Written in a forward]
    `self.bank[slot] = code` in a forward is an update that lasts (Note [A parameter or a value] in `valued.py`), or it
    is meant for this forward, with a gradient for what is written.  The first goes under `no_grad`; for the second the
    forward gets a value of its own under a local name.  Only reads behind the write, in the same function, can be given
    that name: what calls `self.base(x)` reads the weight of `self.base` where no name reaches.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code, Function

_NAME = "parameter-aside"
_RULES = ("FIP202", "FIP203")
_MEANING = (
    "`{0}` is a value of its own, made anew in every forward: `{1}` keeps what it has learned, and gradients go "
    "through the write, to `{1}` and to what is written."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """`bank = self.bank.clone()` before the write, and `bank` in it and behind it."""
    offence = scene.offence
    spot = scene.node(offence.writes[0].place) if offence.rule in _RULES and offence.writes else None
    if spot is None or "parameter" not in offence.note:
        return
    code, statement = spot[0], spot[0].statement(spot[1])
    function, written = code.function(statement), copying.written(statement)
    own, _, last = written.rpartition(".")
    if function is None or function.name != "forward" or own != "self" or code.loop(statement) is not None:
        return
    reads = _reads(code, function, statement, written)
    name = next((each for each in (last, f"own_{last}") if each not in _names(function)), None)
    copy = code.before_statement(statement, f"{name} = {written}.clone()")
    if (
        len(reads) < 2
        or not _is_given(statement, written)
        or name is None
        or copy is None
        or statement not in function.body
    ):
        return
    edits = (copy, *(code.replace(each, name) for each in reads))
    title, meaning = f"`{name} = {written}.clone()` before the write", _MEANING.format(name, written)
    yield Proposal(_NAME, Tier.CHOOSE, title, (Change(code.path, edits),), meaning, rank=10)


def _reads(code: Code, function: Function, statement: ast.stmt, written: str) -> list[ast.Attribute]:
    """The mentions of the parameter in the statement and behind it, in the order of the text."""
    start = code.text.span(statement).start
    nodes = [n for n in ast.walk(function) if isinstance(n, ast.Attribute) and copying.path(n) == written]
    found = [n for n in nodes if code.text.span(n).start >= start and ast.unparse(n) == written]
    return sorted(found, key=lambda n: code.text.span(n).start)


def _is_given(statement: ast.stmt, written: str) -> bool:
    """True if anything but the parameter itself and constants is written, which may want a gradient."""
    value = statement.value if isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr) else None
    leaves = [n for n in ast.walk(value) if isinstance(n, ast.Name | ast.Attribute)] if value is not None else []
    paths = {copying.path(n) for n in leaves if isinstance(n.ctx, ast.Load)}
    return any(not each.startswith(f"{written}.") and each not in ("self", "torch", written) for each in paths)


def _names(function: Function) -> set[str]:
    names = {each.id for each in ast.walk(function) if isinstance(each, ast.Name)}
    return names | {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)}


REPAIR = Repair(
    name=_NAME,
    what="Gives a forward that writes a parameter a copy of its own: `bank = self.bank.clone()`, `bank[slot] = code`.",
    why="Torch refuses the write to a parameter; under `no_grad` it would last, and teach nothing that is written.",
    propose=propose,
)
