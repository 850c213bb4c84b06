"""The statements that run on the way from one statement to another, and what of them has to run again.

Note [Slices]
    What a failing loss needs again is what lies on a path from the statement that saved to the loss: its bindings
    carry the saved tensors (taint, forwards), and the loss comes from them (need, backwards).  Both follow gradients
    only: an action that was sampled, a reward that was computed from `.item()`, stay what they were.  A statement that
    changes a name in part (`loss += ...`) brings all that built up the name before.

Note [The same values]
    A copy must read what the original read.  For each path that it reads, the last binding before the original has to
    be the last one before the copy, or the copy of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fixinplace.repair.code import Code
from fixinplace.repair.steps.facts import Facts, Reader, untracked
from fixinplace.repair.steps.paths import EMPTY, Paths, begins, meets, stops, touch
from fixinplace.repair.steps.paths import path as dotted_path


@dataclass(frozen=True)
class Item:
    """A statement on the way, with the `with` blocks around it that are passed through; `header` for loops entered."""

    node: ast.stmt
    facts: Facts
    wraps: tuple[ast.With, ...] = ()
    header: bool = False


def chain(code: Code, statement: ast.stmt) -> list[tuple[list[ast.stmt], int]]:
    """The blocks around a statement within its function, outermost first, with the index that leads to it."""
    found: list[tuple[list[ast.stmt], int]] = []
    node: ast.AST = statement
    while True:
        if isinstance(node, ast.stmt) and (place := code.block(node)) is not None:
            found.append(place)
        above = code.above.get(id(node))
        if above is None or isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module, ast.ClassDef)):
            return found[::-1]
        node = above


def common(code: Code, one: ast.stmt, other: ast.stmt) -> tuple[list[ast.stmt], int, int] | None:
    """The innermost block that holds both, and the indices of the statements of it that do."""
    found = None
    for (block, i), (block2, j) in zip(chain(code, one), chain(code, other), strict=False):
        if block is not block2:
            break
        found = block, i, j
        if i != j:
            break
    return found


def way(reader: Reader, start: ast.stmt, stop: ast.stmt) -> list[Item] | None:
    """The statements from one to just before another, in the order of the text; None where there is no such way."""
    shared = common(reader.code, start, stop)
    if shared is None:
        return None
    block, first, last = shared
    if first > last or (first == last and block[first] is not start):
        return None
    items = flat(reader, block[first:last], ())
    wraps: tuple[ast.With, ...] = ()
    path = chain(reader.code, stop)
    depth = next(n for n, (each, _) in enumerate(path) if each is block)
    for (outer, i), (inner, j) in zip(path[depth:], path[depth + 1 :], strict=False):
        owner = outer[i]
        if isinstance(owner, ast.With):
            wraps = (*wraps, owner)
        else:
            items.append(Item(owner, reader.header(owner), wraps, header=True))
        items += flat(reader, inner[:j], wraps)
    return _renamed(items)


def _renamed(items: list[Item]) -> list[Item]:
    """The items with the gradients that come through `net.head` also coming through `self.net.head`, which it is."""
    names: dict[str, str] = {}
    found = []
    for item in items:
        facts = item.facts
        pairs = tuple((binds, _both(coming, names)) for binds, coming in facts.pairs)
        found.append(replace(item, facts=replace(facts, flows=_both(facts.flows, names), pairs=pairs)))
        new = renaming(item.node)
        names = {name: old for name, old in names.items() if not touch(facts.writes, [name, old])}
        names |= {} if new is None else dict([new])
    return found


def _both(flows: Paths, names: Mapping[str, str]) -> Paths:
    return flows | {old + each[len(name) :] for each in flows for name, old in names.items() if begins(each, name)}


def renaming(node: ast.stmt) -> tuple[str, str] | None:
    """The name and the path of `net = self.net`, which computes nothing."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute() as value) if not stops(value):
            old = dotted_path(value)
            return None if old is None else (name, old)
    return None


def flat(reader: Reader, block: Iterable[ast.stmt], wraps: tuple[ast.With, ...] = ()) -> list[Item]:
    """The statements of a block, those of `with` blocks among them."""
    found: list[Item] = []
    for node in block:
        if isinstance(node, ast.With) and not any(untracked(item.context_expr) for item in node.items):
            found += flat(reader, node.body, (*wraps, node))
        else:
            found.append(Item(node, reader.facts(node), wraps))
    return found


def opened(reader: Reader, items: Iterable[Item]) -> list[Item]:
    """The items with branches and loops taken apart, loops twice: of `for ...: h, done = cell(h), env.step()` it is
    seen which name carries what.  What a branch or a loop binds may still be what it was."""
    found: list[Item] = []
    for item in items:
        blocks = [getattr(item.node, name, None) or [] for name in ("body", "orelse")]
        if item.header or not isinstance(item.node, (ast.For, ast.While, ast.If)):
            found.append(item)
            continue
        test = item.node.iter if isinstance(item.node, ast.For) else item.node.test
        inner = [each for block in blocks for each in opened(reader, flat(reader, block, item.wraps))]
        inner = [Item(ast.Expr(test), reader.header(item.node), item.wraps), *inner]
        inner = [replace(each, facts=replace(each.facts, binds=EMPTY, updates=each.facts.writes)) for each in inner]
        found += inner if isinstance(item.node, ast.If) else [*inner, *inner]
    return found


