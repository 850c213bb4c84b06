"""Classes that go through their own parts: `for part in self._modules.values(): x = part(x)`.

Note [Own parts]
    Where a method goes through `self.children()`, and does no more with a part than to look at it or to call it, the
    in-place modules that are called so are those that objects of this class have: what its methods, and those of the
    classes that derive from it, bind to attributes, and what else is put into its objects.  That may be what stands in
    some `Sequential`, or is handed on; an attribute of another class that is only ever called is none of it.  What a
    module of the file does to what it is called with concerns each caller of it anyway.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from fixinplace.detect.index import dotted, parameter_names
from fixinplace.detect.liveness import Function
from fixinplace.walking import every, functions

if TYPE_CHECKING:
    from fixinplace.detect.program import Program
    from fixinplace.detect.values import Value

Parents = Mapping[int, ast.AST]
_OWN = frozenset("_modules children named_children".split())
"""What leads to the parts of a module, and not to parts of those."""
_DECORATORS = frozenset("property no_grad inference_mode override".split())
_READ = ("values", "items")


def owner(node: ast.Attribute, above: Parents, tree: ast.Module) -> ast.ClassDef | None:
    """The class of the module whose method reads `self._modules` or `self.children()`; None if it is not told."""
    if node.attr not in _OWN or not isinstance(node.value, ast.Name):
        return None
    method: ast.AST | None = node
    while method is not None and not isinstance(method, Function | ast.Lambda | ast.ClassDef):
        method = above.get(id(method))
    cls = above.get(id(method)) if isinstance(method, Function) else None
    if not isinstance(method, Function) or not isinstance(cls, ast.ClassDef) or above.get(id(cls)) is not tree:
        return None
    plain = all(dotted(one).rsplit(".", 1)[-1] in _DECORATORS for one in map(_callee, method.decorator_list))
    own = parameter_names(method)[:1] == [node.value.id]
    bound = any(one.id == node.value.id and not isinstance(one.ctx, ast.Load) for one in every(method, ast.Name))
    return cls if plain and own and not bound and not _is_lent(cls, tree) else None


def _callee(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _is_lent(cls: ast.ClassDef, tree: ast.Module) -> bool:
    """True if a method may be called with an object of another class: `Concurrent.forward(net, x)`."""
    methods = {one.name for one in cls.body if isinstance(one, Function)}
    loads = every(tree, ast.Attribute)
    lent = any(one.attr in methods and _names_class(one.value, cls.name) for one in loads)
    return lent or any(one.name in _OWN for one in functions(tree))


def _names_class(node: ast.expr, name: str) -> bool:
    """True for the class by its name, and for `type(net)` or `net.__class__`, which may be it."""
    match node:
        case ast.Call(func=ast.Name(id="type")) | ast.Attribute(attr="__class__"):
            return True
    return dotted(node).rsplit(".", 1)[-1] == name


def source(node: ast.Attribute, above: Parents) -> ast.Call | None:
    """The whole expression that gives the parts: `self._modules.values()`, `self.named_children()`."""
    if node.attr == "_modules":
        read = above.get(id(node))
        if not isinstance(read, ast.Attribute) or read.attr not in ("values", "items"):
            return None
        node = read
    call = above.get(id(node))
    return call if isinstance(call, ast.Call) and call.func is node and not (call.args or call.keywords) else None


def gone_over(parts: ast.Call, above: Parents) -> tuple[ast.For | ast.comprehension, ast.expr] | None:
    """The loop over some parts, and what it binds each one to; None for another use of theirs."""
    named = isinstance(parts.func, ast.Attribute) and parts.func.attr in ("items", "named_children")
    steps = [1] if named else []
    whole: ast.AST = parts
    around = above.get(id(parts))
    if isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and not around.keywords:
        place = [one is parts for one in around.args].index(True)
        if around.func.id not in ("enumerate", "zip"):
            return None
        steps.insert(0, 1 if around.func.id == "enumerate" else place)
        whole, around = around, above.get(id(around))
    if not isinstance(around, ast.For | ast.comprehension) or around.iter is not whole:
        return None
    target = around.target
    for step in steps:
        if not isinstance(target, ast.Tuple) or len(target.elts) <= step or any(map(_is_starred, target.elts)):
            return None
        target = target.elts[step]
    return around, target


def _is_starred(node: ast.expr) -> bool:
    return isinstance(node, ast.Starred)


def names(nodes: Iterable[ast.AST], above: Parents, tree: ast.Module) -> frozenset[str]:
    """The classes that go through their own parts in some pieces of a file."""
    found = (owner(one, above, tree) for node in nodes for one in every(node, ast.Attribute))
    return frozenset(cls.name for cls in found if cls is not None)


def reaches(program: Program, classes: frozenset[str], offset: int, function: str) -> bool:
    """True if the in-place module made at an offset may be a part of an object of one of these classes.

    What stands in a `Sequential`, or is used other than by calling it, may get into one unseen: `Outer() + net.body`.
    """
    if classes and (program.placed.get(offset) or program.flag_uses.get(offset, set()) - {"call"}):
        return True
    index = program.index
    family = {info.name: info for each in classes for cls in (each, *(heir.name for heir in index.heirs(each)))
              for info in index.lineage(cls)}  # fmt: skip
    if function.partition(".")[0] in family:
        return True
    held = (info.attribute(attr) for info in family.values() for attr in {*info.attrs, *info.known})
    return any(_holds(value, offset) for value in held if value is not None)


def _holds(value: Value, offset: int) -> bool:
    return offset in value.flags or any(_holds(one, offset) for one in value.items)
