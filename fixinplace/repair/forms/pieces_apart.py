"""Pieces of a tensor that are written and whose whole is read: each is made by an index of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.forms.pieces_cloned import made

_NAME = "pieces-apart"
_MOST = 6


def propose(scene: Scene) -> Iterator[Proposal]:
    """`a, b = z.chunk(2, 1)` as two slices of `z`, and `a, b, c = z.unbind(1)` or `z.unbind(1)[2]` as rows of it."""
    for code, value in made(scene):
        target = _target(code, value)
        text = _apart(code, value, target) if target is not None else ""
        if text and "\n" not in text:
            old = target if isinstance(target, ast.Subscript) else value
            change = Change(code.path, (code.replace(old, text),))
            title = f"the pieces of `{code.source_of(value)}` made one by one"
            yield Proposal(_NAME, Tier.PATCH, title, (change,), rank=61)


def _target(code: Code, value: ast.Call) -> ast.expr | None:
    """What the pieces are bound to, or the index that picks one of them."""
    match code.above.get(id(value)):
        case ast.Assign(targets=[ast.Tuple(elts=names) as bound]) if not any(isinstance(n, ast.Starred) for n in names):
            return bound
        case ast.Subscript(value=cut) as picked if cut is value:
            return picked
    return None


def _apart(code: Code, value: ast.Call, target: ast.expr) -> str:
    """The text of the pieces; empty where it would have to count."""
    assert isinstance(value.func, ast.Attribute)
    owner, cut = value.func.value, value.func.attr
    given = [*value.args, *(word.value for word in value.keywords)]
    if not isinstance(owner, ast.Name) or not all(isinstance(one, ast.Constant | ast.UnaryOp) for one in given):
        return ""
    numbers = [ast.literal_eval(one) for one in given]
    if not all(type(number) is int and number >= -1 for number in numbers):
        return ""
    match cut, target, numbers:
        case "unbind", ast.Subscript(slice=ast.Constant(value=int(index))), [] | [_]:
            return _row(owner.id, *numbers, index=index)
        case "unbind", ast.Tuple(elts=names), [] | [_] if len(names) <= _MOST:
            return ", ".join(_row(owner.id, *numbers, index=index) for index in range(len(names)))
        case "chunk", ast.Tuple(elts=[_, _]), [2] | [2, _]:
            return ", ".join(_halves(owner.id, *numbers[1:]))
    return ""


def _row(name: str, dim: int = 0, *, index: int) -> str:
    return f"{name}[{_before(dim)}{index}]"


def _halves(name: str, dim: int = 0) -> tuple[str, str]:
    half = f"(len({name}) + 1) // 2" if dim == 0 else f"({name}.shape[{dim}] + 1) // 2"
    return f"{name}[{_before(dim)}: {half}]", f"{name}[{_before(dim)}{half} :]"


def _before(dim: int) -> str:
    """What stands before the index of a dimension: `:, ` for the second one, `..., ` for the last."""
    return "..., " if dim == -1 else ":, " * dim


REPAIR = Repair(
    name=_NAME,
    what="Makes the pieces by an index each: `a, b = z.unbind(1)` becomes `a, b = z[:, 0], z[:, 1]`.",
    why="Views that came out of one call may not be written; one that an index gives may, and so the whole is reached.",
    propose=propose,
)
