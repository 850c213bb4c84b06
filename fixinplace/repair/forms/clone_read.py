"""A copy where the old value is read: the write stays, and autograd keeps the copy."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair import copying
from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.code import Code
from fixinplace.repair.reads import BOUND, RESULT

_NAME = "clone-read"
_KEEPS_RESULT = (
    "sigmoid tanh exp exp2 expm1 sqrt rsqrt reciprocal softmax log_softmax relu elu selu celu tan leaky_relu hardtanh"
    " norm renorm cumprod prod max min median logsumexp cholesky inverse svd qr pow"
).split()


def propose(scene: Scene) -> Iterator[Proposal]:
    """The operand that shares the written memory, else the result that was kept; the smallest copy first."""
    save = scene.offence.save
    spot = scene.node(save.place) if save is not None else None
    node = _expression(spot[1]) if spot is not None else None
    if not copying.helps(scene) or save is None or spot is None or node is None:
        return
    rank = copying.rank(scene)
    yield from _given(scene, rank + 3)
    statistics = scene.offence.rule == "FIP305"  # a module keeps them to itself: no operand of its call, no result
    found = copying.sharing(scene, spot[0], node)
    found = [*filter(_is_statistics, found)] or _statistics(node) if statistics else found
    for operand in found:
        yield copying.copied(_NAME, spot[0], [operand], rank)
    if len(found) > 1:
        yield copying.copied(_NAME, spot[0], found, rank + 1)
    for operand in found:
        bound = _binding(spot[0], operand)
        if bound is not None:
            title = f"`{ast.unparse(operand)}` cloned where it is bound"
            yield copying.copied(_NAME, spot[0], [bound], rank + 1, title, BOUND)
    if not statistics and any(word in save.op.lower() + scene.offence.node.lower() for word in _KEEPS_RESULT):
        yield copying.copied(_NAME, spot[0], [node], rank + 2, kind=RESULT)


def _given(scene: Scene, rank: int) -> Iterator[Proposal]:
    """What a helper that saves is given by the function that writes: all that shares the memory, in one call."""
    save, write = scene.offence.save, scene.offence.writes[0] if scene.offence.writes else None
    if save is None or write is None or write.place is None or save.place is None:
        return
    writer = (write.place.file, write.place.function)
    around = [each for each in save.stack if (each.file, each.function) == writer and each != save.place]
    spot = scene.node(around[0]) if around and (save.place.file, save.place.function) != writer else None
    node = _expression(spot[1]) if spot is not None else None
    if spot is None or node is None:
        return
    found = copying.sharing_here(scene, spot[0], node)
    if found:
        yield copying.copied(_NAME, spot[0], found, rank)


def _statistics(node: ast.expr) -> list[ast.expr]:
    """What a call of `F.batch_norm` is given as running mean and variance, whatever that is called."""
    match node:
        case ast.Call(func=ast.Attribute(attr="batch_norm"), args=args, keywords=words):
            named = [word.value for word in words if word.arg in ("running_mean", "running_var")]
            return [*args[1:3], *named]
    return []


def _is_statistics(node: ast.expr) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute)) and copying.path(node).endswith(("running_mean", "running_var"))


def _binding(code: Code, operand: ast.expr) -> ast.expr | None:
    """What a local name is bound to, if it is bound once, by a plain assignment that copies nothing yet."""
    function = code.function(operand)
    if not isinstance(operand, ast.Name) or function is None:
        return None
    stores = [each for each in ast.walk(function) if isinstance(each, ast.Name) and each.id == operand.id
              and not isinstance(each.ctx, ast.Load)]  # fmt: skip
    taken = any(each.arg == operand.id for each in ast.walk(function.args) if isinstance(each, ast.arg))
    value = _bound_to(code, stores[0]) if len(stores) == 1 and not taken else None
    copies = isinstance(value, ast.Call) and ast.unparse(value.func).endswith("clone")
    return value if isinstance(value, ast.Call | ast.Attribute | ast.Subscript) and not copies else None


def _bound_to(code: Code, store: ast.Name) -> ast.expr | None:
    """The value that a plain assignment gives to a name, also to one of several: `a, b = x[0], x[1]`."""
    match code.above[id(store)]:
        case ast.Assign(targets=[ast.Name()], value=value):
            return value
        case ast.Tuple(elts=names) as targets:
            match code.above[id(targets)]:
                case ast.Assign(targets=[_], value=ast.Tuple(elts=values)) if len(values) == len(names):
                    return values[names.index(store)]
    return None


def _expression(node: ast.expr | ast.stmt) -> ast.expr | None:
    """What a saving statement computes."""
    match node:
        case ast.expr():
            return node
        case ast.Assign(value=value) | ast.AugAssign(value=value) | ast.Expr(value=value):
            return value
        case ast.Return(value=ast.expr() as value):
            return value
    return None


REPAIR = Repair(
    name=_NAME,
    what="Clones the operand, or the result, that autograd keeps: `f(b[:, 0])` becomes `f(b[:, 0].clone())`.",
    why="One version counter belongs to all of a storage: a store into another column counts as a write of this one.",
    propose=propose,
)
