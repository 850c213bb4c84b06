"""Switches of a constructor: parameters that it tests more than once, read with either value.

Note [Switches of a constructor]
    `if grow_first: rep.append(...)` and, further down, `if not grow_first: rep.append(...)` add one part between them,
    never none and never two.  Branches that are joined one by one forget that, so that the constructor is read once
    for each value of such a parameter, and what it made is joined at the end.  A switch is a parameter that is a bool
    by its default or annotation and that is never bound again: what else is truthy may change in between.
    What a constructor writes into tensors is an initialiser's, so that no write is judged by one reading alone.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product

from fixinplace.detect.liveness import Function
from fixinplace.walking import every

_MOST = 2
Assumed = Mapping[str, bool]
NOTHING: Assumed = {}


def readings(function: Function) -> list[Assumed]:
    """The values of its switches with which a constructor is read; one that assumes nothing if it has none."""
    names = list(islice(_switches(function), _MOST)) if function.name == "__init__" else []
    return [dict(zip(names, values, strict=True)) for values in product((True, False), repeat=len(names))]


def _switches(function: Function) -> Iterator[str]:
    tests = Counter(found[0] for one in every(function, ast.If) if (found := _tested(one.test)) is not None)
    bound = {one.id for one in every(function, ast.Name) if not isinstance(one.ctx, ast.Load)}
    bound |= {name for one in every(function, ast.Nonlocal) for name in one.names}
    for name in _bools(function):
        if tests[name] > 1 and name not in bound:
            yield name


def _bools(function: Function) -> Iterator[str]:
    a = function.args
    plain = [*a.posonlyargs, *a.args]
    defaults: Sequence[ast.expr | None] = [*[None] * (len(plain) - len(a.defaults)), *a.defaults, *a.kw_defaults]
    for each, default in zip([*plain, *a.kwonlyargs], defaults, strict=True):
        by_default = isinstance(default, ast.Constant) and isinstance(default.value, bool)
        if by_default or (isinstance(each.annotation, ast.Name) and each.annotation.id == "bool"):
            yield each.arg


def _tested(test: ast.expr) -> tuple[str, bool] | None:
    match test:
        case ast.Name(id=name):
            return name, True
        case ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=name)):
            return name, False
    return None


def outcome(test: ast.expr, assumed: Assumed) -> bool | None:
    """What a test comes to; None if that is not assumed."""
    found = _tested(test)
    return None if found is None or found[0] not in assumed else assumed[found[0]] is found[1]
