"""A write to a tensor that another name is on some ways, and on others is not: that name is asked, and bound anew.

Note [Perhaps the same tensor]
    After `y = x if fast else x.clone()` the two names stand for one tensor, or for two that share nothing: what neither
    was made by a view can overlap in no other way.  Which it is, `is` tells:
        old = y
        y = y + 1
        x = y if x is old else x
    The statement itself may read the other name as long as that happens before the write, and the name must be bound
    on every way to it, or to ask for it would raise.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fixinplace.detect.index import dotted
from fixinplace.model import Edit, Found, Place, Usage
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.choice import Step
from fixinplace.rewrite.compose import compose, edits_of, following
from fixinplace.rewrite.reads import mentions, stores
from fixinplace.rewrite.setting import Setting, settings
from fixinplace.rewrite.slots import FUNCTIONS
from fixinplace.source import Text
from fixinplace.walking import above, children, walk

_RULES = ("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109", "FIP113", "FIP114")
_NAMES = ("old", "before", "previous", "old_value")


@dataclass(frozen=True, slots=True)
class Same:
    """A site whose tensor other names may be, with its rewrite, the edits, and these as lines for a title."""

    found: tuple[Found, ...]
    steps: tuple[Step, ...]
    edits: tuple[Edit, ...]
    told: tuple[str, ...]


def is_perhaps_shared(found: Found) -> bool:
    """True for a write that nothing but names forbid which are the very tensor, or share nothing with it."""
    facts = found.facts
    alone = not facts.family and not facts.through and facts.place in (Place.NAME, Place.SUBSCRIPT)
    known = bool(facts.asked) and "" not in facts.asked
    return {h.refusal for h in facts.hazards} == {"live-alias"} and known and alone and found.site.rule in _RULES


def asked(part: Text, tree: ast.Module, found: Sequence[Found]) -> Iterator[Same]:
    """The writes after which the other names can be asked; see Note [Perhaps the same tensor]."""
    wanted = [one for one in found if is_perhaps_shared(one) and one.facts.tracked is not False]
    table = settings(part, tree, [one.site.statement for one in wanted])
    parents = above(tree)
    for one in wanted:
        alone = [each for each in found if each.site.statement == one.site.statement] == [one]
        setting = table.get(one.site.statement)
        if alone and setting is not None and can_follow(setting, one, one.facts.asked, part, parents):
            made = _asking(part, setting, one)
            if made is not None:
                yield made


def can_follow(
    setting: Setting, found: Found, names: Collection[str], part: Text, parents: Mapping[int, ast.AST]
) -> bool:
    """True if the other names are bound for certain, and read by the statement at most before it writes."""
    node = setting.node
    if not isinstance(node, ast.stmt) or setting.before is None or not all(_is_bound(n, node, parents) for n in names):
        return False
    match node:
        case ast.AugAssign():
            return not any(isinstance(n, ast.NamedExpr) for n in walk(node))
        case ast.Assign(targets=[ast.Subscript()]) | ast.Expr(value=ast.Call()) if _is_last(node, found, part):
            return not any(stores(name, node) for name in (*names, found.site.target))
    kept = found.facts.usage is Usage.REBOUND or not stores(found.site.target, node)
    return kept and not any(mentions(name, node) or stores(name, node) for name in names)


def _is_last(node: ast.stmt, found: Found, part: Text) -> bool:
    """True if the write is what the statement does last."""
    return isinstance(node, ast.Assign) or (isinstance(node, ast.Expr) and part.span(node.value) == found.site.span)


def _is_bound(name: str, node: ast.AST, parents: Mapping[int, ast.AST]) -> bool:
    """True if a name is bound on every way to a statement: by one before it, here or around, a loop or a parameter."""
    around = next((one for one in _around(node, parents) if isinstance(one, FUNCTIONS)), None)
    if around is None or any(_unbinds(one, name) for one in walk(around)):
        return False
    while not isinstance(node, ast.Module):
        parent = parents[id(node)]
        for block in (getattr(parent, field, None) for field in ("body", "orelse", "finalbody")):
            if isinstance(block, list) and any(one is node for one in block):
                earlier = block[: next(n for n, one in enumerate(block) if one is node)]
                if any(_binds(one, name) for one in earlier):
                    return True
        if isinstance(parent, ast.For) and any(one is node for one in parent.body) and name in _names(parent.target):
            return True
        if isinstance(parent, ast.ClassDef):
            return False
        if isinstance(parent, FUNCTIONS):
            return any(isinstance(one, ast.arg) and one.arg == name for one in children(parent.args))
        node = parent
    return False


def _around(node: ast.AST, parents: Mapping[int, ast.AST]) -> Iterator[ast.AST]:
    while id(node) in parents:
        node = parents[id(node)]
        yield node


def _binds(node: ast.stmt, name: str) -> bool:
    """True if a name is bound whenever a statement has run to its end."""
    match node:
        case ast.Assign(targets=targets):
            return any(name in _names(target) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr()):
            return name in _names(target)
        case ast.If(body=body, orelse=orelse):
            return all(any(_binds(one, name) for one in block) for block in (body, orelse))
        case ast.With(items=items, body=body) if all(_ends_no_error(item.context_expr) for item in items):
            return any(_binds(one, name) for one in body)
    return False


def _ends_no_error(node: ast.expr) -> bool:
    """True for a context of torch's, which lets every error through."""
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in _CONTEXTS


_CONTEXTS = ("no_grad", "enable_grad", "inference_mode", "set_grad_enabled", "autocast")


def _unbinds(node: ast.AST, name: str) -> bool:
    """True for `del name`, and for a handler that binds the name to its error."""
    match node:
        case ast.Delete(targets=targets):
            return any(isinstance(one, ast.Name) and one.id == name for one in targets)
        case ast.ExceptHandler(name=bound):
            return bound == name
    return False


def _names(target: ast.expr) -> list[str]:
    return [n.id for n in walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _asking(part: Text, setting: Setting, found: Found) -> Same | None:
    """The statement rewritten, with the line before it and those that ask; None if it cannot be."""
    kept = next((name for name in _NAMES if re.search(rf"\b{name}\b", part.text) is None), "")
    target, names = found.site.target, sorted(found.facts.asked)
    try:
        composed = compose(part, setting, [replace(found, facts=replace(found.facts, hazards=(), read_later=True))], ())
    except Refusal:
        return None
    if not kept or composed.after or composed.finished or not composed.edits:
        return None
    lines = (f"{kept} = {target}", *composed.lines)
    asking = tuple(f"{name} = {target} if {name} is {kept} else {name}" for name in names)
    edits = (*edits_of(part, setting, lines), *following(part, setting, asking))
    return Same((found,), composed.steps, edits, (*lines, *asking))
