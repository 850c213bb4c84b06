"""The last value for each element of a store alone: the places that are kept, and what is taken of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from fixinplace.model import Edit
from fixinplace.repair.base import Scene
from fixinplace.repair.code import Code

LAST = "which of several values for one element is left torch does not say; here it was the last one"
"""The caveat of every such store."""
_NAMES = ("kept", "kept_last", "last_of_each")


def stored(scene: Scene) -> tuple[Code, ast.stmt] | None:
    """The statement that names an element twice, in its file."""
    offence = scene.offence
    spot = scene.node(offence.writes[0].place) if offence.rule == "FIP304" and offence.writes else None
    return None if spot is None else (spot[0], spot[0].statement(spot[1]))


def kept(
    code: Code, statement: ast.stmt, indices: Sequence[ast.expr], value: ast.expr, along: str
) -> Iterator[tuple[str, tuple[Edit, ...]]]:
    """A title and edits for the store of what is left: of a value with a row for each place, and of one for all.

    indices: the index tensors. along: what stands before their dimension in an index of the value.
    """
    used = {each.id for each in ast.walk(code.tree) if isinstance(each, ast.Name)}
    name = next((each for each in _NAMES if each not in used), None)
    if name is None:
        return
    listed = [f"{code.source_of(each)}.tolist()" for each in indices]
    each = f"enumerate({listed[0]})" if len(listed) == 1 else f"enumerate(zip({', '.join(listed)}))"
    line = code.before_statement(statement, f"{name} = sorted({{at: n for n, at in {each}}}.values())")
    if line is None:
        return
    cut = [code.after(one, f"[{name}]") for one in indices]
    title = f"of what `{' '.join(code.source_of(statement).split())}` stores, the last for each element alone"
    yield title, (line, *cut, _taken(code, value, along, name))
    yield title, (line, *cut)


def _taken(code: Code, value: ast.expr, along: str, name: str) -> Edit:
    text = code.source_of(value)
    atom = isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Call)
    return code.replace(value, f"{text if atom else f'({text})'}[{along}{name}]")
