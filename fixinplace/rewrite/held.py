"""A write to a tensor that a list or a tuple of the function holds in a place that is written down: it is put there.

Note [Places that are written down]
    After `pair = [h, x]` the list holds the very tensor of h, as long as neither name is bound anew behind that, and
    nobody has the list who could change it.  So `h += 1` is followed by `pair[0] = h`, a view that was put in is made
    again, `pair[1] = h[1:]`, and a tuple is built anew from what it holds: a loop would go on over the old one, so that
    none must run meanwhile.  In the other direction `pair[0] += 1` is followed by `h = pair[0]`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fixinplace.detect.index import dotted
from fixinplace.model import Found, Place
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.compose import compose, edits_of, following
from fixinplace.rewrite.same import Same, can_follow
from fixinplace.rewrite.setting import Setting, settings
from fixinplace.rewrite.slots import FUNCTIONS, is_seen_within, own_nodes
from fixinplace.source import Text
from fixinplace.walking import above, walk

_RULES = ("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109")
_RESHAPING = frozenset(
    "t_ transpose_ swapaxes_ swapdims_ unsqueeze_ squeeze_ resize_ resize_as_ as_strided_ set_ data".split()
)
"""What gives a tensor another shape or other elements in place: the text of a view means another one then."""
_READING = ("len", "sum", "print")


@dataclass(frozen=True, slots=True)
class _Display:
    """A list or a tuple that a name is bound to, once, and the statement that does so."""

    name: str
    node: ast.Assign
    elements: Sequence[ast.expr]
    fixed: bool


def is_held(found: Found) -> bool:
    """True for a write that nothing but places of lists and tuples forbids, or names that are in the written place."""
    facts = found.facts
    kinds = {hazard.refusal for hazard in facts.hazards}
    known = bool(facts.holders) and "" not in facts.holders and found.site.rule in _RULES
    place = facts.place in (Place.NAME, Place.SUBSCRIPT, Place.ITEM) and not facts.family and not facts.through
    return bool(kinds) and kinds <= {"container-slot", "live-alias", "live-view"} and known and place


def held(part: Text, tree: ast.Module, found: Sequence[Found]) -> Iterator[Same]:
    """The writes after which all places can be bound anew; see Note [Places that are written down]."""
    wanted = [one for one in found if is_held(one) and one.facts.tracked is not False]
    table, parents = settings(part, tree, [one.site.statement for one in wanted]), above(tree)
    for one in wanted:
        alone = [each for each in found if each.site.statement == one.site.statement] == [one]
        setting = table.get(one.site.statement)
        lines = _lines(part, setting, one, parents) if alone and setting is not None else None
        made = _putting(part, setting, one, lines) if setting is not None and lines else None
        if made is not None:
            yield made


def _putting(part: Text, setting: Setting, found: Found, lines: tuple[str, ...]) -> Same | None:
    """The statement rewritten, with the lines that follow it; None if it cannot be."""
    try:
        composed = compose(part, setting, [replace(found, facts=replace(found.facts, hazards=(), read_later=True))], ())
    except Refusal:
        return None
    if composed.after or composed.finished or not composed.edits:
        return None
    edits = (*edits_of(part, setting, composed.lines), *following(part, setting, lines))
    return Same((found,), composed.steps, edits, (*composed.lines, *lines))


def _lines(part: Text, setting: Setting, found: Found, parents: Mapping[int, ast.AST]) -> tuple[str, ...] | None:
    """What binds the places that hold the tensor, or the names that stand for the written place, anew."""
    scope: ast.AST = setting.node
    while not isinstance(scope, (ast.Module, *FUNCTIONS)):
        scope = parents[id(scope)]
    item = found.facts.place is Place.ITEM
    names = {holder.partition("[")[0] for holder in found.facts.holders}
    written = found.site.target.partition("[")[0]
    if any(is_seen_within(scope, name) for name in (*names, written)):
        return None
    if not can_follow(setting, found, names, part, parents):
        return None
    reshaped = any(isinstance(n, ast.Attribute) and n.attr in _RESHAPING for n in own_nodes(scope))
    lines: list[str] = []
    for name in sorted(names):
        display = _display(scope, written if item else name, setting.node, parents)
        value = name if item else written
        if display is None or not _is_settled(part, scope, value, display, parents):
            return None
        places = [found.site.target] if item else sorted(h for h in found.facts.holders if h.partition("[")[0] == name)
        made = _made(part, display, value, places)
        if made is None or (reshaped and any(isinstance(one, ast.Subscript) for one in display.elements)):
            return None
        lines += [f"{name} = {found.site.target}"] if item else made
    return tuple(lines)


def _display(scope: ast.AST, name: str, node: ast.AST, parents: Mapping[int, ast.AST]) -> _Display | None:
    """The display that a name is bound to before a statement, None if it may hold something else by then."""
    mentions = [n for n in own_nodes(scope) if isinstance(n, ast.Name) and n.id == name]
    stored = [n for n in mentions if not isinstance(n.ctx, ast.Load)]
    made = parents[id(stored[0])] if len(stored) == 1 else None
    match made:
        case ast.Assign(targets=[ast.Name()], value=ast.List(elts=elements) | ast.Tuple(elts=elements)):
            read = [n for n in mentions if n is not stored[0]]
            plain = all(_is_plain(n, parents) or _is_gone_over(n, node, parents) for n in read)
            around = _stands_before(made, node, parents)
            if plain and around and not any(isinstance(one, ast.Starred) for one in elements):
                return _Display(name, made, elements, isinstance(made.value, ast.Tuple))
    return None


def _is_plain(node: ast.Name, parents: Mapping[int, ast.AST]) -> bool:
    """True for a use of a list that neither changes it nor gives it another name."""
    parent = parents[id(node)]
    match parent:
        case ast.Subscript(value=value, ctx=ast.Load()):
            return value is node
        case ast.Subscript(value=value, slice=ast.Constant(), ctx=ast.Store()):
            return value is node and isinstance(parents[id(parent)], ast.AugAssign)
        case ast.Call(func=func):
            name = dotted(func)
            return node is not func and (name in _READING or (name.startswith("torch.") and name.count(".") == 1))
        case ast.Return():
            return True
        case ast.Tuple() | ast.List() | ast.Dict():
            return isinstance(parents[id(parent)], ast.Return)
    return False


def _is_gone_over(name: ast.Name, node: ast.AST, parents: Mapping[int, ast.AST]) -> bool:
    """True for what a loop goes over that does not run while the statement does."""
    loop = parents[id(name)]
    if not isinstance(loop, ast.For | ast.comprehension) or loop.iter is not name:
        return False
    around = loop if isinstance(loop, ast.For) else parents[id(loop)]
    lazy = isinstance(around, ast.GeneratorExp) or bool(getattr(loop, "is_async", 0))
    return not lazy and not any(one is node for one in walk(around))


def _stands_before(first: ast.stmt, node: ast.AST, parents: Mapping[int, ast.AST]) -> bool:
    """True if a statement stands before another one in its block, or before one that this is in."""
    block = _block(first, parents)
    while id(node) in parents:
        place = next((n for n, one in enumerate(block) if one is node), None)
        if place is not None:
            return any(one is first for one in block[:place])
        node = parents[id(node)]
    return False


def _block(node: ast.stmt, parents: Mapping[int, ast.AST]) -> list[ast.stmt]:
    parent = parents[id(node)]
    blocks = (getattr(parent, field, None) for field in ("body", "orelse", "finalbody"))
    return next((b for b in blocks if isinstance(b, list) and any(one is node for one in b)), [])


def _is_settled(part: Text, scope: ast.AST, name: str, display: _Display, parents: Mapping[int, ast.AST]) -> bool:
    """True if a name is not bound anew once it stands in the display; a tensor stays the same in `h += 1`."""
    mentions = [n for n in own_nodes(scope) if isinstance(n, ast.Name) and n.id == name]
    stored = [n for n in mentions if not isinstance(n.ctx, ast.Load)]
    bound = [n for n in stored if not isinstance(parents[id(n)], ast.AugAssign)]
    return bool(bound) and all(part.span(n).end <= part.span(display.node).start for n in bound)


def _made(part: Text, display: _Display, value: str, places: Sequence[str]) -> list[str] | None:
    """The lines that bind these places of a display anew; None if one holds something else than the tensor."""
    numbers = [place.partition("[")[2].rstrip("]") for place in places]
    wanted = [int(number) for number in numbers if number.isdigit()]
    fits = [n for n in wanted if n < len(display.elements) and _is_of(display.elements[n], value)]
    if len(fits) < len(numbers):
        return None
    texts = [part.slice(part.span(one)) for one in display.elements]
    if not display.fixed:
        return [f"{display.name}[{number}] = {texts[number]}" for number in wanted]
    parts = [texts[n] if n in wanted else f"{display.name}[{n}]" for n in range(len(texts))]
    return [f"{display.name} = ({', '.join(parts)}{',' * (len(parts) == 1)})"]


def _is_of(node: ast.expr, name: str) -> bool:
    """True for a name, and for a view of it by numbers and slices of numbers."""
    while isinstance(node, ast.Subscript):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if not all(_is_constant(one) for one in parts):
            return False
        node = node.value
    return isinstance(node, ast.Name) and node.id == name


def _is_constant(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return value is None or value is ... or (isinstance(value, int) and not isinstance(value, bool))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_constant(operand)
        case ast.Slice(lower=lower, upper=upper, step=step):
            return all(one is None or _is_constant(one) for one in (lower, upper, step))
    return False
