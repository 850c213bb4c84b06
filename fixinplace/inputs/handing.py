"""Code of a file that hands on what it is given: where a run does not come by it, nothing tells what is shared there.

Note [Handed on in a branch]
    `self.norm = nn.LayerNorm(dim) if dim > 8 else nn.Identity()`: whoever writes the result of such a layer writes its
    input on one way and something new on the other.  Where detection is in doubt about that, made inputs settle it only
    if they come by all code that the class may be given its own tensor back by: identities that are built and called,
    functions and lambdas that return a parameter.  What stands in a table and is chosen from it runs when it is called,
    so a class that is only named there is never settled.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.model import Fix, Keeper, Span
from fixinplace.source import Text

_DOUBTS = (
    "may share the memory through code that cannot be seen here",
    "the tensor may be the one that was passed in",
    "which may hold on to it",
)
_Function = ast.FunctionDef | ast.Lambda
_DISPLAYS = (ast.Dict, ast.List, ast.Tuple, ast.Set, ast.arguments)
_SAME = ("view", "reshape", "flatten", "squeeze", "contiguous", "to", "float", "expand", "transpose", "permute")


def in_doubt(fix: Fix) -> bool:
    """True for a fix whose tensor may be that of something else, by way of code that is not followed."""
    return any(each in doubt for doubt in fix.doubts for each in _DOUBTS)


def handing_on(tree: ast.Module, part: Text, name: str) -> tuple[Keeper, ...]:
    """What hands on its input in a class or function at the top of the file, and in all that it mentions."""
    found = []
    for node in reachable(tree, name):
        above = {id(child): parent for parent in ast.walk(node) for child in ast.iter_child_nodes(parent)}
        for each in ast.walk(node):
            if isinstance(each, (ast.Name, ast.Attribute)) and _last(each) == "Identity":
                parent = above.get(id(each))
                built = parent if isinstance(parent, ast.Call) and parent.func is each else each
                found.append(_keeper(part, built, isinstance(parent, _DISPLAYS)))
            elif isinstance(each, (ast.FunctionDef, ast.Lambda)):
                found += [_keeper(part, value, False) for value in _returned(each)]
    return tuple(dict.fromkeys(found))


def _keeper(part: Text, node: ast.expr, mute: bool) -> Keeper:
    span = part.span(node)
    return Keeper(Span(span.end - 1, span.end), " ".join(part.slice(span).split())[:60], "", mute)


def reachable(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The statement that defines a name, and those that define what it mentions, and so on.

    And functions that a decorator of the file's own may put into a table.
    """
    known = {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    own = {each.name for each in known.values() if isinstance(each, ast.FunctionDef)}
    added = [each.name for each in known.values() if own & {_last(_called(by)) for by in each.decorator_list}]
    order = [name, *(each for each in added if isinstance(known[each], ast.FunctionDef))]
    for one in order:  # grows on the way
        if one in known:
            mentioned = {_last(each) for each in ast.walk(known[one]) if isinstance(each, (ast.Name, ast.Attribute))}
            order += sorted((mentioned & known.keys()) - {*order})
    return [known[one] for one in order if one in known]


def _returned(function: _Function) -> Iterator[ast.expr]:
    """Results that are a parameter, or what may be the same tensor."""
    arguments = function.args
    names = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)} - {"self", "cls"}
    if isinstance(function, ast.Lambda):
        results = [function.body]
    else:
        inner = [each for each in ast.walk(function) if isinstance(each, _Function) and each is not function]
        beneath = {id(node) for each in inner for node in ast.walk(each)}
        returns = [each for each in ast.walk(function) if isinstance(each, ast.Return) and id(each) not in beneath]
        results = [each.value for each in returns if each.value is not None]
        names -= {
            each.id for each in ast.walk(function) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        }
    yield from (each for each in results if _same(each) in names)


def _same(node: ast.expr) -> str:
    """The name of the tensor that an expression may be."""
    while True:
        match node:
            case ast.Call(func=ast.Attribute(value=inner, attr=attr)) if attr in _SAME:
                node = inner
            case ast.Subscript(value=inner):
                node = inner
            case _:
                return node.id if isinstance(node, ast.Name) else ""


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _last(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
