"""A carried state that is built up from values without their history: a moving average, a memory bank.

Note [A constant state]
    One statement of the round makes the state anew, from its old value and from what the round has computed.  With the
    latter detached there, the state never has a graph.  Nothing is proposed where the statement calls something that
    may have weights of its own, where the state begins with a graph, or where the loss would teach nobody without it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fixinplace.repair.base import Change
from fixinplace.repair.steps.carried import carried_states, round_of
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.detaching import reads_of
from fixinplace.repair.steps.lines import Item, flat, flows_of, tainted, way
from fixinplace.repair.steps.paths import Paths, base, begins, path, touch
from fixinplace.repair.steps.situation import Situation


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
    carrying = tainted(items, learning)[1][writers[0]]
    names = frozenset(name for name in carrying if touch(item.facts.flows, [name]) and not touch([name], [state]))
    if not _weightless(at, item.node, names | {state}) or not _begins_constant(at, state, modules):
        return
    reads = list(reads_of(at, item.node, names))
    if reads and touch(flows_of([_without(each, state) for each in items], at.wanted), modules):
        edits = tuple(at.code.after(node, ".detach()") for node in reads)
        shown = " and ".join(f"`{name}`" for name in sorted(names))
        meaning = (
            f"`{state}` is a constant altogether: it is built up from values without their history, so that {at.loss} "
            f"gives no gradient through it, neither to earlier rounds nor to its own."
        )
        title = f"{shown} detached in `{at.one_line(item.node)}`"
        yield Choice(title, meaning, (Change(at.code.path, edits),), 16)


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
