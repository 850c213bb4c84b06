"""A carried state that is built up from values without their history: a moving average, a memory bank.

Note [A constant state]
    One statement of the round makes the state anew, from its old value and from what the round has computed.  With the
    latter detached there, the state never has a graph.  Nothing is proposed where the statement calls something that
    may have weights of its own, where the state begins with a graph, or where the loss would teach nobody without it.

Note [A state that is stored]
    A buffer whose slots are written (`self.means[c] = mean`), or that an object makes anew from its old value
    (`self.mean = 0.9 * self.mean + 0.1 * mean`), begins as a constant and stays one, if every store is of a value
    without history.  The whole value is detached: what of it has a history need not be told apart.  An object that is
    told the values by a method (`meter.update(loss)`) is told them detached.  A state that its own object makes anew
    from something else is no average but a recurrent state, and what it is made of is what the loss teaches.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from fixinplace.model import Edit, Span
from fixinplace.repair.base import Change
from fixinplace.repair.code import Code
from fixinplace.repair.steps.carried import behind, carried_states, carrying, kept_states, round_of
from fixinplace.repair.steps.choice import Choice, edited, joined
from fixinplace.repair.steps.detaching import reads_of
from fixinplace.repair.steps.facts import Reader, untracked
from fixinplace.repair.steps.lines import Item, flat, flows_of, needed, tainted, way
from fixinplace.repair.steps.paths import Paths, base, begins, flows, path, reads, touch
from fixinplace.repair.steps.situation import Situation
from fixinplace.repair.steps.stores import Kept


def held_constant(at: Situation) -> Iterator[Choice]:
    """What the round adds to the state, detached where it is added; see Note [A constant state]."""
    states, modules = carried_states(at), at.stepped
    if len(states) != 1 or at.loop is None or not modules:
        return
    (state,) = states
    items = flat(at.reader, round_of(at))
    writers = [n for n, item in enumerate(items) if touch(item.facts.writes, [state])]
    item = items[writers[0]]
    if len(writers) != 1 or not isinstance(item.node, ast.Assign) or state not in item.facts.flows or item.facts.pairs:
        return
    learning = {n: None for n, each in enumerate(items) if touch(each.facts.flows, modules)}
    tracked = tainted(items, learning)[1][writers[0]]
    names = frozenset(name for name in tracked if touch(item.facts.flows, [name]) and not touch([name], [state]))
    if not _weightless(at, item.node, names | {state}) or not _begins_constant(at, state, modules):
        return
    found = list(reads_of(at, item.node, names))
    if found and touch(flows_of([_without(each, state) for each in items], at.wanted), modules):
        edits = tuple(at.code.after(node, ".detach()") for node in found)
        shown = " and ".join(f"`{name}`" for name in sorted(names))
        meaning = (
            f"`{state}` is a constant altogether: it is built up from values without their history, so that {at.loss} "
            f"gives no gradient through it, neither to earlier rounds nor to its own."
        )
        yield edited(at.code, edits, f"{shown} detached in `{at.one_line(item.node)}`", meaning, 16)


def stored_constant(at: Situation) -> Iterator[Choice]:
    """What is stored into parts of the states, detached where it is stored; see Note [A state that is stored]."""
    states = _without_fed(at, kept_states(at))
    values = [(kept.code, value) for kept in states for value in _stored(at, kept)]
    names = [kept.name for kept in states]
    late = [id(node) for node in behind(at)]
    if any(_told(kept, node) and id(node) in late for kept in states for node in kept.stores):
        return
    if not values or not all(map(_is_stored, states)) or any(_has_weights(at, *each, names) for each in values):
        return
    if not _teaches_without(at, states):
        return
    changes = joined(*(Change(code.path, _detached(code, value)) for code, value in values))
    kept_ones = " and ".join(f"`{kept.state}`" for kept in states) + (" is" if len(states) == 1 else " are")
    lines = (" ".join(code.source_of(code.statement(value)).split()) for code, value in values)
    shown = " and ".join(f"`{line}`" for line in dict.fromkeys(lines))
    meaning = (
        f"{kept_ones} constant altogether, built up from values without their history: {at.loss} gives no gradient "
        f"through what is kept from round to round, neither to earlier rounds nor to its own."
    )
    yield Choice(f"what is stored detached in {shown}", meaning, changes, 14)


def _without_fed(at: Situation, states: list[Kept]) -> list[Kept]:
    """The states without those that reach the loss through what is stored in others alone: `memory.append(h)`."""
    items = flat(at.reader, round_of(at))
    for kept in filter(_is_stored, states):
        items = [_without(each, kept.state) for each in items]
    opened = needed(items, at.wanted)[1]
    return [kept for kept in states if _is_stored(kept) or any(begins(each, kept.state) for each in opened)]


def _teaches_without(at: Situation, states: Sequence[Kept]) -> bool:
    """True if the loss gets gradients for what the step teaches past the states, as far as the frame shows it."""
    items = flat(at.reader, round_of(at))
    for kept in states:
        items = [_without(each, kept.state) for each in items]
    return bool(at.stepped) and touch(flows_of(items, at.wanted), at.stepped or ())


def is_average(kept: Kept) -> bool:
    """True for what a class writes without calling anything that may have weights of its own: an average, a count."""
    nodes = [node for node in kept.stores if isinstance(node, ast.Assign | ast.AugAssign)]
    calls = [node.value for node in kept.stores if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    values = [*(node.value for node in nodes), *(each for call in calls for each in _arguments(call))]
    whole = len(nodes) + len(calls) == len(kept.stores)
    return whole and not any(_learned(kept.code, node) for node in nodes) and not any(map(_calls_unknown(kept), values))


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    """What the methods of a chain are given: `0.9` and `m` of `self.mean.mul_(0.9).add_(m)`."""
    node: ast.expr = call
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield from (*node.args, *(each.value for each in node.keywords))
        node = node.func.value


def _calls_unknown(kept: Kept) -> Callable[[ast.expr], bool]:
    imported = Reader(kept.code).imported

    def unknown(value: ast.expr) -> bool:
        called = [each.func for each in ast.walk(value) if isinstance(each, ast.Call)]
        return not all(_is_weightless(each, kept.name, imported) for each in called)

    return unknown


def _is_weightless(called: ast.expr, state: str, imported: Paths) -> bool:
    """True for functions that are imported, and for methods of values that are no part of the object's own."""
    name = path(called) or ""
    if name.partition(".")[0] in imported:
        return True
    return isinstance(called, ast.Attribute) and (not name.startswith("self.") or path(called.value) == state)


