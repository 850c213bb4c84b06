"""What an object keeps with its graph while the weights are stepped: a constant where it is stored.

Note [Kept by an object]
    A rollout computes `self.logp` once and serves several updates; a table of prototypes is moved towards the
    embeddings of every batch.  The frame that steps and goes backward shows nothing of that: the store lies in a method
    on the way to the save, or in one that is given what comes of it.  So every store of an attribute there that a
    gradient may come through is made a constant in turn.  Runs tell which of them matter: what leaves the graph kept
    elsewhere dies, and is not offered.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator

from fixinplace.repair.base import Scene
from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.choice import Choice, edited
from fixinplace.repair.steps.moving import CannotMove
from fixinplace.repair.steps.paths import bound, flows, path, touch

_RANK, _MANY, _DEPTH = 40, 4, 2
_WHOLE = (
    "`{0}` keeps its value and loses its graph where it is stored: whoever reads it gives no gradient to what computed "
    "it, in this round or a later one."
)
_BEFORE = (
    "What `{0}` held before is a constant: what is stored now still gives a gradient to what computes it in this "
    "round, and none to earlier rounds."
)
_Store = ast.Assign | ast.AnnAssign


def kept(scene: Scene, altogether: bool = True) -> Iterator[Choice]:
    """Each store on the way from the save, first without what the attribute held before, then as a constant."""
    save, found = scene.offence.save, dict[int, tuple[Code, _Store]]()
    for place in save.stack if save is not None else ():
        spot = scene.node(place)
        function = None if spot is None else spot[0].function(spot[1])
        if spot is not None and function is not None:
            source = spot[0].statement(spot[1])
            for each in _stores(spot[0], _from(function, source.lineno), source, frozenset(), _DEPTH):
                found.setdefault(id(each), (spot[0], each))
    for code, store in [*found.values()][:_MANY]:
        yield from _constant(code, store, altogether)


def _from(function: Function, line: int) -> list[ast.stmt]:
    """The statements of a function in their order, compound ones before their parts, from a line on."""
    found = (each for statement in function.body for each in ast.walk(statement) if isinstance(each, ast.stmt))
    return sorted((each for each in found if each.lineno >= line), key=lambda each: each.lineno)


def _stores(
    code: Code, statements: list[ast.stmt], source: ast.stmt | None, carrying: frozenset[str], depth: int
) -> Iterator[_Store]:
    """The stores of attributes that a gradient comes through, in methods that are called as well.

    source: the statement that it comes from. carrying: the paths that carry it from the beginning. depth: of calls.
    """
    for each in statements:
        for call in (node for node in ast.walk(each) if isinstance(node, ast.Call) and depth):
            yield from _of_method(code, call, carrying, depth - 1)
        if isinstance(each, _Store) and each.value and (each is source or touch(flows(each.value), carrying)):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            carrying |= {name for target in targets for name, _ in bound(target)}
            if len(targets) == 1 and (path(targets[0]) or "").startswith("self."):
                yield each


def _of_method(code: Code, call: ast.Call, carrying: frozenset[str], depth: int) -> Iterator[_Store]:
    """The stores of the only method of that name in the file, where it is given what carries the gradient."""
    if not isinstance(call.func, ast.Attribute):
        return
    name = call.func.attr
    owners = [each for each in code.tree.body if isinstance(each, ast.ClassDef)]
    methods = [each for owner in owners for each in owner.body if isinstance(each, Function) and each.name == name]
    if len(methods) != 1:
        return
    parameters = [each.arg for each in methods[0].args.args[1:]]
    given = [*zip(parameters, call.args, strict=False), *((each.arg, each.value) for each in call.keywords)]
    inside = frozenset(name for name, value in given if name is not None and touch(flows(value), carrying))
    if inside:
        yield from _stores(code, _from(methods[0], 0), None, inside, depth)


def _constant(code: Code, store: _Store, altogether: bool) -> Iterator[Choice]:
    target = store.targets[0] if isinstance(store, ast.Assign) else store.target
    name, value = path(target) or "", store.value
    assert value is not None
    loads = (node for node in ast.walk(value) if isinstance(node, ast.Attribute) and path(node) == name)
    before = [*loads] if name in flows(value) else []
    atom = isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Call)
    whole = code.after(value, ".detach()") if atom else code.replace(value, f"({code.source_of(value)}).detach()")
    ways = (([code.after(each, ".detach()") for each in before], _BEFORE), ([whole] if altogether else [], _WHOLE))
    for rank, (edits, meaning) in enumerate(ways):
        what = "what it held before" if meaning is _BEFORE else "what is stored"
        title = f"`{name}` with {what} detached, in `{' '.join(code.source_of(store).split())}`"
        with contextlib.suppress(CannotMove):
            if edits:
                yield edited(code, edits, title, meaning.format(name), _RANK + rank)
