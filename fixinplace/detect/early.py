"""What an inner function or class reads where it is defined, not when it is called.

Note [Read at once]
    A closure looks its names up when it is called and finds what they are bound to by then; a default, a decorator, a
    base and the body of a class are evaluated on the spot and keep what they got.  So they are code that a run with
    made inputs must have come by, as in Note [Kept in a branch].
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.frame import Frame
from fixinplace.detect.identity import read_by_functions

_Inner = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def read_at_once(frame: Frame, node: _Inner) -> None:
    """Note that the tensors that an inner function or class reads where it is defined may be kept by it."""
    for name in _names(node):
        value = frame.state.names.get(name.id)
        if value is not None:
            frame.escape(value, None, read_by_functions(name.id), name)


def _names(node: ast.AST) -> Iterator[ast.Name]:
    for each in _evaluated(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
            yield each
        yield from _names(each)


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that run when it does; see Note [Read at once]."""
    match node:
        case (
            ast.FunctionDef(args=arguments, decorator_list=marks)
            | ast.AsyncFunctionDef(args=arguments, decorator_list=marks)
        ):
            yield from (*marks, *_defaults(arguments))
        case ast.Lambda(args=arguments):
            yield from _defaults(arguments)
        case _:
            yield from ast.iter_child_nodes(node)


def _defaults(arguments: ast.arguments) -> Iterator[ast.expr]:
    yield from arguments.defaults
    yield from (each for each in arguments.kw_defaults if each is not None)