def _is_stored(kept: Kept) -> bool:
    """True if every value that goes into a state stands in the statement that writes it there."""
    return bool(kept.stores) and all(
        _in_part(node) or _averages(kept, node) or _told(kept, node) for node in kept.stores
    )


def _in_part(node: ast.stmt) -> bool:
    return isinstance(node, ast.AugAssign | ast.Assign) and isinstance(_target(node), ast.Subscript)


def _averages(kept: Kept, node: ast.stmt) -> bool:
    """True for an attribute of an object that is made anew from its old value, and from nothing that learns."""
    if not isinstance(node, ast.AugAssign | ast.Assign) or not kept.name.startswith("self."):
        return False
    target = _target(node)
    anew = isinstance(node, ast.AugAssign) or touch(reads(node.value), [kept.name])
    return target is not None and path(target) == kept.name and anew and not _learned(kept.code, node)


def _learned(code: Code, node: ast.Assign | ast.AugAssign) -> bool:
    """True if a value is made of an attribute that the class makes a parameter."""
    owner = next((up for up in code.up(node) if isinstance(up, ast.ClassDef)), None)
    made = [each for each in ast.walk(owner) if isinstance(each, ast.Assign)] if owner is not None else []
    learned = {path(t) for each in made if "Parameter(" in ast.unparse(each.value) for t in each.targets}
    return any(name in learned for name in flows(node.value))


