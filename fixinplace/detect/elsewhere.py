"""Networks that other files make: `vgg19(pretrained=True).features`, whose parts are none of this file's."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from fixinplace import walking
from fixinplace.detect import inward
from fixinplace.detect.index import dotted, parameter_names
from fixinplace.detect.kin import are_kin
from fixinplace.detect.liveness import Function, declared
from fixinplace.detect.loaded import is_load
from fixinplace.walking import every, scope

_THE_SAME = frozenset("eval train to cuda cpu half float double requires_grad_ children named_children".split())
"""Methods that give the module itself, or parts of it."""
_DEPTH = 6


def is_made_elsewhere(node: ast.expr, tree: ast.Module, depth: int = _DEPTH) -> bool:
    """True for what a library made, or some part of that: by a call, under a name, under an attribute of `self`."""
    base = _base(node)
    above = walking.above(tree)
    function = scope(base, above)
    match base:
        case ast.Call(func=ast.Subscript(value=ast.Attribute(value=library, attr="__dict__"))):
            call = ast.Call(library, base.args, base.keywords)
            return dotted(library) != "" and _is_made(call, tree)
        case ast.Call():
            return _is_made(base, tree)
        case ast.Name(id=name) if isinstance(function, Function) and depth:
            bound = _bound_to(name, function, above)
            return bound is not None and all(is_made_elsewhere(one, tree, depth - 1) for one in bound)
        case ast.Attribute(attr=attr) if depth:
            kept = _kept(base, attr, tree, above)
            return kept is not None and all(is_made_elsewhere(one, tree, depth - 1) for one in kept)
    return False


def _is_made(call: ast.Call, tree: ast.Module) -> bool:
    """True for a call of another file's function that is handed nothing of this file, nor reads what was stored."""
    given = (*call.args, *(one.value for one in call.keywords))
    own = (one.attr for each in given for one in every(each, ast.Attribute) if getattr(one.value, "id", "") == "self")
    plain = all(inward.SETTINGS.fullmatch(attr) is not None for attr in own)
    return plain and not is_load(call) and inward.made(call, None, tree) == set()


def _base(node: ast.expr) -> ast.expr:
    """What a path begins with: a call, a name, or `self.net`."""
    while True:
        match node:
            case ast.Attribute(value=ast.Name(id="self")):
                return node
            case ast.Attribute(value=value) | ast.Subscript(value=value):
                node = value
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _THE_SAME:
                node = value
            case ast.Call(func=ast.Name(id="list"), args=[value]):
                node = value
            case _:
                return node


def _bound_to(
    name: str, function: ast.FunctionDef | ast.AsyncFunctionDef, above: Mapping[int, ast.AST]
) -> list[ast.expr] | None:
    """What a name of a function is bound to, apart from parts of what it stood for; None if that is not told."""
    if name in parameter_names(function) or name in declared(function.body):
        return None
    stores = [one for one in every(function, ast.Name) if one.id == name and not isinstance(one.ctx, ast.Load)]
    found = [_value(above.get(id(one))) for one in stores]
    values = [one for one in found if one is not None and getattr(_base(one), "id", "") != name]
    return values if values and None not in found else None


def _value(node: ast.AST | None) -> ast.expr | None:
    return node.value if isinstance(node, ast.Assign) and len(node.targets) == 1 else None


def _kept(node: ast.AST, attr: str, tree: ast.Module, above: Mapping[int, ast.AST]) -> list[ast.expr] | None:
    """What an attribute of `self` is bound to, in its class and in those that it may have to do with."""
    own = _class_of(node, above)
    stores = [one for one in every(tree, ast.Attribute) if one.attr == attr and not isinstance(one.ctx, ast.Load)]
    stores = [one for one in stores if not _is_of_other_class(one, own, tree, above)]
    found = [_value(above.get(id(one))) for one in stores]
    values = [one for one in found if one is not None]
    return values if values and None not in found else None


def _class_of(node: ast.AST, above: Mapping[int, ast.AST]) -> ast.ClassDef | None:
    around: ast.AST | None = node
    while around is not None and not isinstance(around, ast.ClassDef):
        around = above.get(id(around))
    return around


def _is_of_other_class(
    node: ast.Attribute, own: ast.ClassDef | None, tree: ast.Module, above: Mapping[int, ast.AST]
) -> bool:
    """True for `self.net` in a class that has no line of descent in common with another one."""
    cls = _class_of(node, above)
    plain = isinstance(node.value, ast.Name) and node.value.id == "self"
    return plain and cls is not None and own is not None and not are_kin(cls, own, tree)
