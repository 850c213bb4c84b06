"""A loop that detaches every row of a tensor in place, which torch refuses: the whole is detached, if that is meant."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier

_MEANING = (
    "`{0}` is a constant from here on: no gradient goes on into what it was computed from. Its rows detached one by "
    "one would leave `{0}` itself as it is, with all its history, which is why torch refuses that."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """`for h in hidden: h.detach_()` as `hidden = hidden.detach()`."""
    writes = scene.offence.writes
    spot = scene.node(writes[0].place) if writes and writes[0].op == "detach_" else None
    if spot is None:
        return
    code, node = spot
    statement = code.statement(node)
    loop = next(code.up(statement), None)
    match loop, statement:
        case (
            ast.For(target=ast.Name(id=row), iter=ast.Name() | ast.Attribute() as whole, body=[only], orelse=[]),
            ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=written), attr="detach_"))),
        ) if only is statement and row == written:
            text = code.source_of(whole)
            title = f"`{text}` detached as a whole"
            change = Change(code.path, (code.replace(loop, f"{text} = {text}.detach()"),))
            yield Proposal("detached-rows", Tier.CHOOSE, title, (change,), _MEANING.format(text), rank=10)


REPAIR = Repair(
    name="detached-rows",
    what="Replaces the loop: `for h in hidden: h.detach_()` becomes `hidden = hidden.detach()`.",
    why="Iterating over a tensor gives views, and torch detaches no view in place; all rows together can be detached.",
    propose=propose,
)
