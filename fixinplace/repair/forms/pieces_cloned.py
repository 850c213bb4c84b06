"""Pieces of a tensor that are written one by one, which torch refuses: each is cloned where they are made."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code

_NAME = "pieces-cloned"
_PIECES = ("chunk", "split", "unbind", "tensor_split", "split_with_sizes", "hsplit", "vsplit", "dsplit")


def propose(scene: Scene) -> Iterator[Proposal]:
    """`gates = z.chunk(4, 1)` as `gates = [piece.clone() for piece in z.chunk(4, 1)]`, where a name in the writing
    statement, or in a loop around it, is bound to the pieces or to one of them.
    """
    for code, value in made(scene):
        text = code.source_of(value)
        if "\n" not in text:
            change = Change(code.path, (code.replace(value, f"[piece.clone() for piece in {text}]"),))
            yield Proposal(_NAME, Tier.PATCH, f"the pieces of `{text}` cloned", (change,), rank=60)


def made(scene: Scene) -> Iterator[tuple[Code, ast.Call]]:
    """The calls that made the pieces of which one may have been written where torch refused it."""
    offence = scene.offence
    spot = scene.node(offence.writes[0].place) if offence.rule == "FIP204" and offence.writes else None
    if spot is not None:
        code, node = spot
        yield from ((code, value) for value in dict.fromkeys(_pieces(code, code.statement(node))))


def _pieces(code: Code, statement: ast.stmt) -> Iterator[ast.Call]:
    """The calls that made the pieces which a statement may write."""
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)} if not hasattr(statement, "body") else set()
    loops = [up for up in code.up(statement) if isinstance(up, ast.For)]
    names |= {n.id for loop in loops for n in ast.walk(loop.iter) if isinstance(n, ast.Name)}
    function = code.function(statement)
    for node in ast.walk(code.tree if function is None else function):
        match node:
            case ast.Assign(
                targets=[target],
                value=(ast.Call(func=ast.Attribute(attr=attr)) as value)
                | ast.Subscript(value=ast.Call(func=ast.Attribute(attr=attr)) as value),
            ):
                bound = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
                if attr in _PIECES and names & bound:
                    yield value


REPAIR = Repair(
    name=_NAME,
    what="Clones the pieces where they are made: `gates = [piece.clone() for piece in z.chunk(4, 1)]`.",
    why="Views that came out of one call may not be written; a clone of each may, if nobody looks at the whole again.",
    propose=propose,
)
