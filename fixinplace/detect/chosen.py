"""Names that a function binds to one of some classes: `block = Wide if width > 64 else Narrow`."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence

from fixinplace.detect.scopes import bindings
from fixinplace.walking import every


def chosen(name: str, body: Sequence[ast.stmt], call: ast.Call | None) -> tuple[str, ...]:
    """The names that a local name may be another one for; none if it may be anything else.

    call: where a parameter is called that is bound anew: the statements that do so come before it, whatever runs.
    """
    if call is not None and not any(one.lineno < call.lineno and _known(one, name) for one in body):
        return ()
    values = [value for statement in body for value in _bound(statement, name)]
    names = [each for value in values for each in (_either(value) if value is not None else [""])]
    if not names or "" in names or Counter(bindings(body))[name] != len(values):
        return ()
    return tuple(dict.fromkeys(names))


def _known(statement: ast.stmt, name: str) -> bool:
    return isinstance(statement, ast.Assign) and None not in _bound(statement, name) and bool(_bound(statement, name))


def _bound(statement: ast.stmt, name: str) -> list[ast.expr | None]:
    """What a name is bound to by assignments, and None for any other binding."""
    plain = [
        (one.targets[0], one.value)
        for one in every(statement, ast.Assign)
        if len(one.targets) == 1 and isinstance(one.targets[0], ast.Name)
    ]
    known: dict[int, ast.expr] = {id(target): value for target, value in plain}
    stores = (one for one in every(statement, ast.Name) if one.id == name and not isinstance(one.ctx, ast.Load))
    return [known.get(id(one)) for one in stores]


def _either(value: ast.expr) -> list[str]:
    match value:
        case ast.Name(id=name):
            return [name]
        case ast.IfExp(body=body, orelse=orelse):
            return [*_either(body), *_either(orelse)]
    return [""]