def _told(kept: Kept, node: ast.stmt) -> bool:
    """True for `meter.update(loss)`: a method that takes values in, and writes no tensor in place."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=method))):
            return path(owner) == kept.name and not method.endswith("_")
    return False


def _target(node: ast.Assign | ast.AugAssign) -> ast.expr | None:
    if isinstance(node, ast.AugAssign):
        return node.target
    return node.targets[0] if len(node.targets) == 1 else None


def _stored(at: Situation, kept: Kept) -> Iterator[ast.expr]:
    """The values with a history that are stored."""
    for node in kept.stores:
        blocks = (up for up in kept.code.up(node) if isinstance(up, ast.With))
        if any(untracked(item.context_expr) for block in blocks for item in block.items):
            continue
        if isinstance(node, ast.Assign | ast.AugAssign) and flows(node.value):
            yield node.value
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _told(kept, node):
            given = [*node.value.args, *(each.value for each in node.value.keywords)]
            parts = (part for each in given for part in _parts(each))
            yield from (each for each in parts if touch(flows(each), carrying(at)) and not _is_made(each))


def _is_made(value: ast.expr) -> bool:
    """True for `torch.tensor(a)`, which has no history."""
    return isinstance(value, ast.Call) and path(value.func) == "torch.tensor"


def _parts(value: ast.expr) -> list[ast.expr]:
    """The elements of a tuple or a list that is written out, else the value itself."""
    return [p for e in value.elts for p in _parts(e)] if isinstance(value, ast.Tuple | ast.List) else [value]


def _has_weights(at: Situation, code: Code, value: ast.expr, states: Sequence[str]) -> bool:
    """True if more than what is imported and methods of values make a value: it may have weights of its own."""
    imported = Reader(code).imported
    called = [each.func for each in ast.walk(value) if isinstance(each, ast.Call)]
    known = [(path(each) or "").partition(".")[0] in imported for each in called]
    methods = [
        isinstance(each, ast.Attribute) and (not (path(each) or "").startswith("self.") or path(each.value) in states)
        for each in called
    ]
    taught = [touch([path(each) or ""], at.stepped or ()) for each in called if path(each)]
    return not all(map(any, zip(known, methods, strict=True))) or any(taught)


def _detached(code: Code, value: ast.expr) -> tuple[Edit, ...]:
    if isinstance(value, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
        return (code.after(value, ".detach()"),)
    start = code.text.span(value).start
    return Edit(Span(start, start), "("), code.after(value, ").detach()")


def _weightless(at: Situation, node: ast.Assign, values: Paths) -> bool:
    """True if a statement calls only what has no weights: functions of the file, of torch, methods of these values."""
    if touch(at.reader.facts(node).flows, at.stepped or ()):
        return False
    for call in (each for each in ast.walk(node.value) if isinstance(each, ast.Call)):
        helper, called = at.reader.called(call, node), path(call.func)
        if helper is not None:
            if any(path(each) in (at.stepped or ()) for each in ast.walk(helper)):
                return False
        elif called is not None and called.split(".", maxsplit=1)[0] in at.reader.imported:
            continue
        elif not isinstance(call.func, ast.Attribute) or base(call.func.value) not in values:
            return False
    return True


def _begins_constant(at: Situation, state: str, modules: Sequence[str]) -> bool:
    """True if what the loop starts with is seen, and comes from no module that learns."""
    before = None if at.loop is None else way(at.reader, at.frame.body[0], at.loop)
    if before is None or not any(touch(item.facts.binds, [state]) for item in before):
        return False
    return not touch(flows_of(before, [state]), modules)


def _without(item: Item, state: str) -> Item:
    flows = frozenset(each for each in item.facts.flows if not begins(each, state))
    return replace(item, facts=replace(item.facts, flows=flows))
