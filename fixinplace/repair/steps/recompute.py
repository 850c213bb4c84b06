"""Second choice: what the failing loss needs of the stepped parameters is computed again, with the new weights.

Note [Copied or moved]
    A statement whose value nobody reads before the step is moved; any other is copied, and the first value stays for
    those who read it.  Nothing with an effect is done twice.  Drawing (`next(it)`, `randn`) may be repeated, and the
    meaning says so: the second value is another one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fixinplace.model import Edit
from fixinplace.repair.base import Change
from fixinplace.repair.steps.along import works_on_weights
from fixinplace.repair.steps.backward import losses
from fixinplace.repair.steps.carried import behind
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.folding import Fold, folds
from fixinplace.repair.steps.lines import (
    Item,
    built_up,
    chain,
    common,
    flat,
    holding,
    last_round,
    needed,
    renaming,
    repeatable,
    saved_part,
    tainted,
    way,
)
from fixinplace.repair.steps.moving import (
    CannotMove,
    belongs,
    checked,
    cut,
    emitted,
    moved,
    pasted_after,
    pasted_first,
    text_of,
)
from fixinplace.repair.steps.optimizers import step_of
from fixinplace.repair.steps.paths import EMPTY, Paths, touch
from fixinplace.repair.steps.situation import Situation


@dataclass(frozen=True)
class _Plan:
    """Items on the way to where they are computed again, which of them, and which of those are moved there.

    folded: copies that the next one takes in; taking: by the one that does, where it reads it and what stands there.
    """

    items: list[Item]
    chosen: set[int]
    moving: set[int]
    folded: frozenset[int] = frozenset()
    taking: Mapping[int, Fold] = field(default_factory=dict)


def recomputed(at: Situation) -> Iterator[Choice]:
    """The forward of the failing loss behind the step, or at the start of the loop that holds both."""
    if at.frame.save is None or at.frame.save is at.frame.write or at.frame.save is at.frame.needed:
        return
    try:
        yield from _in_loop(at) if at.carried else _behind_step(at)
        if at.carried:
            yield from _in_round(at)
    except CannotMove:
        return


def _behind_step(at: Situation) -> Iterator[Choice]:
    step = last_step(at)
    if step is None or at.frame.save is None:
        return
    items = last_round(at.reader, at.items, at.frame.save)
    stop = max((n + 1 for n, item in enumerate(items) if _stands_in(item.node, step)), default=None)
    plan = None if stop is None else _plan(at, items, stop)
    if plan is None:
        return
    within = [owner for owner in at.code.up(step) if isinstance(owner, ast.With)]
    plan = _folded(at, plan, step)
    lines = _lines(at, plan, within)
    edits = (*cut(at.code, [items[n].node for n in sorted(plan.moving)]), pasted_after(at.code, step, lines))
    yield _choice(at, plan, checked(at.code, edits), f"behind `{at.one_line(step)}`")


def _in_loop(at: Situation) -> Iterator[Choice]:
    loop = at.closure or at.loop
    if loop is None or at.frame.save is None or any(each is at.frame.save for each in ast.walk(loop)):
        return
    items = way(at.reader, at.frame.body[0], loop)
    items = None if items is None else last_round(at.reader, items, at.frame.save)
    plan = None if items is None else _plan(at, items, len(items), loop)
    if plan is None or items is None or not _stays(at, [items[n] for n in sorted(plan.chosen)], loop):
        return
    lines = _lines(at, plan, [owner for owner in at.code.up(loop) if isinstance(owner, ast.With)])
    edits = (*cut(at.code, [items[n].node for n in sorted(plan.moving)]), pasted_first(at.code, loop, lines))
    what = f"call of `{loop.name}`" if isinstance(loop, ast.FunctionDef) else f"round of the loop in line {loop.lineno}"
    yield _choice(at, plan, checked(at.code, edits), f"in every {what}")


def _stays(at: Situation, chosen: Sequence[Item], loop: ast.stmt) -> bool:
    """True if no round of the loop changes what the copies at its beginning read."""
    made: set[str] = set()
    written = at.reader.facts(loop).writes
    for item in chosen:
        if touch((path for path in item.facts.reads if not touch([path], made)), written):
            return False
        made |= item.facts.binds
    return True


def _in_round(at: Situation) -> Iterator[Choice]:
    """What a round hands to the next one, computed behind its step: features of the next observation."""
    loop = at.loop
    if loop is None or holding(flat(at.reader, loop.body), at.write) is None:
        return
    items = way(at.reader, loop.body[0], at.write)
    _, handed = needed(flat(at.reader, behind(at)), _wanted_in(at, loop))
    plan = None if items is None else _plan(at, items, len(items), goal=handed)
    if plan is None or not plan.chosen <= plan.moving:
        return
    lines = _lines(at, plan, [owner for owner in at.code.up(at.write) if isinstance(owner, ast.With)])
    edits = (*cut(at.code, [plan.items[n].node for n in sorted(plan.moving)]), pasted_after(at.code, at.write, lines))
    yield _choice(at, plan, checked(at.code, edits), f"behind `{at.one_line(at.write)}`")


def last_step(at: Situation) -> ast.stmt | None:
    """The last optimizer step on the way to the failing backward; the written one where no other is.

    Or what works on the stepped parameters right behind it, as the clamping of a critic's weights.
    """
    shared = common(at.code, at.write, at.needed)
    if shared is None:
        return None
    block, first, last = shared
    if first >= last:
        return None
    found = max((n for n in range(first + 1, last) if step_of(block[n]) is not None), default=first)
    while found + 1 < last and works_on_weights(at, block[found + 1]):
        found += 1
    return block[found]


def _plan(
    at: Situation, items: list[Item], stop: int, loop: ast.stmt | None = None, goal: Paths | None = None
) -> _Plan | None:
    source = holding(items, at.frame.save) if at.frame.save is not None else None
    if source is None or source >= stop:
        return None
    carrying, _ = tainted(items, sources(at, items, source, stop))
    wanted, _ = needed(items, goal or (at.wanted if loop is None else _wanted_in(at, loop)))
    chosen = {n for n in carrying & wanted if n < stop}
    closed = built_up(items, chosen) if source in chosen else None
    if closed is None or any(items[n].facts.acts or items[n].facts.jumps for n in closed):
        return None
    if not repeatable(items, closed, stop) or _added_up(at, [items[n] for n in closed], loop or at.needed):
        return None
    return _Plan(items, closed, _movable(at, items, closed, stop, loop))


def sources(at: Situation, items: Sequence[Item], source: int, stop: int) -> dict[int, Paths | None]:
    """The item that saved and those that use what else steps on the way, with what they bind by that."""
    found: dict[int, Paths | None] = dict.fromkeys(others(at, items[:stop]))
    modules = at.stepped or ()
    for n in found:
        parts = [binds for binds, flows in items[n].facts.pairs if touch(flows, modules)]
        found[n] = EMPTY.union(*parts) if parts else None
    return {**found, source: saved_part(items[source], at.frame.save_node)}


def others(at: Situation, items: Sequence[Item]) -> set[int]:
    """Items that use the modules of the other optimizers that step on the way."""
    steps = [found for item in items if (found := step_of(item.node)) is not None]
    modules = [module for step in steps for module in at.modules(step.optimizer) or ()]
    using = {n for n, item in enumerate(items) if touch(item.facts.flows, modules) and not _manages(item)}
    return {n for n in using if renaming(items[n].node) is None}


def _manages(item: Item) -> bool:
    """True for what has an effect, and for what goes through parameters (an optimizer that is made)."""
    calls = (each.func for each in ast.walk(item.node) if isinstance(each, ast.Call))
    return bool(item.facts.acts) or any(isinstance(f, ast.Attribute) and f.attr == "parameters" for f in calls)


def _wanted_in(at: Situation, loop: ast.stmt) -> frozenset[str]:
    """What the failing loss wants from before the loop."""
    if isinstance(loop, ast.FunctionDef):
        inside = way(at.reader, loop.body[0], at.code.statement(at.backward.call))
        wanted = losses(at.backward.call)
    else:
        assert isinstance(loop, (ast.For, ast.While))
        inside, wanted = way(at.reader, loop.body[0], at.needed), at.wanted
    return wanted if inside is None else needed(inside, wanted)[1]


def _movable(at: Situation, items: list[Item], chosen: set[int], stop: int, loop: ast.stmt | None) -> set[int]:
    """The chosen items whose values nobody else reads before they are computed again; see Note [Copied or moved]."""
    moving: set[int] = set()
    for n in sorted(chosen, reverse=True):
        writes = items[n].facts.writes
        readers = [k for k in range(n + 1, stop) if k not in moving and touch(items[k].facts.reads, writes)]
        hidden = any("." in name for name in writes) or items[n].wraps
        late = loop is not None and _read_after(at, loop, writes)
        late = late or _in_other_loop(at, items[n].node, loop or at.write)
        if not readers and not hidden and not late and items[n].facts.updates <= items[n].facts.binds:
            moving.add(n)
    return moving


def _stands_in(node: ast.stmt, whole: ast.stmt) -> bool:
    return any(each is node for each in ast.walk(whole))


def _in_other_loop(at: Situation, node: ast.stmt, place: ast.stmt) -> bool:
    """True if a statement is run again and again in a loop that `place` is not in."""
    around = [up for up in at.code.up(node) if isinstance(up, (ast.For, ast.While))]
    return any(not _stands_in(place, loop) for loop in around)


def _added_up(at: Situation, chosen: Sequence[Item], place: ast.stmt) -> bool:
    """True if a finished loop builds up what is to be computed again, of which its last round is only a part."""
    return any(item.facts.updates - item.facts.binds and _in_other_loop(at, item.node, place) for item in chosen)


def _read_after(at: Situation, loop: ast.stmt, names: frozenset[str]) -> bool:
    for block, index in chain(at.code, loop):
        for node in block[index + 1 :]:
            if touch(at.reader.facts(node).reads, names):
                return True
    return False


def _read_later(at: Situation, names: Paths) -> tuple[str, int] | None:
    """A name that is read behind the failing backward before it is bound anew, and the line that does."""
    for block, index in chain(at.code, at.needed):
        for node in block[index + 1 :]:
            facts = at.reader.facts(node)
            read = sorted(name for name in names if touch([name], facts.reads))
            if read:
                return read[0], node.lineno
            names = frozenset(name for name in names if not touch([name], facts.binds))
        if at.loop is not None and block is at.loop.body:
            return None
    return None


def _folded(at: Situation, plan: _Plan, step: ast.stmt) -> _Plan:
    """The plan with copies that are read once written where they are read."""
    order = sorted(plan.chosen)
    copies = [plan.items[n] for n in order if n not in plan.moving]
    found = folds(at, copies, [plan.items[n] for n in order], step)
    taking = {order[reader]: fold for reader, fold in found.values()}
    return replace(plan, folded=frozenset(order[n] for n in found), taking=taking)


def _lines(at: Situation, plan: _Plan, within: Sequence[ast.With]) -> list[str]:
    lines: list[str] = []
    run: list[Item] = []
    for n in sorted(plan.chosen - plan.folded):
        node = plan.items[n].node
        if n in plan.taking:
            (name, value), start = plan.taking[n], at.code.text.span(node).start
            comments, (row,) = belongs(at.code, node, [node]), text_of(at.code, node, n in plan.moving)
            span = at.code.text.span(name)
            row = row[: span.start - start] + value + row[span.end - start :]
            lines += [*emitted(at.code, run, within), *(comments if n in plan.moving else ()), row]
            run = []
        elif n in plan.moving:
            lines += [*emitted(at.code, run, within), *moved(at.code, [node])]
            run = []
        else:
            run.append(plan.items[n])
    return [*lines, *emitted(at.code, run, within)]


def _steps(at: Situation) -> bool:
    """True if what wrote is a step: an optimizer's, or one by hand that uses gradients."""
    return at.step is not None or at.whole_update or at.scene.offence.writes[0].by == "optimizer" or at.reads_gradients


def _choice(at: Situation, plan: _Plan, edits: tuple[Edit, ...], where: str) -> Choice:
    nodes = [plan.items[n].node for n in sorted(plan.chosen)]
    shown = f"`{at.one_line(nodes[0])}`" + (f" to `{at.one_line(nodes[-1])}`" if len(nodes) > 1 else "")
    weights = "the weights after the step" if _steps(at) else f"the weights that `{at.one_line(at.write)}` leaves"
    meaning = f"{at.loss_first} is computed with {weights}, and so are its gradients."
    copies = plan.chosen - plan.moving
    if copies:
        meaning += (
            " That part of the forward runs a second time: dropout draws again, running statistics count it twice."
        )
    draws = [text for n in sorted(copies) for text in plan.items[n].facts.draws]
    if draws:
        meaning += f" `{' '.join(draws[0].split())}` is called again and gives something else than before."
    late = _read_later(at, EMPTY.union(*(plan.items[n].facts.binds for n in copies - plan.folded)))
    if late is not None:
        name, line = late
        meaning += f" `{name}` has its second value from then on: line {line} reads the new one."
    return Choice(f"{shown} computed again {where}", meaning, (Change(at.code.path, edits),), 20)
