"""Functions of a file that are given a network and put other parts into it.

Note [Given to be rebuilt]
    `def fuse(module)` that puts an identity where a norm was, `def bypass(model)` that gives parts another `forward`:
    detection takes the pieces of a file that do not mention each other for pieces of other programs, so the class is
    judged as it is built.  But whoever wrote both into one file means one for the other.  A function that can be called
    with the network alone is therefore one of the ways to run a class: what it makes of the network is run as well.
"""

from __future__ import annotations

import ast
import re

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_GIVEN = re.compile(r"(?:.*_)?(?:model|module|net|network|m|mod|layer|backbone|encoder|root|parent)")
_REPLACED = ("forward", "__class__")


def rebuilders(tree: ast.Module) -> tuple[str, ...]:
    """Functions of the module that need nothing but a network, and that may replace its parts, in their order."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    changing = {name for name, node in functions.items() if any(_replaces(each) for each in ast.walk(node))}
    while more := {name for name, node in functions.items() if name not in changing and _mentions(node) & changing}:
        changing |= more
    return tuple(name for name, node in functions.items() if name in changing and _needs_a_network(node))


def _needs_a_network(function: ast.FunctionDef) -> bool:
    arguments = function.args
    given = [*arguments.posonlyargs, *arguments.args]
    needed = given[: len(given) - len(arguments.defaults)]
    alone = len(needed) == 1 and all(default is not None for default in arguments.kw_defaults)
    return alone and _GIVEN.fullmatch(needed[0].arg.lower()) is not None and not function.decorator_list


def _replaces(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="setattr")):
            return True
        case ast.Assign(targets=targets):
            return any(_is_part(target) for target in targets)
    return False


def _is_part(target: ast.expr) -> bool:
    match target:
        case ast.Subscript(value=ast.Attribute(attr="_modules")):
            return True
        case ast.Attribute(attr=attr):
            return attr in _REPLACED
    return False


def _mentions(node: ast.AST) -> frozenset[str]:
    return frozenset(each.id for each in ast.walk(node) if isinstance(each, ast.Name))
