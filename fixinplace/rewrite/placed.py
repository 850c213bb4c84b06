"""Writes to a part of a tensor that lies in a place of a container, where that place has just been cloned.

Note [Clones of places]
    `hs[0][0] = v` becomes `hs[0] = hs[0].clone()` and the same store.  What stands behind such a clone is finished:
    nothing can have kept the clone as long as the statements between, in one block, do not read the container, or are
    stores into parts of what it holds themselves.  Detection joins what is stored in a list with what was there, and
    cannot tell; the text can.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from fixinplace.model import Found, Hazard, Place
from fixinplace.rewrite.reads import mentions, parse_file
from fixinplace.rewrite.runs import only_stores
from fixinplace.source import Text
from fixinplace.walking import walk


def placed(part: Text, found: Sequence[Found]) -> list[Found]:
    """The sites; those behind a clone of their place are finished, see Note [Clones of places]."""
    return [_finished(one) if _is_cloned(part, one) else one for one in found]


def before(part: Text, one: Found) -> list[ast.stmt]:
    """The statements before the one of a write in the innermost block that has it."""
    found: list[ast.stmt] = []
    for node in walk(parse_file(part.text)):
        blocks = (getattr(node, field, None) for field in ("body", "orelse", "finalbody"))
        for block in (each for each in blocks if isinstance(each, list)):
            spans = map(part.span, block)
            here = (n for n, span in enumerate(spans) if span.start <= one.site.statement.start < span.end)
            if (number := next(here, None)) is not None:
                found = block[:number]
    return found


def _finished(one: Found) -> Found:
    finished = Hazard("finished", "the tensor is a clone, and nothing has kept it yet")
    return replace(one, facts=replace(one.facts, hazards=(finished,)))


def _is_cloned(part: Text, one: Found) -> bool:
    if one.facts.place is not Place.SLOT or one.facts.hazards:
        return False
    place = one.site.target
    for statement in reversed(before(part, one)):
        if isinstance(statement, ast.Assign) and part.slice(part.span(statement)) == f"{place} = {place}.clone()":
            return True
        if mentions(place, statement) and not _writes_part(statement, place):
            return False
    return False


def _writes_part(statement: ast.stmt, place: str) -> bool:
    """True for `hs[1][0] = 1`, which mentions the list but once, and binds no place of it anew."""
    match statement:
        case ast.Assign(targets=[target]) | ast.AugAssign(target=target):
            part: ast.expr = target
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=target))):
            part = target
        case _:
            return False
    holder = place.partition("[")[0]
    mentioned = [n for n in walk(statement) if isinstance(n, ast.Name) and n.id == holder]
    deeper = isinstance(part, ast.Subscript) and isinstance(part.value, ast.Subscript)
    return deeper and len(mentioned) == 1 and only_stores(statement, place)
