"""Names of the file that a piece of it mentions; see Note [Pieces of a file]."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from fixinplace.detect.index import all_imports
from fixinplace.detect.liveness import Function
from fixinplace.detect.lookups import IDENTIFIER
from fixinplace.detect.outermost import outermost
from fixinplace.detect.single_lookups import is_own, own_names
from fixinplace.walking import every, functions, remembered, walk


def mentioned(nodes: Iterable[ast.AST], local: frozenset[int]) -> frozenset[str]:
    """Whatever may be a name of the file: names, attributes, and what texts spell, but for those that explain.

    local: names that stand for something else, see `local_names`.
    """
    roots = list(nodes)
    explaining = {id(one.value) for root in roots for one in every(root, ast.Expr)}
    found: set[str] = set()
    for node in (one for root in roots for one in walk(root)):
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=number)) if type(number) is int:
                found.add(f"{name}[{number}]")
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name) if id(node) not in local:
                found.add(name)
            case ast.Constant(value=str(text)) if id(node) not in explaining:
                found |= {*IDENTIFIER.findall(text)}
    return frozenset(found | _all_of(roots))


@remembered
def local_names(tree: ast.Module) -> frozenset[int]:
    """Names, parameters and attributes that mean nothing of the module's, by identity.

    What a test, or a decorated function, calls its parameters is looked up by its runner.  An attribute is a name of a
    module where that is what it is asked of: `models.Net`; modules that are values are told by `looks_up`.
    """
    outer = outermost(tree)
    shared = {name for one in every(tree, ast.Global) for name in one.names}
    found: set[int] = set()
    for root in (one for one in tree.body if isinstance(one, Function | ast.ClassDef)):
        for name in every(root, ast.Name):
            bound = not isinstance(name.ctx, ast.Load) and name.id not in shared
            if bound or (isinstance(name.ctx, ast.Load) and id(name) not in outer):
                found.add(id(name))
        for function in functions(root):
            looked_up = function.name.startswith(("test", "pytest")) or function.decorator_list
            found |= set() if looked_up else {id(one) for one in every(function.args, ast.arg)}
        found |= {id(arg) for one in every(root, ast.Lambda) for arg in every(one.args, ast.arg)}
    modules = own_names(tree) | frozenset(dict(all_imports(tree)))
    found |= {id(one) for one in every(tree, ast.Attribute) if not _is_of_module(one, modules, found)}
    return frozenset(found)


def _is_of_module(node: ast.Attribute, modules: frozenset[str], local: set[int]) -> bool:
    owner = node.value
    while isinstance(owner, ast.Attribute):
        owner = owner.value
    return is_own(owner) or (isinstance(owner, ast.Name) and owner.id in modules and id(owner) not in local)


def _all_of(nodes: Iterable[ast.AST]) -> set[str]:
    """`TABLE[]` for a table that is used other than by one of its entries."""
    one = {id(each.value) for root in nodes for each in every(root, ast.Subscript)
           if isinstance(each.slice, ast.Constant) and type(each.slice.value) is int}  # fmt: skip
    names = (each for root in nodes for each in every(root, ast.Name))
    return {f"{each.id}[]" for each in names if id(each) not in one} | {
        f"{each.attr}[]" for root in nodes for each in every(root, ast.Attribute)
    }
