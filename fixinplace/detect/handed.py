"""Code that does something with objects which it is handed: `model(x)` in a trainer, `net.register_forward_hook(f)`.

Whoever calls it may hand it what another piece of the file makes.  What it does while it runs that (other dtypes,
errors that end there), and what it does to it, concerns every piece.  That nobody but the file's own code hands it what
it then takes apart is assumed, as it is for code in two files.  A constructor that calls a class which it is given
(`block(planes)`) only builds with it: who puts the two together mentions both.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from fixinplace.detect.index import dotted, parameter_names
from fixinplace.detect.liveness import Function
from fixinplace.walking import every, functions, walk


def calls_what_it_is_handed(root: ast.AST) -> bool:
    """True if a piece of a file calls a parameter, or an attribute that holds one, when it is used."""
    kept = {attr for function in functions(root) for attr in _kept(function)}
    building = _building(root)
    for function in functions(root):
        names = {*_parameters(function), *_gone_through(function, kept)}
        for call in every(function, ast.Call) if function.name not in building else ():
            if (isinstance(call.func, ast.Name) and call.func.id in names) or _attribute(call.func) in kept:
                return True
    return False


def is_handed(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    """True for an expression about a parameter of a function around it, or about an attribute that holds one."""
    base = node
    while isinstance(base, (ast.Attribute, ast.Subscript, ast.Call)):
        base = base.func if isinstance(base, ast.Call) else base.value
    around, names = above.get(id(node)), set[str]()
    while around is not None:
        if isinstance(around, Function):
            names |= {*_parameters(around), *_gone_through(around, set())}
        around = above.get(id(around))
    return isinstance(base, ast.Name) and base.id in names


def _parameters(function: Function) -> list[str]:
    return [name for name in parameter_names(function) if name not in ("self", "cls")]


def _kept(function: Function) -> Iterator[str]:
    """Attributes of `self` that the function binds to its parameters."""
    names = {*_parameters(function)}
    for node in every(function, ast.Assign):
        values = {one.id for one in _choices(node.value) if isinstance(one, ast.Name)}
        if _reads_settings(node.value):
            values = {one for one in values if _SETTINGS.fullmatch(one) is None}
        if values & names:
            yield from filter(None, map(_attribute, node.targets))


def _reads_settings(node: ast.expr) -> bool:
    """True for `parse_model_cfg(cfg)`: a function, and no class."""
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2][:1].islower()


_SETTINGS = re.compile(r"cfg|config|args|opts?|options|hparams|params|\w*_?(path|file|filename|dir|name|cfg|config)")
"""What the field calls a table of settings, or the file that holds one."""


def _choices(node: ast.expr) -> list[ast.expr]:
    """What an expression may be: `a or b`, `a if c else b`."""
    match node:
        case ast.BoolOp(values=values):
            return [one for value in values for one in _choices(value)]
        case ast.IfExp(body=body, orelse=orelse):
            return [*_choices(body), *_choices(orelse)]
        case ast.Call(args=[inner, *_]):  # `nn.ModuleList(layers)`
            return _choices(inner)
    return [node]


def _attribute(node: ast.expr) -> str:
    """The name of an attribute of `self`; "" for anything else."""
    match node:
        case ast.Subscript(value=value):
            return _attribute(value)
        case ast.Attribute(value=ast.Name(id="self"), attr=attr):
            return attr
    return ""


def _gone_through(function: Function, kept: set[str]) -> Iterator[str]:
    """Names of a loop over what the function is handed."""
    parameters = _parameters(function)
    loops: list[ast.For | ast.comprehension] = [*every(function, ast.For), *every(function, ast.comprehension)]
    for loop in loops:
        named = {one.id for one in walk(loop.iter) if isinstance(one, ast.Name)}
        held = {_attribute(one) for one in walk(loop.iter) if isinstance(one, ast.Attribute)}
        if named & {*parameters} or held & kept:
            yield from (one.id for one in walk(loop.target) if isinstance(one, ast.Name))


def _building(root: ast.AST) -> set[str]:
    """Methods that run when an object is made: `__init__`, and what it calls on `self`."""
    methods = {one.name: one for cls in every(root, ast.ClassDef) for one in cls.body if isinstance(one, Function)}
    found = ["__init__"] if "__init__" in methods else []
    for name in found:  # grows on the way
        called = {_attribute(call.func) for call in every(methods[name], ast.Call)}
        found += [each for each in methods if each in called and each not in found]
    return {*found} - {"forward", "__call__"}
