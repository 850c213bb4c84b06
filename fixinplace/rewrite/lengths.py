"""How many rounds a loop has, and how many slots a new tensor: as text, so that the two can be compared."""

from __future__ import annotations

import ast

from fixinplace.detect.index import dotted

_MAKERS = ("zeros", "empty", "ones", "new_zeros", "new_empty", "new_ones")
_LIKE = ("zeros_like", "empty_like", "ones_like")


def rounds(loop: ast.For) -> str | None:
    """How often the loop runs, as text."""
    match loop:
        case ast.For(target=ast.Name(), iter=ast.Call(func=ast.Name(id="range"), args=[count], keywords=[])):
            return _length(count)
        case ast.For(target=ast.Tuple(elts=[_, _]),
                     iter=ast.Call(func=ast.Name(id="enumerate"), args=[ast.Name() | ast.Attribute() as over],
                                   keywords=[])):  # fmt: skip
            return f"len({dotted(over)})" if dotted(over) else None
    return None


def _length(node: ast.expr) -> str | None:
    """A number of slots as text, the same for every way to ask a tensor for its first size."""
    match node:
        case ast.Constant(value=int()) | ast.Name():
            return ast.unparse(node)
        case ast.Attribute() if dotted(node):
            return dotted(node)
        case (
            ast.Call(func=ast.Name(id="len"), args=[of], keywords=[])
            | ast.Call(func=ast.Attribute(value=of, attr="size"), args=[ast.Constant(value=0)], keywords=[])
            | ast.Subscript(value=ast.Attribute(value=of, attr="shape"), slice=ast.Constant(value=0))
        ) if dotted(of):
            return f"len({dotted(of)})"
        case (
            ast.Call(func=ast.Attribute(value=of, attr="size"), args=[ast.Constant(value=int(n))], keywords=[])
            | ast.Subscript(value=ast.Attribute(value=of, attr="shape"), slice=ast.Constant(value=int(n)))
        ) if dotted(of):
            return f"{dotted(of)}.shape[{n}]"
    return None


def size(made: ast.expr, dimension: int) -> str | None:
    """The size of a dimension of a tensor that a call makes, as text."""
    if not isinstance(made, ast.Call) or not isinstance(made.func, ast.Attribute):
        return None
    if made.func.attr in _LIKE and made.args and dotted(made.args[0]):
        of = dotted(made.args[0])
        return f"len({of})" if dimension == 0 else f"{of}.shape[{dimension}]"
    if made.func.attr not in _MAKERS or not made.args:
        return None
    first = made.args[0]
    sizes = first.elts if isinstance(first, ast.Tuple | ast.List) else made.args
    plain = len(sizes) > dimension and not any(isinstance(one, ast.Starred) for one in sizes[: dimension + 1])
    return _length(sizes[dimension]) if plain else None
