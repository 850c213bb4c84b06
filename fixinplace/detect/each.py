"""What a comprehension, or `map`, gives for each of some tensors that are known one by one.

Note [One by one]
    `q, k, v = map(lambda t: rearrange(t, "b n (h d) -> b h n d", h=8), qkv)` reads one expression for all elements.
    What that expression makes is another storage for each, and what it hands on lies in the element's own: as long as
    it names nothing else that shares memory with the elements, and binds and writes nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from fixinplace.detect.distinct import is_made_in
from fixinplace.detect.kinds import Kind
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import NOWHERE, Memories, Memory, Value, memories, overlap, sequence
from fixinplace.model import Span
from fixinplace.walking import every

_MOST = 12


def one_by_one(found: Value, source: Value, place: str, span: Span) -> Value | None:
    """The list of what an expression gives for each element of `source`; None if they are not told apart.

    found: what it gives for any of them.  span: the offsets of the expression, in the function `place`.
    """
    if source.exact and 1 < len(source.items) <= _MOST:
        whole = memories(source.items)
        made = frozenset(one for one in _all(found) if is_made_in(one, place, span))
        rounds = [{one: replace(one, cut=f"{place}@{span.start}", index=i) for one in made} for i in range(_MOST)]
        return _sequence([_of(found, whole[0] | whole[1], *both) for both in zip(source.items, rounds, strict=False)])
    if source.name.startswith("pieces@") and found.tensor and not found.maybe:
        own = all(is_made_in(one, place, span) or overlap(frozenset((one,)), source.memory) for one in found.memory)
        return replace(sequence((found,)), name=source.name) if own else None
    return None


def _all(value: Value) -> Memories:
    return value.memory.union(*map(_all, value.items))


def _sequence(parts: Sequence[Value | None]) -> Value | None:
    known = tuple(one for one in parts if one is not None)
    return sequence(known, exact=True) if len(known) == len(parts) else None


def _of(found: Value, whole: Memories, part: Value, made: Mapping[Memory, Memory]) -> Value | None:
    """What the expression gives for one element. made: its own storages, as those that this element gets."""
    if found.kind is Kind.LIST and found.exact:
        return _sequence([_of(one, whole, part, made) for one in found.items])
    if not found.tensor:
        return None
    others = frozenset(made.get(one, one) for one in _apart(found.memory, whole))
    own = part.memory if overlap(found.memory, whole) else NOWHERE
    maybe = part.memory | part.maybe if overlap(found.maybe, whole) else part.maybe if own else NOWHERE
    return replace(found, memory=others | own, maybe=_apart(found.maybe, whole) | maybe)


def _apart(memory: Memories, whole: Memories) -> Memories:
    return frozenset(one for one in memory if not overlap(frozenset((one,)), whole))


def is_taken_apart(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    """True for what a statement goes through to its end at once: `a, b = map(...)`, `list(map(...))`."""
    match above.get(id(node)):
        case ast.Assign(targets=targets):
            return all(isinstance(one, ast.Tuple | ast.List) for one in targets)
        case ast.Call(func=ast.Name(id="list" | "tuple"), args=[one]):
            return one is node
    return isinstance(above.get(id(node)), ast.Starred)


def mapped(node: ast.Call) -> tuple[ast.comprehension, ast.expr] | None:
    """`for t in xs` and `f(t)`, of `map(lambda t: f(t), xs)` whose lambda neither binds nor writes anything."""
    match node:
        case ast.Call(
            func=ast.Name(id="map"),
            args=[
                ast.Lambda(
                    args=ast.arguments(posonlyargs=[], args=[one], vararg=None, kwonlyargs=[], kwarg=None, defaults=[]),
                    body=body,
                ),
                source,
            ],
            keywords=[],
        ) if is_plain(body):
            return ast.comprehension(ast.Name(one.arg, ast.Store()), source, [], 0), body
    return None


def is_plain(node: ast.expr) -> bool:
    """True for an expression that binds nothing, and calls nothing by a name that tells of a write."""
    calls = every(node, ast.Call)
    named = (one.func.attr if isinstance(one.func, ast.Attribute) else getattr(one.func, "id", "") for one in calls)
    writes = any(name.endswith("_") and not name.endswith("__") for name in named)
    flagged = any(one.arg in (None, "inplace", "out") for call in calls for one in call.keywords)
    inner = (ast.NamedExpr, ast.Lambda, ast.Await, ast.Yield, ast.YieldFrom, ast.ListComp, ast.GeneratorExp)
    return not (writes or flagged or any(every(node, kind) for kind in inner))
