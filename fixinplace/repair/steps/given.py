"""State that an object keeps which is given what flows from the save: `balance(losses)`, with a running mean per loss.

The save itself lies elsewhere, in a network; the object, made in the same function or file of a class of the same
file, reads in a round what it has kept of the last one.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.lines import flat, holding, tainted
from fixinplace.repair.steps.paths import Paths, flows, path, touch
from fixinplace.repair.steps.situation import Situation
from fixinplace.repair.steps.stores import Kept

KeptBy = Callable[[Code, Sequence[Sequence[ast.stmt]]], list[Kept]]


def given_states(at: Situation, kept_by: KeptBy) -> Iterator[Kept]:
    """The states of objects that the frame calls with what carries the save."""
    body = at.frame.body if at.loop is None else at.loop.body
    items = flat(at.reader, body)
    source = holding(items, at.frame.save) if at.frame.save is not None else None
    if source is None:
        return
    _, before = tainted(items, {source: None})
    for item, carrying in zip(items[source:], before[source:], strict=False):
        for call in (each for each in ast.walk(item.node) if isinstance(each, ast.Call)):
            owner, method = _called(at.code, call)
            given = owner and _is_given(call, carrying, at.frame.save_node)
            made = _class(at.code, at.frame.function, owner) if given else None
            for kept in () if made is None else kept_by(at.code, _bodies(made, method)):
                if not kept.is_counter:
                    yield replace(kept, state=owner + kept.state[4:])


def _is_given(call: ast.Call, carrying: Paths, save: ast.AST | None) -> bool:
    """True for a call with what carries the save, or around the save itself: `balance(net(x))`."""
    given = (*call.args, *(each.value for each in call.keywords))
    inside = any(each is save for one in given for each in ast.walk(one))
    return inside or any(touch(flows(each), carrying) for each in given)


def _called(code: Code, call: ast.Call) -> tuple[str, str]:
    """The object, and the name of its method that runs; `__call__` for the object itself."""
    match call.func:
        case ast.Name(id=name):
            return name, "__call__"
        case ast.Attribute(value=owner, attr=attr):
            return path(owner) or "", attr
    return "", ""


def _bodies(made: ast.ClassDef, method: str) -> list[list[ast.stmt]]:
    wanted = ("__call__", "forward") if method == "__call__" else (method,)
    return [each.body for each in made.body if isinstance(each, Function) and each.name in wanted]


def _class(code: Code, function: Function | None, owner: str) -> ast.ClassDef | None:
    """The class of the file that the object is made of, in the function or at the top of the file."""
    classes = {each.name: each for each in code.tree.body if isinstance(each, ast.ClassDef)}
    scopes: list[ast.AST] = [*([function] if function is not None else []), code.tree]
    for scope in scopes:
        for node in ast.walk(scope):
            match node:
                case ast.Assign(targets=[target], value=ast.Call(func=ast.Name(id=name))):
                    if path(target) == owner and name in classes:
                        return classes[name]
    return None
