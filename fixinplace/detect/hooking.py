"""Hooks that make a weight anew before each call, and have nothing to do with what a module is called with."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from fixinplace.detect.index import parameter_names
from fixinplace.detect.liveness import Function
from fixinplace.walking import every, functions, scope


def is_for_weights(node: ast.AST, above: Mapping[int, ast.AST], tree: ast.Module) -> bool:
    """True for `module.register_forward_pre_hook(fn)` with a function that never reads its second argument, nor returns
    another one.

    An object of a class of the file is called by its `__call__`.
    """
    call = above.get(id(node))
    match call:
        case ast.Call(func=ast.Attribute(attr="register_forward_pre_hook") as func, args=[hook], keywords=[]):
            return func is node and _is_blind(hook, above, tree)
    return False


def asks_for_hooks(node: ast.AST, above: Mapping[int, ast.AST]) -> bool:
    """True for `for hook in self._forward_pre_hooks.values():` and `del module._forward_pre_hooks[k]`.

    Who has put a hook there is asked where it is registered; run by hand, it sees what it would see anyway.
    """
    if not isinstance(node, ast.Attribute) or node.attr != "_forward_pre_hooks":
        return False
    match above.get(id(node)):
        case ast.Subscript(value=value, ctx=ast.Del()):
            return value is node
        case ast.Attribute(attr="values" | "items" | "keys") as read:
            call = above.get(id(read))
            around = above.get(id(call)) if isinstance(call, ast.Call) and call.func is read else None
            if isinstance(around, ast.Call) and getattr(around.func, "id", "") in ("list", "tuple"):
                call, around = around, above.get(id(around))
            return isinstance(around, ast.For | ast.comprehension) and around.iter is call
    return False


def _is_blind(hook: ast.expr, above: Mapping[int, ast.AST], tree: ast.Module) -> bool:
    function = scope(hook, above)
    match hook:
        case ast.Call(func=ast.Name(id=name)):
            return _reads_no_input(_calls_of(name, tree), 2)
        case ast.Name(id=name) if isinstance(function, Function) and name not in parameter_names(function):
            stores = [one for one in every(function, ast.Name) if one.id == name and isinstance(one.ctx, ast.Store)]
            bound = [above.get(id(one)) for one in stores]
            values = [one.value for one in bound if isinstance(one, ast.Assign) and isinstance(one.value, ast.Call)]
            if stores:
                return len(values) == len(stores) and all(_is_blind(one, above, tree) for one in values)
            return _reads_no_input([one for one in functions(tree) if one.name == name], 1)
    return False


def _calls_of(name: str, tree: ast.Module) -> list[Function]:
    """What runs when an object of a class is called; nothing where another class may have that name."""
    classes = [one for one in every(tree, ast.ClassDef) if one.name == name]
    plain = len(classes) == 1 and all(getattr(base, "id", "") == "object" for base in classes[0].bases)
    return [one for one in classes[0].body if isinstance(one, Function) and one.name == "__call__"] if plain else []


def _reads_no_input(found: list[Function], place: int) -> bool:
    """True for functions with a parameter at this place that they never speak of, and no others behind it."""
    return bool(found) and all(_is_unread(one, place) for one in found)


def _is_unread(function: Function, place: int) -> bool:
    names = parameter_names(function)
    if len(names) != place + 1 or function.args.vararg or function.args.kwarg or function.decorator_list:
        return False
    gives = any(one.value is not None for one in every(function, ast.Return)) or any(every(function, ast.Yield))
    return not gives and not any(one.id in (names[place], "locals", "vars") for one in every(function, ast.Name))
