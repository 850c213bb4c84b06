"""State that modules on the way to the save keep to themselves, found by the methods that read and bind it.

A module's state is an attribute that a method reads before it binds it.  The state of its parts counts as well: of an
attribute that `__init__` makes of a class of the same file, whose methods are called one after the other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.facts import Reader
from fixinplace.repair.steps.given import given_states
from fixinplace.repair.steps.lines import Item, flat
from fixinplace.repair.steps.paths import Paths, begins, flows, path
from fixinplace.repair.steps.situation import Situation
from fixinplace.repair.steps.stores import Kept, stores

_CALLING = frozenset("_wrapped_call_impl _call_impl __call__ inner".split())
"""Functions between the call of a module and its `forward`; any other of a library may go on to another object."""


def hidden_states(at: Situation) -> Iterator[Kept]:
    """States that a module on the way to the save keeps to itself; what only counts has no graph to lose.

    Where none of these does, an object may that is given what comes of the save.  Of `model.mean` and
    `model.mean.value`, the part of an object that is none of torch's, the latter is the state.
    """
    found = list(_hidden_states(at)) or list(given_states(at, kept_by))
    for kept in found:
        if not any(other.state.startswith(f"{kept.state}.") for other in found):
            yield kept


def _hidden_states(at: Situation) -> Iterator[Kept]:
    offence = at.scene.offence
    owner, started = "", False
    for place in reversed(offence.save.stack if offence.save is not None else ()):
        spot = at.scene.node(place)
        if spot is None:
            owner = owner if place.function.rpartition(".")[2] in _CALLING else ""
            continue
        code, node = spot
        started = started or (code is at.code and code.statement(node) is at.frame.save)
        if not started:
            continue
        function = code.function(node)
        if function is not None and owner.endswith(f".{function.name}"):  # a method, and no part of the object
            owner = owner.rpartition(".")[0]
        if owner and function is not None:
            for kept in (*kept_by(code, [function.body]), *_of_parts(code, function)):
                if not kept.is_counter:
                    yield replace(kept, state=owner + kept.state[4:])
        owner = _object(node, owner)


def _object(node: ast.AST, owner: str) -> str:
    """The object whose method or forward a call runs, as the frame reaches it; empty where it has no path to it."""
    call = next((each for each in ast.walk(node) if isinstance(each, ast.Call)), None)
    called = path(call.func) if call is not None else None
    if called is None:
        return owner
    if called.startswith("self.") and owner:
        return owner + called[4:]
    return called


def kept_by(code: Code, bodies: Sequence[Sequence[ast.stmt]]) -> list[Kept]:
    """The attributes of `self` that methods, one after the other, read before they bind them, and write.

    A slot that is written leaves the others as they were: `self.means[c] = z` binds nothing.
    """
    reader = Reader(code)
    inside = [item for body in bodies for item in flat(reader, body)]
    opened: set[str] = set()
    bindings: set[str] = set()
    writes: set[str] = set()
    for item in inside:
        opened |= {f for f in _flows(item) if not any(begins(f, name) for name in bindings)}
        bindings |= item.facts.binds
        writes |= {name for name in item.facts.writes if name.startswith("self.")}
    found = sorted(name for name in writes if any(begins(each, name) for each in opened))
    statements = [node for body in bodies for node in body]
    return [Kept(name, code, name, tuple(stores(reader, statements, name))) for name in found]


def _flows(item: Item) -> Paths:
    """The paths through which gradients come to a statement, and to what it returns."""
    returned = item.node.value if isinstance(item.node, ast.Return) else None
    return item.facts.flows if returned is None else item.facts.flows | flows(returned)


def _of_parts(code: Code, function: Function) -> Iterator[Kept]:
    """The same for the parts of the object: `self.mem.state`, if `self.mem` reads and binds its `state`."""
    owner = next((up for up in code.up(function) if isinstance(up, ast.ClassDef)), None)
    calls = [path(each.func) or "" for each in ast.walk(function) if isinstance(each, ast.Call)]
    for part, made in _parts(code, owner):
        called = {name.removeprefix(f"{part}.") for name in calls if name.startswith(f"{part}.")}
        methods = [each.body for each in made.body if isinstance(each, Function) and each.name in called]
        yield from (replace(kept, state=part + kept.name[4:]) for kept in kept_by(code, methods))


def _parts(code: Code, owner: ast.ClassDef | None) -> Iterator[tuple[str, ast.ClassDef]]:
    """Attributes of `self` that are made by calling a class of this file."""
    classes = {each.name: each for each in code.tree.body if isinstance(each, ast.ClassDef)}
    for node in ast.walk(owner) if owner is not None else ():
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self")) as target],
                            value=ast.Call(func=ast.Name(id=name))) if name in classes:  # fmt: skip
                yield path(target) or "", classes[name]
