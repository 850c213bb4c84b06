"""Whose parts an object that is not known may have: `self.encoder.relu` is one of the classes around, or of none here.

What a piece of the file makes, is handed, or gets from another file, can only be of a class that has to do with this
piece, see Note [Handed objects].  A network that a library makes has none of this file's.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fixinplace import walking
from fixinplace.detect.elsewhere import is_made_elsewhere
from fixinplace.detect.given import hands_nothing
from fixinplace.detect.index import ClassInfo, all_imports, dotted, parameter_names
from fixinplace.detect.kinds import Kind
from fixinplace.detect.liveness import Function, own_names
from fixinplace.detect.loaded import has_strangers, is_load
from fixinplace.detect.placing import flags_by_name
from fixinplace.detect.values import UNKNOWN
from fixinplace.walking import every, scope

if TYPE_CHECKING:
    from fixinplace.detect.frame import Frame

_DEPTH = 5


def flags_of_part(frame: Frame, owner: ast.expr, attribute: str) -> frozenset[int]:
    """Flags of the in-place modules that `owner.attribute` may be, of whose class nothing is known."""
    program = frame.program
    if is_made_elsewhere(owner, program.tree) or _is_of_torchvision(frame, owner):
        return frozenset()
    found = flags_by_name(program.index, attribute)
    if not found or is_anybodys(owner, program.tree):
        return found
    near = [info.attribute(attribute) or UNKNOWN for info in _near(frame)]
    return found & frozenset[int]().union(*(value.flags for value in near))


def classes_of(frame: Frame, owner: ast.expr | None) -> list[ClassInfo]:
    """The classes of the file that an object, of which nothing is known, may be of; see above."""
    tree = frame.program.tree
    anybodys = has_strangers(tree) if owner is None else is_anybodys(owner, tree)
    return [*frame.program.index.classes.values()] if anybodys else _near(frame)


def _near(frame: Frame) -> list[ClassInfo]:
    return [info for info in frame.program.index.classes.values() if frame.program.is_near(info.node)]


def _is_of_torchvision(frame: Frame, node: ast.expr) -> bool:
    """True for `models.vgg19(weights=w)`, whose attributes are none of this file's classes'."""
    known = frame.peek(node.func) if isinstance(node, ast.Call) and dotted(node.func) else UNKNOWN
    ours = known.kind is Kind.PATH and known.name.startswith("torchvision.")
    return ours and isinstance(node, ast.Call) and hands_nothing(frame.program, node)


def is_anybodys(node: ast.expr, tree: ast.Module) -> bool:
    """True for what may be an object of any class of the file; see Note [Handed objects]."""
    return has_strangers(tree) and _may_be_handed(node, tree, _DEPTH)


def _may_be_handed(node: ast.expr, tree: ast.Module, depth: int) -> bool:
    """True unless an expression is about what the code around it made, or got from the names of the file."""
    above = walking.above(tree)
    function = scope(node, above)
    match node:
        case ast.Constant():
            return False
        case ast.List(elts=elts) | ast.Tuple(elts=elts):
            return any(_may_be_handed(one, tree, depth) for one in elts)
        case ast.ListComp(elt=elt):
            return _may_be_handed(elt, tree, depth)
        case ast.Attribute(value=ast.Name(id="self"), attr=attr):
            return not depth or _is_kept(attr, tree, above, depth)
        case ast.Attribute(value=value) | ast.Subscript(value=value):
            return _may_be_handed(value, tree, depth)
        case ast.Call(func=func, args=args, keywords=keywords):
            given = (*args, *(one.value for one in keywords))
            owner = [func.value] if isinstance(func, ast.Attribute) and not _is_library(func, tree) else []
            return is_load(node) or any(_may_be_handed(one, tree, depth) for one in (*owner, *given))
        case ast.Name(id=name) if isinstance(function, Function) and name not in parameter_names(function):
            if not depth or name == "self":
                return True
            stores = [one for one in every(function, ast.Name) if one.id == name and isinstance(one.ctx, ast.Store)]
            if not stores:
                return _is_of_outer(name, function, above)
            return any(_is_bound_to_handed(above.get(id(one)), name, tree, depth) for one in stores)
    return True


def _is_of_outer(name: str, function: ast.AST, above: Mapping[int, ast.AST]) -> bool:
    """True for a name of a function around this one, whatever it stands for there."""
    around = above.get(id(function))
    while around is not None:
        if isinstance(around, Function) and name in own_names(around):
            return True
        around = above.get(id(around))
    return False


def _is_library(func: ast.Attribute, tree: ast.Module) -> bool:
    """True for a function of an imported module: `models.build`."""
    return dotted(func).partition(".")[0] in dict(all_imports(tree))


def _is_kept(attr: str, tree: ast.Module, above: Mapping[int, ast.AST], depth: int) -> bool:
    """True for an attribute that is bound to something that was handed in, or that nothing in the file binds."""
    stores = [one for one in every(tree, ast.Attribute) if one.attr == attr and isinstance(one.ctx, ast.Store)]
    return not stores or any(_is_bound_to_handed(above.get(id(one)), "", tree, depth) for one in stores)


def _is_bound_to_handed(node: ast.AST | None, name: str, tree: ast.Module, depth: int) -> bool:
    if not isinstance(node, ast.Assign):
        return True
    again = any(one.id == name for one in every(node.value, ast.Name))
    return again or _may_be_handed(node.value, tree, depth - 1)
