"""A new tensor that a loop fills slot by slot, each once and in order: a list, stacked once.

Note [Filled slots]
    `out = torch.zeros(n, d)` and `for i in range(n): out[i] = f(i)` give every store a node of its own in the graph,
    which hands the gradient of all of `out` on.  The same values come from a list that is stacked behind the loop.
      A slot has what was stored when it was stored; a list holds the stored tensor itself, which a later round may
      write.  So what is not certainly a new tensor is cloned.
      `to(out)` gives the dtype and the device that the stores gave; where no round may run, `out` stays.
      The slots must be those that the loop counts: `range(n)` over the `n` of the creation, with no `break` or
      `continue`, and no other look at `out` from its creation to the end of the loop.
    A value that a store would have broadcast is stacked as it is, so that the form is written only where a run has
    proved it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fixinplace.catalogue import Memory, result
from fixinplace.detect.identity import is_fresh
from fixinplace.detect.index import dotted
from fixinplace.model import Edit, Found, Place, Span
from fixinplace.rewrite.lengths import rounds, size
from fixinplace.rewrite.setting import joint
from fixinplace.rewrite.slots import FUNCTIONS, is_seen_within, own_nodes
from fixinplace.source import Text
from fixinplace.walking import walk

_CHANGING = ("append", "extend", "insert", "pop", "remove", "clear")
_INDICES = 2
"""The slot is picked by the first index, or by the second behind a `:`."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Sites that fill tensors in one loop, the edits, and these as lines for a title."""

    found: tuple[Found, ...]
    edits: tuple[Edit, ...]
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Store:
    """A store of a loop's body, its site, and the dimension of the tensor whose slots it fills."""

    node: ast.Assign
    found: Found
    dimension: int

    @property
    def name(self) -> str:
        """The list that collects the slots."""
        return f"{self.found.site.target}_rows"


def filled(part: Text, tree: ast.Module, found: Sequence[Found]) -> Iterator[Filled]:
    """The stores that fill new tensors; see Note [Filled slots]."""
    wanted = {one.site.statement: one for one in found if is_filling(one)}
    for scope in [n for n in walk(tree) if isinstance(n, FUNCTIONS)] if wanted else []:
        for block in _blocks(scope):
            for number, loop in enumerate(block):
                if isinstance(loop, ast.For):
                    filling = [
                        store
                        for store in _stores(part, loop, wanted)
                        if _fits(scope, block[:number], loop, store)
                        and re.search(rf"\b{store.name}\b", part.text) is None
                    ]
                    edits = _edits(part, loop, filling) if filling else ()
                    if edits:
                        told = tuple(line.strip() for edit in edits for line in edit.text.splitlines() if line.strip())
                        yield Filled(tuple(store.found for store in filling), edits, told)


def is_filling(found: Found) -> bool:
    """True for a store of a tensor into a part of a local one, in which nothing hinders."""
    facts = found.facts
    kinds = {hazard.refusal for hazard in facts.hazards} - {"finished"}
    local = facts.parameter is None and not facts.family and facts.place is Place.SUBSCRIPT and facts.torch is not None
    return found.site.op == "Tensor.__setitem__" and local and not kinds and facts.tracked is True and not facts.scalar


def _blocks(scope: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements of a function, but for those of `try`, whose handlers may look at what is half done."""
    held = {id(inner) for node in own_nodes(scope) if isinstance(node, ast.Try | ast.TryStar) for inner in walk(node)}
    for node in (scope, *own_nodes(scope)):
        for name in ("body", "orelse") if id(node) not in held else ():
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield block


def _stores(part: Text, loop: ast.For, wanted: Mapping[Span, Found]) -> Iterator[_Store]:
    """The statements of a loop's body that store at its index, if the loop runs all its rounds alike."""
    match loop:
        case ast.For(target=ast.Name(id=index) | ast.Tuple(elts=[ast.Name(id=index), *_]), orelse=[]):
            indices = [n for n in walk(loop) if isinstance(n, ast.Name) and n.id == index]
            bound = sum(not isinstance(n.ctx, ast.Load) for n in indices)
            if bound > 1 or any(isinstance(n, ast.Break | ast.Continue) for n in _of_loop(loop.body)):
                return
            for one in loop.body:
                dimension, found = _slot(one, index), wanted.get(part.span(one))
                if isinstance(one, ast.Assign) and dimension is not None and found is not None:
                    yield _Store(one, found, dimension)


def _of_loop(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a loop's body, without those of loops inside it."""
    for node in body:
        yield node
        if not isinstance(node, ast.For | ast.AsyncFor | ast.While):
            yield from _of_loop(list(ast.iter_child_nodes(node)))


def _slot(node: ast.stmt, index: str) -> int | None:
    """The dimension of `out` whose slots a statement fills; None if it does something else."""
    match node:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(), slice=place)], value=value):
            if isinstance(value, ast.Tuple | ast.List | ast.Constant | ast.Yield | ast.YieldFrom):
                return None
            parts = place.elts if isinstance(place, ast.Tuple) else [place]
            found = [n for n, one in enumerate(parts[:_INDICES]) if isinstance(one, ast.Name) and one.id == index]
            rest = [one for n, one in enumerate(parts) if n not in found]
            return found[0] if len(found) == 1 and all(map(_is_whole, rest)) else None
    return None


