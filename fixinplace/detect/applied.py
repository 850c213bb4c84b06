"""Calls of custom functions: `Cube.apply(x)` runs `Cube.forward`, which gets a context besides.

Note [Results of custom functions]
    What `forward` computes is nobody else's where it computes only, and hands nothing to its context but by
    `save_for_backward`: that keeps what it is given as torch's own operations do, and looks at its version before it
    gives it back.  An attribute of the context does not look, and stays a doubt, as does a function that writes its
    arguments, or returns one of them.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from fixinplace.detect.frame import Frame
from fixinplace.detect.identity import is_fresh, makes_new
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Kind, Layout
from fixinplace.detect.liveness import Function
from fixinplace.detect.mixing import asks_for_dtypes, names
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import NOWHERE, Value
from fixinplace.walking import every, walk


def applied(frame: Frame, node: ast.Call, func: ast.Attribute, arguments: list[Value]) -> Value | None:
    """What a custom function of this file computes; None for others, see Note [Results of custom functions]."""
    index = frame.program.index
    name = func.value.id if isinstance(func.value, ast.Name) else ""
    tensors = [one for one in arguments if one.tensor]
    if func.attr != "apply" or name not in index.classes or name in frame.locals or name in index.rebound:
        return None
    found = index.method(name, "forward")
    if found is None or not index.is_function(name) or not tensors:
        return None
    if index.method(name, "apply") or index.method(name, "setup_context"):
        return None
    if not _computes(found[1], frame) or asks_for_dtypes(names(found[1], frame.program.tree)):
        return None
    cut = any(one.attr == "mark_non_differentiable" for one in every(index.classes[name].node, ast.Attribute))
    lives = {one.live for one in tensors}
    live = None if cut or (None in lives and True not in lives) else True in lives
    made = replace(tensors[0], view=False, leaf=False, iterated=False, name="", layout=Layout.DENSE)
    return replace(made, live=live, sure=min(one.sure for one in tensors), memory=frame.allocate(node), maybe=NOWHERE)


def _computes(function: Function, frame: Frame) -> bool:
    """True if all that a function returns is new, and it computes with its arguments, or saves them, and no more."""
    above, program = frame.above, frame.program
    given = {arg.arg for arg in every(function.args, ast.arg)}
    named = [one for statement in function.body for one in every(statement, ast.Name)]
    bound = {one.id for one in named if not isinstance(one.ctx, ast.Load)}
    known = {name for name, value in program.globals.items() if value.kind in (Kind.PATH, Kind.NUMBER)} | given | bound
    called = {one.attr for one in every(function, ast.Attribute)}
    ways = every(function, ast.Return)
    plain = all(_is_plain(one, above) for one in named if one.id in given)
    fresh = all(one.value is not None and _is_new(one.value, function, above) for one in ways)
    inner = (one for statement in function.body for one in walk(statement))
    apart = (
        given.isdisjoint(bound) and {one.id for one in named} <= known and called.isdisjoint(program.index.all_methods)
    )
    return bool(ways) and plain and fresh and apart and not any(isinstance(one, _LEAVING) for one in inner)


_LEAVING = (ast.Yield, ast.YieldFrom, ast.Global, ast.Nonlocal, ast.Lambda, ast.FunctionDef, ast.ClassDef)


def _is_plain(node: ast.Name, above: Mapping[int, ast.AST]) -> bool:
    parent = above[id(node)]
    match parent:
        case ast.Call(func=ast.Attribute(attr="save_for_backward")):
            return node in parent.args
        case ast.Attribute(attr=attr):
            call = above[id(parent)]
            told = isinstance(call, ast.Call) and call.func is parent and isinstance(above[id(call)], ast.Expr)
            return (told and attr in _TELLS) or (makes_new(node, above) and not attr.endswith("_"))
        case ast.Call(func=func, keywords=keywords):
            writes = dotted(func).endswith("_") or any(one.arg in ("out", "inplace", None) for one in keywords)
            return not writes and makes_new(node, above)
    return makes_new(node, above)


_TELLS = ("save_for_backward", "mark_non_differentiable", "set_materialize_grads")


def _is_new(value: ast.expr, function: Function, above: Mapping[int, ast.AST]) -> bool:
    """True for what is computed here, and for a name of that which nothing else gets but what saves it."""
    match value:
        case ast.Name(id=name):
            uses = [one for one in every(function, ast.Name) if one.id == name]
            stores = [above[id(one)] for one in uses if isinstance(one.ctx, ast.Store)]
            made = [one.value for one in stores if isinstance(one, ast.Assign) and len(one.targets) == 1]
            read = (one for one in uses if isinstance(one.ctx, ast.Load) and not isinstance(above[id(one)], ast.Return))
            new = all(not isinstance(one, ast.Name) and _is_new(one, function, above) for one in made)
            return bool(made) and len(made) == len(stores) and new and all(_is_plain(one, above) for one in read)
    return isinstance(value, ast.BinOp | ast.UnaryOp | ast.Call) and is_fresh(value)
