"""What a file itself hands around in place of a class of layers: functions, methods, lambdas, other classes.

What is assumed of a class that is passed in (see Note [Given modules]) holds for what others pass.  What the file
itself passes can be seen: what makes modules of other kinds takes the assumption away, wherever in the file it stands.
"""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from fixinplace import catalogue
from fixinplace.detect.for_others import for_others
from fixinplace.detect.handlers import stored
from fixinplace.detect.index import all_imports, canonical, dotted, parameter_names
from fixinplace.detect.kinds import Kind
from fixinplace.detect.scopes import DEFINING
from fixinplace.walking import every, remembered, walk

if TYPE_CHECKING:
    from fixinplace.detect.program import Program


@remembered
def values(tree: ast.Module) -> tuple[ast.expr, ...]:
    """Names, attributes, lambdas and looked-up attributes that are used as values: not called, no part of a path.

    Not those in tables that the file keeps for others.
    """
    apart = _apart(tree) | for_others(tree)
    names = (one for one in every(tree, ast.Name) if isinstance(one.ctx, ast.Load))
    attributes = (one for one in every(tree, ast.Attribute) if isinstance(one.ctx, ast.Load))
    looked_up = (one for one in every(tree, ast.Call) if dotted(one.func) == "getattr")
    found: tuple[ast.expr, ...] = (*names, *attributes, *every(tree, ast.Lambda), *looked_up)
    return tuple(one for one in found if id(one) not in apart)


def _apart(tree: ast.Module) -> set[int]:
    """What is called, what a path goes on from, and what only says what something is."""
    said: set[int] = set()
    for node in walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass" | "super"), args=args):
                said |= {id(n) for arg in args for n in walk(arg)}
            case ast.Call(func=func):
                said.add(id(func))
            case ast.Attribute(value=value):
                said.add(id(value))
            case ast.ClassDef(bases=bases, decorator_list=marks):
                said |= {id(one) for one in (*bases, *marks)}
            case ast.FunctionDef(returns=hint, decorator_list=marks):
                said |= {id(one) for one in marks} | ({id(n) for n in walk(hint)} if hint is not None else set())
            case ast.AnnAssign(annotation=hint) | ast.arg(annotation=ast.expr() as hint):
                said |= {id(n) for n in walk(hint)}
            case ast.Compare():
                said |= {id(one) for one in (node.left, *node.comparators)}
    return said


@remembered
def names(tree: ast.Module) -> frozenset[str]:
    """Names that the file hands around, or that a lambda of it calls."""
    lambdas = (one for one in values(tree) if isinstance(one, ast.Lambda))
    calls = (one.func for each in lambdas for one in every(each, ast.Call))
    return frozenset(one.id for one in (*values(tree), *calls) if isinstance(one, ast.Name))


def paths(tree: ast.Module, node: ast.expr) -> set[str]:
    """The dotted paths that a name or attribute may stand for, by any import of the file."""
    head, _, rest = dotted(node).partition(".")
    found = {path for name, path in all_imports(tree) if name == head}
    return {canonical(f"{path}.{rest}" if rest else path) for path in found}


@remembered
def hands_idle_layers(tree: ast.Module) -> bool:
    """True if the file hands around what may make a layer that gives its argument, or a view of it, back.

    What stands in the file itself is left to others to judge.
    """
    own = {one.name for one in walk(tree) if isinstance(one, DEFINING)}
    return any(_may_be_idle(tree, node, own) for node in values(tree))


def _may_be_idle(tree: ast.Module, node: ast.expr, own: set[str]) -> bool:
    match node:
        case ast.Lambda(body=body):
            return not _is_taken_from({*parameter_names(node)}, body) and _gives_idle(tree, body, own)
        case ast.Call(args=[owner, *_]):
            return any(map(_holds_layers, paths(tree, owner)))
        case ast.Name() | ast.Attribute():
            return any(map(_is_idle, paths(tree, node)))
    return False


def _gives_idle(tree: ast.Module, node: ast.expr, own: set[str]) -> bool:
    """True for what a lambda gives that may be a layer which gives its argument back."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in own:
            return False
        case ast.Call(func=ast.Name(id=name)) if hasattr(builtins, name):
            return name in ("getattr", "type", "next", "eval", "object") or name in stored(tree)
        case ast.Call(func=ast.Attribute(value=ast.Call(), attr=attr)):
            return catalogue.result(f"Tensor.{attr}") is None
        case ast.Call(func=func):
            return any(map(_is_idle, paths(tree, func) or (_UNKNOWN,)))
        case ast.BoolOp(values=values):
            return any(_gives_idle(tree, one, own) for one in values)
    return not isinstance(node, (ast.Compare, ast.Constant, ast.BinOp, ast.UnaryOp))


def _is_taken_from(names: set[str], node: ast.expr) -> bool:
    """True for what a lambda is given, or has of that: who makes layers is given numbers of channels."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id in names


_UNKNOWN = "torch.nn.Unknown"


def _holds_layers(path: str) -> bool:
    return path in ("torch", "torch.nn")


def _is_idle(path: str) -> bool:
    """True for a class of layers of which it is not known that they make a new tensor."""
    if not path.startswith("torch.nn.") or not path.rpartition(".")[2][:1].isupper():
        return False
    row = catalogue.result(path)
    several = path.startswith(("torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN"))
    new = row is not None and row.kind is catalogue.Kind.TENSOR and row.memory is catalogue.Memory.FRESH
    return not (new or several)


def hands_methods(program: Program) -> bool:
    """True if the file hands around a method that makes, or may make, a module."""
    named = {one.attr for one in values(program.tree) if isinstance(one, ast.Attribute)}
    keys = [(each, name) for each, info in program.index.classes.items() for name in info.methods if name in named]
    return any(_makes_modules(program, key) for key in keys)


def _makes_modules(program: Program, key: tuple[str, str]) -> bool:
    summary, function = program.summary(key), program.index.classes[key[0]].methods[key[1]]
    asked = any(dotted(mark).rpartition(".")[2] in ("property", "cached_property") for mark in function.decorator_list)
    returns = summary.returns.kind if summary is not None else Kind.UNKNOWN
    return not asked and returns in (Kind.MODULE, Kind.UNKNOWN)
