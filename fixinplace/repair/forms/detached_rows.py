"""A loop that detaches every row of a tensor in place, which torch refuses: the whole is detached, if that is meant."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code

_MEANING = (
    "`{0}` is a constant from here on: no gradient goes on into what it was computed from. Its rows detached one by "
    "one would leave `{0}` itself as it is, with all its history, which is why torch refuses that."
)


_PIECES = ("unbind", "split", "chunk")


def propose(scene: Scene) -> Iterator[Proposal]:
    """`for h in hidden: h.detach_()` as `hidden = hidden.detach()`; of `hidden.unbind(0)` as `hidden.detach_()`."""
    writes = scene.offence.writes
    spot = scene.node(writes[0].place) if writes and writes[0].op == "detach_" else None
    if spot is None:
        return
    code, node = spot
    statement = code.statement(node)
    loop = next(code.up(statement), None)
    match loop, statement:
        case (
            ast.For(target=ast.Name(id=row), iter=iterated, body=[only], orelse=[]),
            ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=written), attr="detach_"))),
        ) if only is statement and row == written:
            found = _whole(code, iterated)
            if found is not None:
                text, line = found
                change = Change(code.path, (code.replace(loop, line),))
                title, meaning = f"`{text}` detached as a whole", _MEANING.format(text)
                yield Proposal("detached-rows", Tier.CHOOSE, title, (change,), meaning, rank=10)


def _whole(code: Code, iterated: ast.expr) -> tuple[str, str] | None:
    """What is detached, and the line that does it: in place where the loop went over its pieces, since whoever else has
    it had to see that as well.
    """
    match iterated:
        case ast.Name() | ast.Attribute():
            text = code.source_of(iterated)
            return text, f"{text} = {text}.detach()"
        case ast.Call(func=ast.Attribute(value=ast.Name() | ast.Attribute() as whole, attr=attr)) if attr in _PIECES:
            text = code.source_of(whole)
            return text, f"{text}.detach_()"
    return None


REPAIR = Repair(
    name="detached-rows",
    what="Replaces the loop: `for h in hidden: h.detach_()` becomes `hidden = hidden.detach()`, and that over "
    "`hidden.unbind(0)` becomes `hidden.detach_()`.",
    why="Iterating over a tensor gives views, and torch detaches no view in place; all rows together can be detached.",
    propose=propose,
)