def _is_whole(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) and node.lower is node.upper is node.step is None


def _made(scope: ast.AST, before: Sequence[ast.stmt], name: str) -> ast.Assign | None:
    """The statement that makes the tensor, if nothing but the loop binds or looks at it until then."""
    bound = [n for n in walk(scope) if isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load)]
    if len(bound) != 1 or is_seen_within(scope, name):
        return None
    for number, one in enumerate(before):
        if isinstance(one, ast.Assign) and len(one.targets) == 1 and one.targets[0] is bound[0]:
            return None if any(_mentions(n, name) for n in before[number + 1 :]) else one
    return None


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in walk(node))


def _fits(scope: ast.AST, before: Sequence[ast.stmt], loop: ast.For, store: _Store) -> bool:
    """True if the loop counts all slots, and looks at the tensor in its one store alone."""
    name = store.found.site.target
    made = _made(scope, before, name)
    looks = [n for n in walk(loop) if isinstance(n, ast.Name) and n.id == name]
    count = rounds(loop)
    if made is None or len(looks) != 1 or count is None or count != size(made.value, store.dimension):
        return False
    names = {n.id for n in walk(ast.parse(count)) if isinstance(n, ast.Name)}
    between = before[list(before).index(made) + 1 :]
    return not any(_changes(n, names) for one in (*between, *loop.body) for n in walk(one))


def _changes(node: ast.AST, names: set[str]) -> bool:
    """True if a node binds one of the names, or changes the length of what it holds."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return name in names
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
            return name in names and attr in _CHANGING
        case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return name in names
    return False


def _edits(part: Text, loop: ast.For, stores: Sequence[_Store]) -> tuple[Edit, ...]:
    """The lists before the loop, what goes into them, and the stacks behind it; none where no line can stand."""
    start = part.span(loop).start
    between = joint(part, start)
    if between == "; ":
        return ()
    count = loop.iter.args[0] if isinstance(loop.iter, ast.Call) else None
    sure = isinstance(count, ast.Constant) and bool(count.value)
    within = joint(part, part.span(loop.body[0]).start)
    deeper = f"{between}    " if within == "; " else within
    return (
        Edit(Span(start, start), "".join(f"{store.name} = []{between}" for store in stores)),
        *(Edit(part.span(store.node), f"{store.name}.append({_kept(part, store)})") for store in stores),
        Edit(
            _end_of_line(part, part.span(loop).end), "".join(_behind(store, sure, between, deeper) for store in stores)
        ),
    )


def _kept(part: Text, store: _Store) -> str:
    """The stored value as the list may hold it."""
    value = store.node.value
    text = part.slice(part.span(value))
    new = is_fresh(value) or _is_new(value, store.found.facts.torch or "")
    return text if new else _cloned(value, text)


def _behind(store: _Store, sure: bool, between: str, deeper: str) -> str:
    """The statement that binds the stack, on a line of its own; where no round may run the tensor stays."""
    target, dim = store.found.site.target, f", dim={store.dimension}" if store.dimension else ""
    line = f"{target} = {store.found.facts.torch}.stack({store.name}{dim}).to({target})"
    return f"{between}{line}" if sure else f"{between}if {store.name}:{deeper}{line}"


def _is_new(value: ast.expr, torch: str) -> bool:
    """True for a call of torch that the catalogue says gives a new tensor."""
    head, _, last = dotted(value.func).rpartition(".") if isinstance(value, ast.Call) else ("", "", "")
    row = result(f"torch.{last}") if head == torch else None
    return row is not None and row.memory is Memory.FRESH and not last.endswith("_")


def _cloned(value: ast.expr, text: str) -> str:
    simple = isinstance(value, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return f"{text}.clone()" if simple else f"({text}).clone()"


def _end_of_line(part: Text, end: int) -> Span:
    """Behind the last line of a statement, comment included."""
    line, _ = part.position(end)
    stop = part.starts[line] if line < len(part.starts) else len(part.text)
    place = end + len(part.text[end:stop].rstrip("\r\n"))
    return Span(place, place)
