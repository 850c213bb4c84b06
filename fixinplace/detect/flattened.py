"""Functions that make one `Sequential` of several: `sequential(conv, norm, act)`, as super-resolution networks do.

Note [Flattened sequences]
    Such a function goes over what it is given, puts the parts of each `Sequential` and everything else that is a module
    into a list, in order, and makes a `Sequential` of that; of a single thing it returns that.  A call of its result
    does what a call of `nn.Sequential(conv, norm, act)` does.
"""

from __future__ import annotations

import ast

from fixinplace.detect.index import dotted
from fixinplace.walking import remembered


@remembered
def flattens(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True for a function that does this, and no more; see Note [Flattened sequences]."""
    args = function.args
    if args.vararg is None or args.args or args.posonlyargs or args.kwonlyargs or args.kwarg or function.decorator_list:
        return False
    given = args.vararg.arg
    body = [one for one in function.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    if body and _is_about_one(body[0], given):
        body = body[1:]
    match body:
        case [
            ast.Assign(targets=[ast.Name(id=found)], value=ast.List(elts=[])),
            ast.For(target=ast.Name(id=each), iter=ast.Name(id=source), body=[step], orelse=[]),
            ast.Return(value=ast.Call(func=made, args=[ast.Starred(value=ast.Name(id=returned))], keywords=[])),
        ]:
            plain = source == given and returned == found and _is_sequential(made)
            return plain and len({given, found, each}) == 3 and _takes_apart(step, each, found)
    return False


def _is_about_one(node: ast.stmt, given: str) -> bool:
    """`if len(args) == 1: return args[0]`, and an error for what it does not take."""
    match node:
        case ast.If(test=ast.Compare(left=ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)])), orelse=[]):
            *checks, last = node.body
            return name == given and all(map(_is_check, checks)) and _returns_first(last, given)
    return False


def _is_check(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and not node.orelse and all(isinstance(one, ast.Raise) for one in node.body)


def _returns_first(node: ast.stmt, given: str) -> bool:
    match node:
        case ast.Return(value=ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=0))):
            return name == given
    return False


def _takes_apart(node: ast.stmt, each: str, found: str) -> bool:
    """`if isinstance(m, nn.Sequential): for part in m.children(): found.append(part)`, else `found.append(m)`."""
    match node:
        case ast.If(
            test=ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=asked), kind]),
            body=[
                ast.For(
                    target=ast.Name(id=part),
                    iter=ast.Call(func=ast.Attribute(value=ast.Name(id=whole), attr="children"), args=[], keywords=[]),
                    body=[inner],
                    orelse=[],
                )
            ],
            orelse=[other],
        ):
            same = asked == whole == each and part not in (each, found) and _is_sequential(kind)
            return same and _appends(inner, part, found) and _keeps(other, each, found)
    return False


def _keeps(node: ast.stmt, each: str, found: str) -> bool:
    """`found.append(m)`, perhaps for modules alone."""
    match node:
        case ast.If(
            test=ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=asked), _]), body=[inner], orelse=[]
        ):
            return asked == each and _appends(inner, each, found)
    return _appends(node, each, found)


def _appends(node: ast.stmt, part: str, found: str) -> bool:
    match node:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id=into), attr="append"), args=[ast.Name(id=name)], keywords=[]
            )
        ):
            return (into, name) == (found, part)
    return False


def _is_sequential(node: ast.expr) -> bool:
    return dotted(node) in ("nn.Sequential", "torch.nn.Sequential", "Sequential")
