"""A loop over the rows of a tensor that writes them through its variable: by index instead.

Note [Rows by index]
    `for row in x: row.mul_(2)` writes views that one call gave, which torch refuses where they require grad.  Each row
    reached by its index is a view of its own, and a write into it reaches x: `x[i].mul_(2)`, after one clone of x,
    since what was computed from x may have kept it.  A loop whose body does more than this one write is left alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fixinplace.model import Edit, Found, Place, Span
from fixinplace.rewrite.setting import joint
from fixinplace.rewrite.slots import FUNCTIONS, KEEPING_NOTHING, own_nodes
from fixinplace.source import Text
from fixinplace.walking import walk

_NAMES = ("i", "index", "row_index")


@dataclass(frozen=True, slots=True)
class Rows:
    """The one site that writes its loop's variable, the edits, and these as lines for a title."""

    found: tuple[Found, ...]
    edits: tuple[Edit, ...]
    told: tuple[str, ...]


def rows(part: Text, tree: ast.Module, found: Sequence[Found]) -> Iterator[Rows]:
    """The loops over rows that can go by index; see Note [Rows by index]."""
    wanted = {one.site.statement: one for one in found if _is_row(one)}
    scopes = [tree, *(n for n in walk(tree) if isinstance(n, FUNCTIONS))] if wanted else []
    for scope, node in ((each, node) for each in scopes for node in own_nodes(each)):
        match node:
            case ast.For(target=ast.Name(id=row), iter=ast.Name(id=whole), body=[only], orelse=[]):
                one = wanted.get(part.span(only))
                fits = one is not None and one.site.target == row and one.facts.rows_of == {whole}
                edits = _edits(part, scope, node, row, whole) if fits else None
                if one is not None and edits is not None:
                    yield Rows((one,), edits, tuple(edit.text.strip() for edit in edits))


def _is_row(found: Found) -> bool:
    facts = found.facts
    kinds = {hazard.refusal for hazard in facts.hazards}
    local = facts.parameter is None and not facts.family and facts.place is Place.NAME
    return kinds == {"loop-variable"} and local and facts.tracked is not False and found.site.op in KEEPING_NOTHING


def _edits(part: Text, scope: ast.AST, loop: ast.For, row: str, whole: str) -> tuple[Edit, ...] | None:
    """The clone, the header and the row that is written; None if the names are used in ways that forbid it."""
    names = [n for n in walk(scope) if isinstance(n, ast.Name) and n.id == row]
    inside = [n for n in walk(loop.body[0]) if isinstance(n, ast.Name)]
    written = [n for n in inside if n.id == row]
    index = next((name for name in _NAMES if re.search(rf"\b{name}\b", part.text) is None), None)
    start = part.span(loop).start
    between = joint(part, start)
    plain = len(names) == 2 and len(written) == 1 and not any(n.id == whole for n in inside)
    if index is None or not plain or between == "; ":
        return None
    header = Span(part.span(loop.target).start, part.span(loop.iter).end)
    return (
        Edit(Span(start, start), f"{whole} = {whole}.clone(){between}"),
        Edit(header, f"{index} in range(len({whole}))"),
        Edit(part.span(written[0]), f"{whole}[{index}]"),
    )
