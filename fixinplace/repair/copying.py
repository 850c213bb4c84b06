"""Copies where a value is read: who shares the written memory, and how soon a copy is worth trying."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from fixinplace.detect.index import dotted
from fixinplace.repair.base import Change, Proposal, Scene, Tier
from fixinplace.repair.code import Code

_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
_WRITES_ARE_RIGHT = ("FIP208", "FIP305", "FIP301", "FIP302", "FIP303")
_NEVER = ("FIP201", "FIP202", "FIP203", "FIP204", "FIP205", "FIP206", "FIP207", "FIP209", "FIP211", "FIP304", "FIP306")


def helps(scene: Scene) -> bool:
    """True if a saved tensor was overwritten, so that a copy of it can have been saved instead.

    What a custom Function keeps past autograd's eyes is cloned in no reference: nothing could tell a right copy.
    """
    hidden = scene.offence.rule == "FIP210" and scene.offence.silent
    never = scene.offence.rule in _NEVER and not is_own_write(scene)
    return not never and scene.offence.save is not None and not hidden


def is_own_write(scene: Scene) -> bool:
    """True where a forward writes, by hand, a parameter that it reads itself: a temperature that it clamps.

    A second forward writes it again, which is no step of an optimizer: each computes with what it has read.
    """
    offence = scene.offence
    write, save = next(iter(offence.writes), None), offence.save
    if offence.rule != "FIP201" or write is None or write.by == "optimizer" or write.place is None or save is None:
        return False
    here = save.place is not None and (save.place.file, save.place.function) == (write.place.file, write.place.function)
    return here and write.place.function.endswith(".forward")


def is_overwritten(scene: Scene) -> bool:
    """True if a saved tensor was overwritten by a write that may as well go elsewhere."""
    return helps(scene) and scene.offence.rule not in _WRITES_ARE_RIGHT


def rank(scene: Scene) -> int:
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


def owners(scene: Scene) -> frozenset[str]:
    """Paths on which somebody holds the written memory: `b` for `b`, `b[0]` and `b (view)` alike, `self.u`."""
    offence = scene.offence
    held = [name for write in offence.writes for name in write.names]
    held += offence.save.names if offence.save is not None else ()
    paths = {name.split(" ")[0].split("[")[0] for name in held}
    for write in offence.writes:
        spot = scene.node(write.place)
        if spot is not None:
            paths.add(written(spot[0].statement(spot[1])))
            paths |= {path(spot[1])} if isinstance(spot[1], ast.Subscript) else set()  # one of several: `c[i], h[i] = `
    return frozenset(paths - {""})


def sharing(scene: Scene, code: Code, node: ast.expr) -> list[ast.expr]:
    """Operands of an expression whose name holds the written memory; else names that were bound to it, and are
    perhaps bound anew before the write; else names that a container of it was given; else attributes by which others
    see what a method writes; else those that begin with the same name.

    Everything in a class begins with `self`: there the attribute has to be the same too, unless nothing else is left.
    """
    held = owners(scene)
    exact = [each for each in operands(node) if path(each) in held]
    bound = exact or [each for each in operands(node) if _is_bound_to(code, each, held)]
    written_by = [spot[0].statement(spot[1]) for write in scene.offence.writes if (spot := scene.node(write.place))]
    given = bound or [each for each in operands(node) if _is_put_into(code, each, held, written_by)]
    other = given or [each for each in operands(node) if _is_seen_by_owner(each, held)]
    alike = other or [each for each in operands(node) if _begins_alike(each, held)]
    own = {owner.split(".")[0] for owner in held} & {"self", "cls"}
    return alike or [each for each in operands(node) if root(each) in own]


def _is_bound_to(code: Code, node: ast.expr, held: frozenset[str]) -> bool:
    """True for a local name that an assignment binds to a part of what is held, on one of its branches at least."""
    function = code.function(node) if isinstance(node, ast.Name) else None
    statements = () if function is None else (each for each in ast.walk(function) if isinstance(each, ast.Assign))
    own = [value for each in statements for target in each.targets for value in _values(target, each.value, path(node))]
    parts = [part for value in own for part in branches(value) if isinstance(part, ast.Subscript)]
    return any(path(part) in held for part in parts)


def _values(target: ast.expr, value: ast.expr, name: str) -> list[ast.expr]:
    """What an assignment gives to a name, also to one of several: `a, b = x[0], y[0]`."""
    if isinstance(target, ast.Name):
        return [value] if target.id == name else []
    both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts)
    pairs = zip(target.elts, value.elts, strict=True) if both else ()  # type: ignore[attr-defined]
    return [each for one, given in pairs for each in _values(one, given, name)]


def sharing_here(scene: Scene, code: Code, node: ast.expr) -> list[ast.expr]:
    """Operands of an expression whose names hold the written memory, or were bound to a part of it."""
    held = owners(scene)
    return [each for each in operands(node) if path(each) in held or _is_bound_to(code, each, held)]


def _is_put_into(code: Code, node: ast.expr, held: frozenset[str], writes: Sequence[ast.stmt]) -> bool:
    """True for a local name that a container was given which holds what is written: `self.features.append(x)`, and
    `features[name] = x`, unless that is a write itself, into a tensor.
    """
    function = code.function(node) if isinstance(node, ast.Name) else None
    for each in () if function is None else ast.walk(function):
        match each:
            case ast.Call(func=ast.Attribute(value=home, attr=attr), args=[*_, ast.Name(id=name)]):
                if attr in _PUTTING and name == path(node) and path(home) in held:
                    return True
            case ast.Assign(targets=[ast.Subscript(value=home)], value=ast.Name(id=name)) if each not in writes:
                if name == path(node) and path(home) in held:
                    return True
    return False


_PUTTING = ("append", "appendleft", "insert", "add", "setdefault")


def _is_seen_by_owner(node: ast.expr, held: frozenset[str]) -> bool:
    """True for `store.rows` where a method of the store writes `self.rows`."""
    owner, _, attribute = path(node).rpartition(".")
    return bool(owner) and owner not in ("self", "cls") and f"self.{attribute}" in held


def _begins_alike(node: ast.expr, held: frozenset[str]) -> bool:
    start = root(node)
    if start in ("self", "cls"):
        return any(owner.startswith(f"{path(node)}.") for owner in held) and path(node) != start
    return start in {owner.split(".")[0] for owner in held}


def only_holds(scene: Scene, node: ast.expr) -> bool:
    """True for an object that has the written memory in an attribute, `net` for `net.fc.weight`: it is no tensor."""
    held, name = owners(scene), path(node)
    inside = any(owner.startswith(f"{name}.") for owner in held)
    return isinstance(node, ast.Name | ast.Attribute) and inside and name not in held


def written(statement: ast.stmt) -> str:
    """The path that a statement writes: `h` for `h += 1`, `h[0] = 1` and `h.add_(1)`; empty if it is none."""
    target = statement.target if isinstance(statement, ast.AugAssign) else None
    match statement:
        case ast.Assign(targets=[one]):
            return path(one)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=value))):
            return path(value)
    return "" if target is None else path(target)


def path(node: ast.expr) -> str:
    """`self.u` for `self.u`, `self.u[0]`, `self.u.t()`: names and attributes up to the first call or subscript."""
    while True:
        match node:
            case ast.Subscript(value=inner) | ast.Call(func=ast.Attribute(value=inner)):
                node = inner
            case _:
                return dotted(node) or root(node)


def root(node: ast.expr) -> str:
    """The first name of a chain of attributes, subscripts and calls; empty without one."""
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Call(func=inner):
                node = inner
            case _:
                return ""
    return node.id


def operands(node: ast.expr) -> list[ast.expr]:
    """What an expression computes with: arguments, the object of a method, both sides of an operator; of an operand
    with a condition, both branches."""
    return [branch for each in _direct(node) for branch in branches(each)]


def branches(node: ast.expr) -> list[ast.expr]:
    """What an expression may be: both sides of `a if c else b`, all of `[a, b]`, and each other expression itself."""
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [branch for part in parts if not isinstance(part, ast.Starred) for branch in branches(part)]
        case ast.IfExp(body=body, orelse=orelse):
            return [*branches(body), *branches(orelse)]
    return [node]


def _direct(node: ast.expr) -> list[ast.expr]:
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


def copied(repair: str, code: Code, nodes: list[ast.expr], rank: int, title: str = "", kind: str = "") -> Proposal:
    """The proposal of one form to clone some expressions where they are read, or as the title says."""
    edits = []
    for node in nodes:
        text = code.source_of(node)
        edits.append(code.replace(node, f"{text if isinstance(node, _ATOMS) else f'({text})'}.clone()"))
    titles = " and ".join(f"`{' '.join(code.source_of(node).split())}`" for node in nodes)
    title = title or f"{titles} cloned where it is read"
    return Proposal(repair, Tier.PATCH, title, (Change(code.path, tuple(edits)),), rank=rank, kind=kind)
