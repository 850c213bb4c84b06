"""`@torch.no_grad()` on a function of which nothing but writes by hand is left: one line for all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from fixinplace.model import Edit, Span
from fixinplace.repair.base import Wrap
from fixinplace.repair.code import Code, Function
from fixinplace.repair.gradless import Gradless, gradless
from fixinplace.repair.wrapping import untouched

_LOOKUPS = ("get_submodule", "get_parameter", "get_buffer")
_VIEWS = frozenset("chunk flatten narrow permute reshape select split squeeze t transpose unsqueeze view".split())


def decorated(code: Code, wraps: Sequence[Wrap]) -> Iterator[tuple[Wrap, list[Edit]]]:
    """The wraps of functions for which one decorator says what blocks would, each with its share of the edits.

    Such a function does nothing but what is wrapped, in loops and conditions, names views for it, drops gradients,
    initialises, and computes what has no history; it returns nothing else and is called plainly.
    """
    statements = {code.text.span(node).start: node for node in ast.walk(code.tree) if isinstance(node, ast.stmt)}
    of: dict[int, list[Wrap]] = {}
    functions: dict[int, Function] = {}
    for wrap in wraps:
        function = code.function(statements[wrap.start])
        if function is not None:
            of.setdefault(id(function), []).append(wrap)
            functions[id(function)] = function
    for key, mine in of.items():
        function, nodes = functions[key], [statements[wrap.start] for wrap in mine]
        if len({wrap.header for wrap in mine}) == 1 and _is_plain(function, nodes):
            yield mine[0], [_decorator(code, function, mine[0].header)]
            yield from ((wrap, []) for wrap in mine[1:])


def _is_plain(function: Function, nodes: Sequence[ast.stmt]) -> bool:
    known = gradless(function, nodes)
    return isinstance(function, ast.FunctionDef) and all(_is_covered(each, nodes, known) for each in function.body)


def _is_covered(statement: ast.stmt, nodes: Sequence[ast.stmt], known: Gradless) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.Pass():
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=attr))) if ast.unparse(owner).endswith(
            "init"
        ):
            return attr.endswith("_")
        case ast.Assign(targets=[ast.Name()], value=value) if _is_view(value) or _is_number(value) or _is_found(value):
            return True
        case ast.AugAssign(value=ast.Constant(value=int())):  # a counter
            return True
        case ast.Return(value=value) if value is None or _is_number(value):
            return True
        case ast.For(body=body, orelse=rest) | ast.If(body=body, orelse=rest) if statement not in nodes:
            return all(_is_covered(each, nodes, known) for each in [*body, *rest])
    return statement in nodes or untouched(statement) or known.covers(statement)


def _is_number(node: ast.expr) -> bool:
    """True for `float(x.max())`, `x.item()`, `x.size(0) // 2` and constants: without a history in any mode."""
    match node:
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
        case (
            ast.Subscript(value=ast.Attribute(attr="shape"))
            | ast.Call(func=ast.Attribute(attr="numel" | "size" | "dim"))
        ):
            return True
        case ast.Call(func=ast.Name(id="min" | "max"), args=args, keywords=[]):
            return all(_is_number(each) or isinstance(each, ast.Name | ast.Attribute) for each in args)
        case ast.Constant() | ast.Call(func=ast.Name(id="float" | "int" | "bool" | "len")):
            return True
        case ast.Call(func=ast.Attribute(attr=attr), args=[]):
            return attr in ("item", "tolist")
    return False


def _is_found(node: ast.expr) -> bool:
    """True for a part of a module that is looked up by its name."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOOKUPS


def _is_view(node: ast.expr) -> bool:
    """True for a name, an attribute, a part of it, or a view of it: `net.bias.view(2, -1)[0]`."""
    match node:
        case ast.Name():
            return True
        case ast.Attribute(value=inner) | ast.Subscript(value=inner):
            return _is_view(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr=attr)):
            return attr in _VIEWS and _is_view(inner)
    return False


def _decorator(code: Code, function: Function, header: str) -> Edit:
    start = code.text.starts[function.lineno - 1]
    line = code.text.text[start:]
    head = line[: len(line) - len(line.lstrip(" \t"))]
    switch = header.removeprefix("with ").removesuffix(":")
    return Edit(Span(start + len(head), start + len(head)), f"@{switch}{code.newline}{head}")
