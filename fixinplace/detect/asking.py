"""Modules that are only asked for something: their state, their class, whether they are there.

Note [Asked by name]
    `net = getattr(self, "net" + name)` may give any part of a class.  Where all that is done with it is `net.eval()`,
    `net.state_dict()`, `isinstance(net, ...)` or `getattr(net, key) is None`, nobody calls a part by that name.
    A function that hands such a part to itself (`walk(getattr(module, key), keys)`) does no more with it than with what
    it is given first.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from fixinplace.detect.liveness import Function, declared
from fixinplace.walking import every, scope

_STATE = frozenset(
    "parameters named_parameters buffers named_buffers state_dict load_state_dict zero_grad training __class__".split()
)
_ITSELF = frozenset("eval train requires_grad_ to cuda cpu half float double".split())
_LOOKS = ("isinstance", "hasattr", "callable", "print", "type", "id")
Above = Mapping[int, ast.AST]


def is_asked_only(node: ast.expr, above: Above, known: frozenset[str] = frozenset()) -> bool:
    """True if what an expression gives is never called, gone through, kept or handed on; see Note [Asked by name].

    known: names of the function around of which it is already being asked.
    """
    parent = above.get(id(node))
    match parent:
        case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
            return parent.left is node
        case ast.Attribute(attr=attr):
            return _is_state(parent, above) or (attr == "module" and _binds_again(node, parent, above))
        case ast.Call(func=ast.Name(id=name)) if name in _LOOKS:
            return node in parent.args
        case ast.Call(func=ast.Name(id="getattr"), args=[first, _, *_]) if first is node:
            return is_asked_only(parent, above, known)
        case ast.Call():
            given = _parameter(parent, node, above)
            return given is not None and (given in known or _is_asked(given, node, above, known | {given}))
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in known or _is_asked(name, node, above, known | {name})
    return False


def _is_state(node: ast.Attribute, above: Above) -> bool:
    """True for `net.state_dict()`, and for `net.eval()` alone in its statement, which gives the module itself."""
    call = above.get(id(node))
    alone = isinstance(call, ast.Call) and call.func is node and isinstance(above.get(id(call)), ast.Expr)
    return node.attr in _STATE or (node.attr in _ITSELF and alone)


def _binds_again(node: ast.expr, attribute: ast.Attribute, above: Above) -> bool:
    """True for `net = net.module`."""
    match node, above.get(id(attribute)):
        case ast.Name(id=name), ast.Assign(targets=[ast.Name(id=target)]):
            return name == target
    return False


def _is_asked(name: str, node: ast.AST, above: Above, known: frozenset[str]) -> bool:
    """True if a function asks all that a name of its own stands for, and declares it to be no other's."""
    function = scope(node, above)
    if not isinstance(function, Function) or name in declared(function.body):
        return False
    if any(isinstance(one.target, ast.Name) and one.target.id == name for one in every(function, ast.AugAssign)):
        return False  # `y += 1` reads `y`, and may write it
    loads = (one for one in every(function, ast.Name) if one.id == name and isinstance(one.ctx, ast.Load))
    return all(is_asked_only(one, above, known) for one in loads)


def _parameter(call: ast.Call, node: ast.expr, above: Above) -> str | None:
    """The parameter that a function hands something to when it calls itself, else None."""
    function = scope(call, above)
    match call.func:
        case ast.Name(id=name):
            skipped = 0
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            skipped = 1
        case _:
            return None
    if not isinstance(function, Function) or function.name != name or node not in call.args or call.keywords:
        return None
    place = call.args.index(node) + skipped
    plain = not any(isinstance(one, ast.Starred) for one in call.args) and place < len(function.args.args)
    return function.args.args[place].arg if plain else None
