"""Loops that call the modules of a list one after the other: `for layer in self.layers: x = layer(x)`.

Note [Walked lists]
    The first module that such a loop calls is the first of the list, and it alone is called with what was there before
    the loop: `x` may be an argument then, and what the others are called with a module has returned.  So the first
    round is read apart from all others, with what may be the first module: of a list that nobody changes, see
    Note [Fixed lists], or of a `Sequential`, of which it is known what may stand first.  It is the same loop with
    `for i in range(n): x = self.layers[i](x)`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from fixinplace.detect.chains import Chain
from fixinplace.detect.listed import LIST
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import Value, chained, fixed_within, one_of, spelled
from fixinplace.walking import every, remembered


def first_of(modules: Value) -> Value | None:
    """What the first round over modules is given; None if nothing is known of that."""
    order = _order(modules)
    if order is None or not order.firsts:
        return None
    return one_of(map(fixed_within, sorted(order.firsts, key=spelled)))


def beginning(generators: Sequence[ast.comprehension], result: ast.expr) -> ast.expr | None:
    """`layers` of `[layers[i] for i in range(n)]`, which are its first ones."""
    match generators, result:
        case [
            [ast.comprehension(ast.Name(id=name), ast.Call(ast.Name(id="range"), [count], []), [])],
            ast.Subscript(ast.Name() | ast.Attribute() as modules, ast.Name(id=index)),
        ] if name == index and not isinstance(count, ast.Starred):
            return modules
    return None


def first_ones(modules: Value) -> Chain[Value] | None:
    """How modules may stand of which the last ones are left out."""
    order = _order(modules)
    return order.beginning() if order is not None else None


def _order(modules: Value) -> Chain[Value] | None:
    if modules.name == LIST:
        return modules.order if modules.exact else None
    return chained(modules) if modules.name == "torch.nn.Sequential" else None


def walked(loop: ast.For | ast.AsyncFor) -> ast.Attribute | None:
    """`self.layers`, which a loop goes over, counting or not."""
    match loop.iter:
        case ast.Attribute() | ast.Call(func=ast.Name(id="enumerate"), args=[ast.Attribute()], keywords=[]):
            return loop.iter if isinstance(loop.iter, ast.Attribute) else every(loop.iter, ast.Attribute)[0]
    return None


def with_first(loop: ast.For | ast.AsyncFor, item: Value, first: Value) -> Value | None:
    """What a loop is given in its first round; item: in any."""
    if isinstance(loop.iter, ast.Attribute):
        return first
    return replace(item, items=(item.items[0], first)) if len(item.items) == 2 and item.exact else None


@remembered
def counter(loop: ast.AST) -> str:
    """`i` of `for i in range(n)` and `for i, x in enumerate(xs)`, which the body leaves alone; "" for other loops."""
    match loop:
        case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=[count])):
            return name if _counts(loop, name) and not isinstance(count, ast.Starred) else ""
        case ast.For(
            target=ast.Tuple(elts=[ast.Name(id=name), _]), iter=ast.Call(func=ast.Name(id="enumerate")) as call
        ):
            return name if len(call.args) == 1 and not call.keywords and _counts(loop, name) else ""
    return ""


def _counts(loop: ast.For, name: str) -> bool:
    return all(isinstance(one.ctx, ast.Load) for each in loop.body for one in every(each, ast.Name) if one.id == name)
