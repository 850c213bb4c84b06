"""Ways in which a piece of a file reaches parts of modules without their names: `for m in net.modules():`.

To see them is harmless, to call them or to keep them is not: an in-place module may then be called with something
that somebody else has.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from fixinplace.detect.index import dotted, parameter_names
from fixinplace.detect.liveness import Function
from fixinplace.walking import every, remembered

_PARTS = frozenset("children named_children modules named_modules get_submodule".split())
_BY_PATH = frozenset("attrgetter getattr methodcaller".split())
"""Functions that reach a part by a text, where they are handed on themselves."""
_LOOKS = frozenset("isinstance hasattr type len print str issubclass id".split())
_THE_SAME = frozenset(
    "eval train to cuda cpu half float double bfloat16 type requires_grad_ apply share_memory to_empty compile xpu"
    " forward __call__ _call_impl _wrapped_call_impl _slow_forward".split()
)
"""Methods that return the module itself, or call it."""
Parents = Mapping[int, ast.AST]


def goes_through(root: ast.AST, above: Parents, tree: ast.Module) -> bool:
    """True if a piece of a file reaches parts of modules in a way that may call or keep them, and not only see them."""
    for node in every(root, ast.Attribute):
        called = above.get(id(node))
        call = called if isinstance(called, ast.Call) and called.func is node else None
        if node.attr == "_modules" or (node.attr in _BY_PATH and not _is_called(node, above)):
            return True
        if node.attr in _PARTS and call is not None and not _only_looks(call, above, tree):
            return True
        if node.attr == "apply" and call is not None and not all(_is_visitor(one, above, tree) for one in call.args):
            return True
    return any(one.id in _BY_PATH and not _is_called(one, above) for one in every(root, ast.Name))


def _is_called(node: ast.Name | ast.Attribute, above: Parents) -> bool:
    """True for `getattr(...)`, whose attribute is followed; `attrgetter(...)` makes a function that is not."""
    parent = above.get(id(node))
    name = node.id if isinstance(node, ast.Name) else node.attr
    return name == "getattr" and isinstance(parent, ast.Call) and parent.func is node


def _only_looks(call: ast.Call, above: Parents, tree: ast.Module) -> bool:
    """True for `for m in self.modules():` where `m` is never called, bound to another name or handed on."""
    match above.get(id(call)):
        case ast.For(iter=source, target=target) as loop if source is call:
            scope = _scope(loop, above)
        case ast.comprehension(iter=source, target=target) as each if source is call:
            scope = above[id(each)]
        case _:
            return False
    names = _names(target)
    return names is not None and _are_looked_at(names, [scope], above, tree)


def _are_looked_at(names: set[str], nodes: Iterable[ast.AST], above: Parents, tree: ast.Module) -> bool:
    used = (one for node in nodes for one in every(node, ast.Name) if one.id in names and isinstance(one.ctx, ast.Load))
    return all(_is_look(one, above, tree) for one in used)


def _scope(node: ast.AST, above: Parents) -> ast.AST:
    """The function around a statement, or the module: a name lives longer than its loop."""
    around = node
    while id(around) in above and not isinstance(around, Function | ast.Lambda):
        around = above[id(around)]
    return around


def _names(target: ast.expr) -> set[str] | None:
    """The names that a loop binds; None if it binds something else."""
    match target:
        case ast.Name(id=name):
            return {name}
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            found = [_names(one) for one in elts]
            return None if None in found else {name for one in found if one is not None for name in one}
    return None


def _is_look(node: ast.Name, above: Parents, tree: ast.Module) -> bool:
    parent = above.get(id(node))
    match parent:
        case ast.Attribute(attr=attr, ctx=ast.Load()):
            return _is_harmless(parent, attr, above, tree)
        case ast.Attribute():
            return isinstance(above.get(id(parent)), ast.Assign | ast.AugAssign | ast.AnnAssign)  # followed as a store
        case ast.Call(func=func):
            return func is not node and dotted(func) in _LOOKS
    return isinstance(parent, ast.Compare | ast.FormattedValue)


def _is_harmless(node: ast.Attribute, attr: str, above: Parents, tree: ast.Module) -> bool:
    """True for `m.weight`, and for `m.eval()` alone in its statement; not for a part that is called or bound."""
    parent = above.get(id(node))
    called = isinstance(parent, ast.Call) and parent.func is node
    if attr in _THE_SAME:
        return called and attr[0] != "_" and attr != "forward" and isinstance(above.get(id(parent)), ast.Expr)
    if attr not in _attributes(tree):
        return True
    return not called and not isinstance(parent, ast.Assign | ast.NamedExpr | ast.For | ast.comprehension | ast.Return)


@remembered
def _attributes(tree: ast.Module) -> frozenset[str]:
    """Attributes that the file sets, of whatever."""
    return frozenset(one.attr for one in every(tree, ast.Attribute) if isinstance(one.ctx, ast.Store)) - _NUMBERS


_NUMBERS = frozenset(
    "weight bias in_features out_features in_channels out_channels kernel_size stride padding dilation groups"
    " inplace momentum eps num_features".split()
)
"""What modules have by these names is no module."""


def _is_visitor(node: ast.expr, above: Parents, tree: ast.Module) -> bool:
    """True for what `net.apply` may be given: a function that only looks at modules, or one of another file.

    `Function.apply(x)` and `frame.apply(f)` are given other things, whose names are no functions that keep modules.
    """
    if isinstance(node, ast.Lambda):
        return _are_looked_at(set(parameter_names(node)), [node.body], above, tree)
    if isinstance(node, ast.Attribute) and node.attr in ("append", "add", "extend", "insert", "setdefault", "put"):
        return False
    name = dotted(node).rsplit(".", 1)[-1]
    return all(_visits(one, above, tree) for one in _functions(tree) if name and one.name == name)


def _visits(function: Function, above: Parents, tree: ast.Module) -> bool:
    names = {one for one in parameter_names(function) if one not in ("self", "cls")}
    return _are_looked_at(names, function.body, above, tree)


def _functions(tree: ast.Module) -> list[Function]:
    return [*every(tree, ast.FunctionDef), *every(tree, ast.AsyncFunctionDef)]
