"""A copy where a function is called that writes into its argument: what it is given was saved before.

Note [The guilty call]
    A function that writes into what it is given may be right to do so: its name says it (`clip_`), and other callers
    count on it.  Wrong is the one call that gives it something which autograd has kept; a copy is given there, if the
    call's result is used, since what is written to the copy shows nowhere else.  The argument is followed from the name
    that is written outwards, as long as each function has it under a parameter that it never binds anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.paths import path

_NAME = "clone-given"
_LEVELS = 3
_SOONEST, _LATE = 8, 36
_VIEWS = "view reshape flatten squeeze unsqueeze t transpose permute narrow select detach".split()


def propose(scene: Scene) -> Iterator[Proposal]:
    """The argument that is written, call by call outwards from the line that wrote."""
    write = scene.offence.writes[0] if scene.offence.writes else None
    spot = scene.node(write.place) if write is not None else None
    if write is None or spot is None or not copying.is_overwritten(scene):
        return
    code, node = spot
    function = code.function(node)
    name = _viewed(function, _written(code, node))
    for level, place in enumerate([each for each in write.stack if each != write.place][:_LEVELS]):
        outer = scene.node(place)
        given = _given(outer[1], function, name) if outer is not None and function is not None else None
        if outer is None and function is not None and level:
            yield from _at_start(code, function, name, _LATE + level)
        if outer is None or function is None or given is None:
            return
        code, call = outer
        if not _is_copy(given):
            rank = (_SOONEST if _promises(function) else _LATE) + level
            title = f"`{' '.join(code.source_of(given).split())}` cloned where it is given to `{function.name}`"
            yield copying.copied(_NAME, code, [given], rank, title)
        name, function = copying.path(given), code.function(call)


def _at_start(code: Code, function: Function, name: str, rank: int) -> Iterator[Proposal]:
    """The argument cloned as the first thing, where a library makes the call: a module in a `Sequential`."""
    arguments = (*function.args.posonlyargs, *function.args.args)
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    first = code.before_statement(body[0], f"{name} = {name}.clone()") if body else None
    if first is not None and name in (each.arg for each in arguments):
        title = f"`{name}` cloned where `{function.name}` begins"
        yield Proposal(_NAME, Tier.PATCH, title, (Change(code.path, (first,)),), rank=rank)


def _viewed(function: Function | None, name: str) -> str:
    """The argument that a local name is a view of, by the one assignment that binds it; else the name itself."""
    bound = [each.value for each in ast.walk(function) if isinstance(each, ast.Assign)
             and [path(t) for t in each.targets] == [name]] if function is not None else []  # fmt: skip
    match bound:
        case [ast.Call(func=ast.Attribute(value=ast.Name(id=whole), attr=attr))] if attr in _VIEWS:
            return whole
        case [ast.Subscript(value=ast.Name(id=whole))]:
            return whole
    return name


def _written(code: Code, node: ast.expr | ast.stmt) -> str:
    """The path that a call of a method writes, wherever it stands, or that a statement does."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner)):
            return copying.path(owner)
    return copying.written(code.statement(node))


def _given(call: ast.expr | ast.stmt, function: Function, name: str) -> ast.expr | None:
    """What a call gives for a parameter that its function never binds anew; None where that cannot be told.

    None too for a call that is a statement of its own: nobody would see the copy.
    """
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    bound = [each for each in ast.walk(function) if isinstance(each, ast.Name) and each.id == name
             and not isinstance(each.ctx, ast.Load) and not _is_target(function, each)]  # fmt: skip
    if not isinstance(call, ast.Call) or bound or any(isinstance(each, ast.Starred) for each in call.args):
        return None
    names = names[1:] if names[:1] == ["self"] else names
    given = dict(zip(names, call.args, strict=False)) | {each.arg or "": each.value for each in call.keywords}
    known = name in [*names, *(each.arg for each in function.args.kwonlyargs)]
    return given.get(name) if known else None


def _is_target(function: Function, name: ast.Name) -> bool:
    """True for the name in `name += 1`, which stays the same tensor."""
    return any(isinstance(each, ast.AugAssign) and each.target is name for each in ast.walk(function))


def _is_copy(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "clone"


def _promises(function: Function) -> bool:
    """True for a name that says that the argument is written, as torch's own do."""
    return function.name.endswith("_") and not function.name.endswith("__")


REPAIR = Repair(
    name=_NAME,
    what="Clones the argument where a function is called that writes into it: `clip_(h)` becomes `clip_(h.clone())`.",
    why="The function keeps what its name and its other callers promise, and autograd keeps the tensor as it was.",
    propose=propose,
)
