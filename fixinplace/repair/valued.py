"""Whether a refused write to a parameter was meant for the parameter, or for a value that a forward computes with.

Note [A parameter or a value]
    Initialisation, surgery, clipping and updates by hand mean the parameter, and go under `no_grad`.  A forward that
    takes a parameter under a name of its own (`bias = self.bias.expand(n, -1)`), writes that and goes on to compute
    with it may mean either, and so may any function that returns what it makes of both (`w /= w.norm(); return x @ w`).
    In place, every forward changes what the module has learned, and what is written gets no gradient, which is hardly
    ever what was meant; and no run can show it, since torch refuses the write.  So these are choices.  Where elements
    of the written tensor share memory (an expanded one), a write in place would reach others than it names: only a
    value of its own is left.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from fixinplace.repair import copying
from fixinplace.repair.base import Scene
from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.paths import flows, touch
from fixinplace.trace.events import Write

SHARING = "elements of the tensor share memory"
_LEAVES = ("FIP202", "FIP203")
_FORWARDS = ("forward", "__call__")


@dataclass(frozen=True)
class Valued:
    """The write, the local name that it goes to, and the one assignment that binds that, if it is plainly one."""

    code: Code
    node: ast.expr | ast.stmt
    name: str
    binding: ast.Assign | None
    writes: tuple[ast.stmt, ...]
    shares: bool


def valued(scene: Scene) -> Valued | None:
    """The write of a forward to a parameter under a local name, if that name is read again behind it."""
    offence = scene.offence
    spot = scene.node(offence.writes[0].place) if offence.rule in _LEAVES and offence.writes else None
    if spot is None or "parameter" not in offence.note:
        return None
    code, node = spot
    function, name = code.function(node), copying.written(code.statement(node))
    if function is None or not name.isidentifier():
        return None
    if not _in_forward(offence.writes[0]) and not _computes(function, name):
        return None
    writes = tuple(each for each in ast.walk(function) if isinstance(each, ast.stmt) and _writes(each, name))
    bound = [code.statement(each) for each in ast.walk(function) if _binds(each, name)]
    bound = [each for each in bound if each not in writes]
    given = name in (each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg))
    if not (bound or given) or not all(isinstance(each, ast.Assign) for each in bound):
        return None
    if not _read_again(code, function, name, node, writes):
        return None
    return Valued(code, node, name, _only(bound, given), writes, SHARING in offence.note)


def _only(bound: Sequence[ast.stmt], given: bool) -> ast.Assign | None:
    """The one plain assignment that binds a name; None where several do, or a tuple, or an argument has it."""
    match bound:
        case [ast.Assign(targets=[ast.Name()]) as only] if not given:
            return only
    return None


def _in_forward(write: Write) -> bool:
    """True if the write, or a call on the way to it, stands in a forward of the user's."""
    places = [place for place in (write.place, *write.stack) if place is not None]
    return any(place.function.rpartition(".")[2] in _FORWARDS for place in places)


def _computes(function: Function, name: str) -> bool:
    """True if a function returns what it computes from the name and its arguments: a forward by another name."""
    given = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)} - {name, "self"}
    returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]
    used = [flows(each) for each in returned if not isinstance(each, ast.Tuple | ast.List | ast.Dict)]
    return any(touch(each, [name]) and touch(each, given) for each in used)


def _binds(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)


def _writes(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.AugAssign() | ast.Assign(targets=[ast.Subscript()]):
            return copying.written(statement) == name
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr))) if attr.endswith("_"):
            return copying.written(statement) == name
    return False


def _read_again(
    code: Code, function: Function, name: str, node: ast.expr | ast.stmt, writes: tuple[ast.stmt, ...]
) -> bool:
    """True if the name is read behind the write, by anything but further writes to it."""
    end = code.text.span(code.statement(node)).end
    names = (each for each in ast.walk(function) if isinstance(each, ast.Name) and each.id == name)
    later = [each for each in names if isinstance(each.ctx, ast.Load) and code.text.span(each).start >= end]
    return any(code.statement(each) not in writes for each in later)
