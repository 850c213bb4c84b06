"""A copy where the old value is read: the write stays, and autograd keeps the copy."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.index import dotted
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code

_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
_WRITES_ARE_RIGHT = ("FIP208", "FIP305", "FIP301", "FIP302", "FIP303")
_NEVER = ("FIP201", "FIP202", "FIP203", "FIP204", "FIP205", "FIP206", "FIP207", "FIP209", "FIP211", "FIP304", "FIP306")
_KEEPS_RESULT = (
    "sigmoid tanh exp exp2 expm1 sqrt rsqrt reciprocal softmax log_softmax relu elu selu celu tan leaky_relu hardtanh"
    " norm renorm cumprod prod max min median logsumexp cholesky inverse svd qr pow"
).split()


def propose(scene: Scene) -> Iterator[Proposal]:
    """The operand that shares the written memory, else the result that was kept; the smallest copy first."""
    offence = scene.offence
    if offence.rule in _NEVER or offence.save is None:
        return
    spot = scene.node(offence.save.place)
    if spot is None:
        return
    code, node = spot[0], _expression(spot[1])
    if node is None:
        return
    rank = _rank(scene)
    owners = _owners(scene)
    operands = [each for each in _operands(node) if _path(each) in owners]
    roots = {owner.split(".")[0] for owner in owners}
    operands = operands or [each for each in _operands(node) if _root(each) in roots]
    for operand in operands:
        yield _copied(code, [operand], rank)
    if len(operands) > 1:
        yield _copied(code, operands, rank + 1)
    if any(word in offence.save.op.lower() + offence.node.lower() for word in _KEEPS_RESULT):
        yield _copied(code, [node], rank + 2)


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


def _rank(scene: Scene) -> int:
    """Before the write out of place where the write is right as it is, or is a store into a part of the tensor."""
    if scene.offence.rule in _WRITES_ARE_RIGHT:
        return 5
    write = scene.offence.writes[0] if scene.offence.writes else None
    spot = scene.node(write.place) if write is not None else None
    store = spot is not None and _is_store(spot[0].statement(spot[1]))
    return 15 if store else 30


def _is_store(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Subscript()]) | ast.AugAssign(target=ast.Subscript()):
            return True
    return False


def _owners(scene: Scene) -> frozenset[str]:
    """Paths on which somebody holds the written memory: `b` for `b`, `b[0]` and `b (view)` alike, `self.u`."""
    offence = scene.offence
    held = [name for write in offence.writes for name in write.names]
    held += offence.save.names if offence.save is not None else ()
    paths = {name.split(" ")[0].split("[")[0] for name in held}
    for write in offence.writes:
        spot = scene.node(write.place)
        if spot is not None:
            paths.add(_written(spot[0].statement(spot[1])))
    return frozenset(paths - {""})


def _written(statement: ast.stmt) -> str:
    target = statement.target if isinstance(statement, ast.AugAssign) else None
    match statement:
        case ast.Assign(targets=[one]):
            return _path(one)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=value))):
            return _path(value)
    return "" if target is None else _path(target)


def _path(node: ast.expr) -> str:
    """`self.u` for `self.u`, `self.u[0]`, `self.u.t()`: names and attributes up to the first call or subscript."""
    while True:
        match node:
            case ast.Subscript(value=inner) | ast.Call(func=ast.Attribute(value=inner)):
                node = inner
            case _:
                return dotted(node) or _root(node)


def _root(node: ast.expr) -> str:
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Call(func=inner):
                node = inner
            case _:
                return ""
    return node.id


def _operands(node: ast.expr) -> list[ast.expr]:
    """What an expression computes with: arguments, the object of a method, both sides of an operator."""
    match node:
        case ast.Call(func=func, args=args, keywords=keywords):
            receiver = [func.value] if isinstance(func, ast.Attribute) and not _is_module(func.value) else []
            return [*receiver, *args, *(each.value for each in keywords)]
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.Subscript(value=value, slice=index):
            inside = index.elts if isinstance(index, ast.Tuple) else [index]
            return [value, *(each for each in inside if isinstance(each, _ATOMS))]
    return []


def _is_module(node: ast.expr) -> bool:
    return dotted(node) in ("torch", "F", "nn", "torch.nn.functional", "self")


def _copied(code: Code, nodes: list[ast.expr], rank: int) -> Proposal:
    edits = []
    for node in nodes:
        text = code.source_of(node)
        edits.append(code.replace(node, f"{text if isinstance(node, _ATOMS) else f'({text})'}.clone()"))
    titles = " and ".join(f"`{' '.join(code.source_of(node).split())}`" for node in nodes)
    return Proposal("clone-read", Tier.PATCH, f"{titles} cloned where it is read", (Change(code.path, tuple(edits)),),
                    rank=rank)  # fmt: skip


REPAIR = Repair(
    name="clone-read",
    what="Clones the operand, or the result, that autograd keeps: `f(b[:, 0])` becomes `f(b[:, 0].clone())`.",
    why="One version counter belongs to all of a storage: a store into another column counts as a write of this one.",
    propose=propose,
)