def last_round(reader: Reader, items: Sequence[Item], node: ast.AST) -> list[Item]:
    """The items with the finished loop in which a node stands taken apart: its header, and its body as it ran last.

    Unchanged where a round may have been left half-way.
    """
    n = holding(items, node)
    loop = None if n is None else items[n].node
    if n is None or not isinstance(loop, (ast.For, ast.While)) or loop.orelse or _leaves(loop):
        return list(items)
    header = Item(loop, reader.header(loop), items[n].wraps, header=True)
    return [*items[:n], header, *last_round(reader, flat(reader, loop.body, items[n].wraps), node), *items[n + 1 :]]


def _leaves(loop: ast.stmt) -> bool:
    return any(isinstance(each, (ast.Break, ast.Continue, ast.Return)) for each in ast.walk(loop))


def holding(items: Sequence[Item], node: ast.AST) -> int | None:
    """Index of the item in which a node stands."""
    for n, item in enumerate(items):
        if not item.header and any(each is node for each in ast.walk(item.node)):
            return n
    return None


def tainted(items: Sequence[Item], sources: Mapping[int, Paths | None]) -> tuple[set[int], list[Paths]]:
    """The items that carry what the sources saved, and the carrying paths before each item (and at the end).

    sources: by item, the paths that its saving part binds; None for all that it writes.
    """
    found, carrying = set(), EMPTY
    before: list[Paths] = []
    for n, item in enumerate(items):
        before.append(carrying)
        facts = item.facts
        carries = n in sources or touch(facts.flows, carrying)
        parts = [binds for binds, coming in facts.pairs if touch(coming, carrying)]
        written = EMPTY.union(*parts) if facts.pairs else facts.writes
        if n in sources:
            own = sources[n]
            written = facts.writes if own is None else own | (written if facts.pairs else EMPTY)
        carrying = frozenset(p for p in carrying if not any(begins(p, b) for b in facts.binds))
        if carries and not item.header:
            found.add(n)
            carrying |= written
    return found, [*before, carrying]


def saved_part(item: Item, node: ast.AST | None) -> Paths | None:
    """What the part of `a, b = f(x), g(x)` binds in which a node stands; None for any other statement."""
    match item.node:
        case ast.Assign(value=ast.Tuple(elts=values)) if item.facts.pairs:
            for (binds, _), value in zip(item.facts.pairs, values, strict=True):
                if any(each is node for each in ast.walk(value)):
                    return binds
    return None


def needed(items: Sequence[Item], wanted: Iterable[str]) -> tuple[set[int], Paths]:
    """The items from whose values the wanted paths get gradients, and the paths wanted from before the first."""
    found, open_ = set(), frozenset(wanted)
    for n in reversed(range(len(items))):
        facts = items[n].facts
        if touch(facts.writes, open_):
            found.add(n)
            open_ = _kept(facts, open_) | _coming(items[n], open_)
    return found, open_


def flows_of(items: Sequence[Item], wanted: Iterable[str]) -> Paths:
    """All paths through which the wanted ones get gradients, parts of `a, b = ...` told apart."""
    found, open_ = EMPTY, frozenset(wanted)
    for item in reversed(items):
        if touch(item.facts.writes, open_):
            flows = _coming(item, open_)
            open_ = _kept(item.facts, open_) | flows
            found |= flows
    return found


def _kept(facts: Facts, open_: Paths) -> Paths:
    """The open paths that a statement does not bind anew."""
    return frozenset(p for p in open_ if not any(begins(p, b) for b in facts.binds))


def _coming(item: Item, open_: Paths) -> Paths:
    """What the open paths that a statement writes come from; behind `net = self.net`, `net.head` is `self.net.head`."""
    renamed = renaming(item.node)
    if renamed is not None:
        return frozenset(renamed[1] + each[len(renamed[0]) :] for each in open_ if begins(each, renamed[0]))
    coming = [flows for binds, flows in item.facts.pairs if touch(binds, open_)]
    return EMPTY.union(*coming) if item.facts.pairs else item.facts.flows


def built_up(items: Sequence[Item], chosen: set[int]) -> set[int] | None:
    """The chosen items with all that built up what they change in part; None where that began before."""
    chosen = set(chosen)
    for n in sorted(chosen, reverse=True):
        for path in items[n].facts.updates - items[n].facts.binds:
            begun = False
            for k in range(n - 1, -1, -1):
                if touch(items[k].facts.writes, [path]):
                    chosen.add(k)
                    if any(begins(path, b) for b in items[k].facts.binds):
                        begun = True
                        break
            if not begun:
                return None
    return chosen


def repeatable(items: Sequence[Item], chosen: set[int], stop: int) -> bool:
    """True if the chosen items read at `stop` what they read where they stand; see Note [The same values]."""
    for n in sorted(chosen):
        for path in items[n].facts.reads:
            was = _last(items, range(n), path)
            copied = _last(items, sorted(k for k in chosen if k < n), path)
            now = copied if copied is not None else _last(items, range(stop), path)
            if was != now:
                return False
    return True


def _last(items: Sequence[Item], numbers: Iterable[int], path: str) -> int | None:
    return max((k for k in numbers if any(meets(path, w) for w in items[k].facts.writes)), default=None)
