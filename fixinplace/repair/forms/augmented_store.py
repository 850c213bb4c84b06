"""A store of what a part was combined with, as an augmented assignment, which keeps the old part for itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code

_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_EITHER_WAY = (ast.Add, ast.Mult)


def propose(scene: Scene) -> Iterator[Proposal]:
    """`x[:, i] = x[:, i] * gain` becomes `x[:, i] *= gain`, where this very line had saved the old part."""
    offence = scene.offence
    if offence.rule or not offence.writes or offence.save is None:
        return
    write, save = scene.node(offence.writes[0].place), scene.node(offence.save.place)
    if write is None or save is None:
        return
    code, statement = write[0], write[0].statement(write[1])
    if save[0] is not code or code.statement(save[1]) is not statement:
        return
    text = _augmented(code, statement)
    if text is not None:
        change = Change(code.path, (code.replace(statement, text),))
        yield Proposal("augmented-store", Tier.PATCH, f"rewrite as `{text}`", (change,), rank=9)


def _augmented(code: Code, statement: ast.stmt) -> str | None:
    match statement:
        case ast.Assign(targets=[ast.Subscript() as target], value=ast.BinOp(left=left, op=op, right=right)):
            sign = _SIGNS.get(type(op))
            place = ast.unparse(target)
            if any(isinstance(each, ast.Call) for each in ast.walk(target)) or "\n" in code.source_of(statement):
                return None
            if sign is not None and ast.unparse(left) == place:
                return f"{code.source_of(target)} {sign}= {code.source_of(right)}"
            if isinstance(op, _EITHER_WAY) and ast.unparse(right) == place:
                return f"{code.source_of(target)} {sign}= {code.source_of(left)}"
    return None


REPAIR = Repair(
    name="augmented-store",
    what="Writes a store that reads its own place as an augmented assignment: `x[i] = x[i] * v` becomes `x[i] *= v`.",
    why="The product keeps the part that the store then overwrites; an in-place product keeps a copy of it.",
    propose=propose,
)
