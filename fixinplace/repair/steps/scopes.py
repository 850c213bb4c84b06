"""What a method calls a module by a name of its own, as every other method of the class can write it.

Note [Names of another method]
    `a = self.agent` in `__init__` makes `a.actor` there what is `self.agent.actor` everywhere; so does `self.net = net`
    for the parameter `net`.  A name that is bound more than once, or that hangs on no attribute, has no such text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.code import Function
from fixinplace.repair.steps.paths import path

_HOPS = 3


def everywhere(module: str, function: Function) -> str | None:
    """A module's text without the local names of a method; None where that cannot be said.

    See Note [Names of another method].
    """
    tree = ast.parse(module, mode="eval").body
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    own = {name for name in names - {"self"} if _bindings(function, name)}
    if not own:
        return module
    found = path(tree)
    return None if found is None else _hung(found, function, _HOPS)


def _hung(found: str, function: Function, hops: int) -> str | None:
    """The path, with its first name written as the attribute of `self` that it is."""
    name, dot, rest = found.partition(".")
    bindings = _bindings(function, name)
    if name == "self" or not bindings:
        return found
    if len(bindings) > 1 or not hops:
        return None
    others = {each for each in _others(function, name) if each != name}
    on_self = sorted(each for each in others if each.startswith("self."))
    if on_self:
        return on_self[0] + dot + rest
    through = {_hung(each, function, hops - 1) for each in _values(function, name)}
    only = through.pop() if len(through) == 1 else None
    return None if only is None or not only.startswith("self.") else only + dot + rest


def _bindings(function: Function, name: str) -> list[ast.AST]:
    """Where a function binds a name: as a parameter, or anywhere in its body, comprehensions included."""
    found: list[ast.AST] = []
    for node in ast.walk(function):
        match node:
            case ast.arg(arg=bound) if bound == name:
                found.append(node)
            case ast.Name(id=bound, ctx=ast.Store() | ast.Del()) if bound == name:
                found.append(node)
    return found


def _values(function: Function, name: str) -> Iterator[str]:
    """The paths that a plain assignment gives to a name."""
    for target, value in _assignments(function):
        if path(target) == name and (found := path(value)) is not None:
            yield found


def _others(function: Function, name: str) -> Iterator[str]:
    """Paths that hold the same: `self.net` for `net`, by `self.net = net`, `net = self.net`, `self.net = net = x`."""
    stored = [path(target) for target, _ in _assignments(function)]
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            together = [path(target) for target in node.targets]
            if name in together:
                yield from (each for each in together if each is not None and stored.count(each) == 1)
    for target, value in _assignments(function):
        if path(value) == name and (found := path(target)) is not None and stored.count(found) == 1:
            yield found
    yield from (each for each in _values(function, name) if stored.count(each) < 2)


def _assignments(function: Function) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Targets with their values, those of `a, b = x, y` one by one."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                match target, node.value:
                    case ast.Tuple(elts=names), ast.Tuple(elts=values) if len(names) == len(values):
                        yield from zip(names, values, strict=True)
                    case _:
                        yield target, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield node.target, node.value
