"""Where a TorchScript function writes: no Python runs in it, so a run knows the call alone; its text tells the lines.

Note [Scripted]
    `@torch.jit.script` and `torch.jit.script(f)` compile a function of the file, with all that it calls by name.  Of
    the lines in them that write in place, those with the operator that ran are candidates; which of several it was
    nobody can tell.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from fixinplace.detect.index import dotted
from fixinplace.repair.base import Files, Scene
from fixinplace.repair.code import Code
from fixinplace.trace.events import Offence, Place

_SCRIPT = ("torch.jit.script", "jit.script", "script")
_OPERATORS = {
    ast.Add: "add_", ast.Sub: "sub_", ast.Mult: "mul_", ast.Div: "div_", ast.Pow: "pow_", ast.Mod: "remainder_",
    ast.FloorDiv: "floor_divide_",
}  # fmt: skip
_STORES = ("copy_", "fill_", "index_put_")


@dataclass(frozen=True, slots=True)
class Scripted:
    """The function that was called, and the lines in it, and in what it calls, that may be the writer."""

    name: str
    places: tuple[Place, ...]


def scripted(offence: Offence, files: Files) -> Scripted | None:
    """What is behind the first write, if that is the call of a scripted function of the same file."""
    write = offence.writes[0] if offence.writes else None
    spot = Scene(offence, files).node(write.place) if write is not None else None
    if write is None or spot is None:
        return None
    code, node = spot
    called = {dotted(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)}
    found = [(name, made) for name, made in _made(code.tree) if name in called]
    if len(found) != 1:
        return None
    name, functions = found[0]
    some = [place for each in _reached(code.tree, functions) for place in _writers(code, each, write.op)]
    return Scripted(name, tuple(sorted(some, key=lambda place: (place.line, place.column)))) if some else None


def _made(tree: ast.Module) -> Iterator[tuple[str, list[ast.FunctionDef]]]:
    """Names of scripted functions and modules of a file, each with the functions that are compiled for it."""
    defined = {each.name: each for each in tree.body if isinstance(each, (ast.FunctionDef, ast.ClassDef))}
    for name, each in defined.items():
        if isinstance(each, ast.FunctionDef) and any(dotted(one) in _SCRIPT for one in each.decorator_list):
            yield name, [each]
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[target], value=ast.Call(func=func, args=[given, *_])) if dotted(func) in _SCRIPT:
                made = given.func if isinstance(given, ast.Call) else given
                whole = defined.get(dotted(made))
                if isinstance(whole, ast.ClassDef):
                    yield dotted(target), [each for each in whole.body if isinstance(each, ast.FunctionDef)
                                           and each.name != "__init__"]  # fmt: skip
                elif isinstance(whole, ast.FunctionDef):
                    yield dotted(target), [whole]


def _reached(tree: ast.Module, functions: list[ast.FunctionDef]) -> list[ast.FunctionDef]:
    """The functions, and those of the file that they call by name."""
    defined = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    found = list(functions)
    for function in found:
        called = [dotted(each.func) for each in ast.walk(function) if isinstance(each, ast.Call)]
        found += [
            more for name in dict.fromkeys(called) if (more := defined.get(name)) is not None and more not in found
        ]
    return found


def _writers(code: Code, function: ast.FunctionDef, op: str) -> Iterator[Place]:
    for node in ast.walk(function):
        if isinstance(node, (ast.expr, ast.stmt)) and op in _written(node):
            span = code.text.span(node)
            (line, column), (end, last) = code.text.position(span.start), code.text.position(span.end)
            yield Place(code.path, line, column, end, last, function.name, " ".join(code.source_of(node).split()))


def _written(node: ast.expr | ast.stmt) -> tuple[str, ...]:
    """The operators by which a node may write in place."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name), keywords=keywords):
            flagged = any(each.arg == "inplace" for each in keywords)
            return (f"{name}_",) if flagged else (name,) if name.endswith("_") and not name.endswith("__") else ()
        case ast.AugAssign(op=operator):
            return (_OPERATORS.get(type(operator), ""),)
        case ast.Assign(targets=[ast.Subscript()]):
            return _STORES
    return ()
