"""Third choice: the failing loss does not teach the side that has stepped; what it shares with it is detached.

Note [Where to detach]
    A loss has statements of its own, and others that an earlier backward needed too.  The paths that carry the saved
    tensors from the shared ones into its own are detached there, in its own statements only.  Nothing is proposed
    where the loss would then teach nobody that it is meant to teach, nor where more is cut off from its own modules
    than the stepped ones.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fixinplace.model import Edit
from fixinplace.repair.base import Change
from fixinplace.repair.steps.backward import losses
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.later import later
from fixinplace.repair.steps.lines import Item, flows_of, holding, needed, tainted
from fixinplace.repair.steps.paths import EMPTY, Paths, begins, meets, path, stops, touch
from fixinplace.repair.steps.recompute import sources
from fixinplace.repair.steps.situation import Situation


def detached(at: Situation) -> Iterator[Choice]:
    """The shared names detached where the failing loss alone reads them."""
    items = at.items
    source = holding(items, at.frame.save) if at.frame.save is not None and not at.carried else None
    if source is None:
        return
    carrying, before = tainted(items, sources(at, items, source, len(items)))
    wanted, _ = needed(items, at.wanted)
    shared = _shared(at, items)
    own = sorted(n for n in carrying & wanted if n not in shared and n > source)
    cuts = {n: _cut(items, n, before[n], shared) for n in own}
    cuts = {n: names for n, names in cuts.items() if names}
    if _reads(at, items, cuts) and _still_teaches(at, items, cuts):
        yield _cut_there(at, items, cuts)
        return
    names = sorted(EMPTY.union(*cuts.values()))
    for name in names if 1 < len(names) <= _MOST else ():
        one = {n: frozenset({name}) for n, some in cuts.items() if name in some}
        if _reads(at, items, one):
            yield _cut_there(at, items, one)


_MOST = 3
"""Of so many names that one call has bound (`logp, value = rollout(n)`) each is tried: a run tells which was spoilt."""


def _reads(at: Situation, items: Sequence[Item], cuts: dict[int, Paths]) -> list[ast.expr]:
    return [node for n, names in cuts.items() for node in reads_of(at, items[n].node, names)]


def _cut_there(at: Situation, items: Sequence[Item], cuts: dict[int, Paths]) -> Choice:
    return _choice(at, cuts, items, tuple(at.code.after(node, ".detach()") for node in _reads(at, items, cuts)))


def _shared(at: Situation, items: Sequence[Item]) -> set[int]:
    """The items that earlier backwards needed."""
    found: set[int] = set()
    for n, item in enumerate(items):
        wanted = losses(item.node)
        if wanted:
            found |= needed(items[:n], wanted)[0]
    return found


def _cut(items: Sequence[Item], n: int, carrying: Paths, shared: set[int]) -> Paths:
    """The carrying paths that an item reads and that a shared item bound last."""
    found = set()
    for name in carrying:
        if any(begins(each, name) for each in items[n].facts.flows):
            last = max((k for k in range(n) if touch(items[k].facts.writes, [name])), default=None)
            if last in shared:
                found.add(name)
    return frozenset(found)


def reads_of(at: Situation, node: ast.stmt, names: Paths) -> Iterator[ast.expr]:
    """The reads of the names in a statement, with their subscripts, where a tensor itself is read."""
    stack: list[ast.AST] = [node]
    while stack:
        each = stack.pop()
        if isinstance(each, (ast.Name, ast.Attribute)) and path(each) in names and isinstance(each.ctx, ast.Load):
            while isinstance(above := at.code.above.get(id(each)), ast.Subscript) and above.value is each:
                each = above
            if not _already(at, each):
                yield each
        else:
            stack += ast.iter_child_nodes(each)


def _already(at: Situation, node: ast.expr) -> bool:
    """True for a read that lets no gradient through: `x.detach()`, `x.shape`, `x.item()`."""
    above = at.code.above.get(id(node))
    return isinstance(above, ast.Attribute) and (
        stops(above) or (isinstance(call := at.code.above.get(id(above)), ast.Call) and stops(call))
    )


def _still_teaches(at: Situation, items: Sequence[Item], cuts: dict[int, Paths]) -> bool:
    """True if the loss still gets gradients for its own modules, and loses none but those of the stepped ones."""
    without = [_without(item, cuts.get(n, EMPTY)) for n, item in enumerate(items)]
    left, _ = needed(without, at.wanted)
    learners, mine = _learners(at), at.stepped
    if learners is None:
        return any(n not in cuts and _computes(items[n].node) for n in left)
    if not touch(flows_of(without, at.wanted), learners):
        return False
    lost = EMPTY.union(*(flows_of(items[:k], names) for k, names in cuts.items()))
    stepped = mine or ()
    gone = [m for m in learners if touch(lost, [m])]
    return mine is None or all(any(meets(m, each) for each in stepped) for m in gone)


def _learners(at: Situation) -> tuple[str, ...] | None:
    found = later(at)
    return None if found is None else found.modules


def _without(item: Item, names: Paths) -> Item:
    flows = frozenset(each for each in item.facts.flows if not any(begins(each, name) for name in names))
    return replace(item, facts=replace(item.facts, flows=flows))


def _computes(node: ast.stmt) -> bool:
    """True if something else than torch's own functions is called."""
    calls = (each for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(ast.unparse(call.func).split(".")[0] not in ("torch", "F", "nn") for call in calls)


def _choice(at: Situation, cuts: dict[int, Paths], items: Sequence[Item], edits: tuple[Edit, ...]) -> Choice:
    names = " and ".join(f"`{name}`" for name in dict.fromkeys(name for some in cuts.values() for name in sorted(some)))
    where = " and ".join(f"`{' '.join(at.code.source_of(items[n].node).split())}`" for n in cuts)
    lost = EMPTY.union(*(flows_of(items[:k], some) for k, some in cuts.items()))
    modules = [m for m in at.stepped or () if touch(lost, [m])]
    whom = " or ".join(f"`{m}`" for m in modules) if modules else f"what `{at.optimizer}` steps"
    meaning = (
        f"{at.loss_first} gives no gradient to anything through {names}: {whom} no longer learns from it that way, nor "
        f"does whatever else {names} came from. All other gradients stay as they are at the forward's weights."
    )
    return Choice(f"{names} detached in {where}", meaning, (Change(at.code.path, edits),), 30)
