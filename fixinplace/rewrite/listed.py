"""A loop over a list or a dict of tensors that writes them through its variable: each place is bound anew with it.

Note [Places in a loop]
    `for h in hs: h.mul_(2)` writes the tensors that the list holds.  A new tensor has to come back to its place:
    `for i, h in enumerate(hs): hs[i] = h.mul(2)`, and of a dict's values by their keys.  The list itself stays the same
    object, so that whoever has it sees what it sees today; who has one of the tensors is looked for where it is written
    (see Note [Places of containers] in `detect/containers.py`).  The loop must not touch the list, nor bind the
    variable or its number anew, so that the place is the one that the tensor came from.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fixinplace.model import Edit, Found, Holder, Place, Span
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.choice import Step
from fixinplace.rewrite.compose import Composed, compose
from fixinplace.rewrite.setting import Setting, settings
from fixinplace.rewrite.slots import FUNCTIONS, is_seen_within, own_nodes
from fixinplace.source import Text
from fixinplace.walking import walk

_RULES = ("FIP101", "FIP104", "FIP105", "FIP106")
_INDICES = ("i", "index", "place", "position")
_KEYS = ("key", "name", "k")


@dataclass(frozen=True, slots=True)
class Listed:
    """The sites that write one loop's variable, with their rewrites, the edits, and these as lines for a title."""

    found: tuple[Found, ...]
    steps: tuple[Step, ...]
    edits: tuple[Edit, ...]
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Loop:
    """What a loop goes over, as what, by which number or key, and the header that names that."""

    container: str
    variable: str
    place: str
    header: str


def is_listed(found: Found) -> bool:
    """True for a write that nothing but one container of the function's own forbids."""
    facts = found.facts
    kinds = {hazard.refusal for hazard in facts.hazards}
    own = facts.parameter is None and not facts.family and facts.place is Place.NAME
    return kinds == {"container-slot"} and len(facts.listed) == 1 and own and found.site.rule in _RULES


def listed(part: Text, tree: ast.Module, found: Sequence[Found]) -> Iterator[Listed]:
    """The loops whose writes can come back to their places; see Note [Places in a loop]."""
    wanted = {one.site.span: one for one in found if is_listed(one) and one.facts.tracked is not False}
    table = settings(part, tree, [one.site.statement for one in wanted.values()])
    for scope in [tree, *(n for n in walk(tree) if isinstance(n, FUNCTIONS))] if wanted else []:
        for node in own_nodes(scope):
            loop = _loop(part, node) if isinstance(node, ast.For) else None
            if loop is None or not isinstance(node, ast.For):
                continue
            inside = Span(part.span(node.body[0]).start, part.span(node.body[-1]).end)
            sites = [one for one in found if inside.contains(one.site.span) and one.site.target == loop.variable]
            fits = sites and all(
                wanted.get(one.site.span) is one and one.facts.listed == {loop.container} for one in sites
            )
            if fits and _is_plain(scope, node, loop, sites, part):
                one = _written(part, node, loop, sites, found, table)
                if one is not None:
                    yield one


def _loop(part: Text, node: ast.For) -> _Loop | None:
    """The container whose places a loop goes through, None for other loops."""
    variable, i = part.slice(part.span(node.target)), _free(part.text, _INDICES)
    match node.target, node.iter:
        case ast.Name(id=h), ast.Name(id=hs):
            return _Loop(hs, h, i, f"{i}, {variable} in enumerate({hs})") if i else None
        case ast.Tuple(elts=[ast.Name(id=i), ast.Name(id=h)]), ast.Call(
            func=ast.Name(id="enumerate"), args=[ast.Name(id=hs)], keywords=[]
        ):
            return _Loop(hs, h, i, "")
        case ast.Tuple(elts=[ast.Name(id=h), *_]), ast.Call(func=ast.Name(id="zip"), args=[ast.Name(id=hs), *_]) if (
            not variable.startswith("(")
        ):
            return _Loop(hs, h, i, f"{i}, ({variable}) in enumerate({part.slice(part.span(node.iter))})") if i else None
        case ast.Tuple(elts=[ast.Name(id=key), ast.Name(id=h)]), ast.Call(
            func=ast.Attribute(value=ast.Name(id=hs), attr="items"), args=[], keywords=[]
        ):
            return _Loop(hs, h, key, "")
        case ast.Name(id=h), ast.Call(func=ast.Attribute(value=ast.Name(id=hs), attr="values"), args=[], keywords=[]):
            key = _free(part.text, _KEYS)
            return _Loop(hs, h, key, f"{key}, {variable} in {hs}.items()") if key else None
    return None


def _free(text: str, names: Sequence[str]) -> str:
    """The first of these names that the text uses nowhere, "" if it uses all."""
    return next((name for name in names if re.search(rf"\b{name}\b", text) is None), "")


def _is_plain(scope: ast.AST, node: ast.For, loop: _Loop, sites: Sequence[Found], part: Text) -> bool:
    """True if the body leaves the container alone, and binds neither the variable nor its place."""
    if loop.variable == loop.place or any(is_seen_within(scope, name) for name in (loop.container, loop.variable)):
        return False
    written = {one.site.statement for one in sites}
    summed = {
        id(n.target) for one in node.body for n in walk(one) if isinstance(n, ast.AugAssign) and part.span(n) in written
    }
    for name in (n for one in node.body for n in walk(one) if isinstance(n, ast.Name) and id(n) not in summed):
        if name.id == loop.container or (not isinstance(name.ctx, ast.Load) and name.id in (loop.variable, loop.place)):
            return False
    return [n.id for n in walk(node.target) if isinstance(n, ast.Name)].count(loop.variable) == 1


def _written(part: Text, node: ast.For, loop: _Loop, sites: Sequence[Found], found: Sequence[Found],
             table: Mapping[Span, Setting]) -> Listed | None:  # fmt: skip
    """The loop with its statements rewritten; None if one of them cannot be."""
    composed: list[Composed] = []
    for span in dict.fromkeys(one.site.statement for one in sites):
        inside = [one for one in found if one.site.statement == span]
        if span not in table or any(one not in sites for one in inside):
            return None
        try:
            composed.append(compose(part, table[span], [_with_place(one, loop) for one in inside], ()))
        except Refusal:
            return None
    if any(not one.edits or one.finished for one in composed):
        return None
    header = Span(part.span(node.target).start, part.span(node.iter).end)
    bare = [replace(edit, text=_bare(edit.text, one, loop)) for one in composed for edit in (*one.edits, *one.behind)]
    edits = [Edit(header, loop.header), *bare] if loop.header else bare
    told = [f"for {loop.header}:"] if loop.header else []
    return Listed(
        tuple(sites),
        tuple(step for one in composed for step in one.steps),
        tuple(edits),
        (*told, *(edit.text.strip() for edit in bare)),
    )


def _bare(text: str, composed: Composed, loop: _Loop) -> str:
    """The text of an edit that binds the place alone, where nobody reads the variable behind it."""
    read = any(step.case.facts.read_later for step in composed.steps)
    place = f"{loop.container}[{loop.place}] = "
    return text if read else text.removeprefix(f"{loop.variable} = ") if f"{loop.variable} = {place}" in text else text


def _with_place(found: Found, loop: _Loop) -> Found:
    """The site, with the place of the container as a second name of the tensor."""
    holders = (Holder(loop.variable, (), True), Holder(f"{loop.container}[{loop.place}]", (), True))
    return replace(found, facts=replace(found.facts, hazards=(), family=holders))
