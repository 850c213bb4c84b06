"""What detection knows about a value: a small lattice over kinds, gradients, widths and memory.

Note [Memory]
    A tensor value carries the abstract objects its storage may be.  `memory` follows torch's own rules
    (assignment, views, ops that may return their argument); `maybe` holds what code we cannot see may have
    handed through.  Sharing in `memory` refuses a rewrite, sharing in `maybe` only forbids calling it safe.
    An allocation is named by its position; when the same position allocates again (a loop), what older
    values hold is renamed to `earlier`, so that `outs.append(x)` of the last round is not this round's x.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fixinplace.detect.chains import Chain, chain, joined
from fixinplace.detect.kinds import Dtype, Kind, Layout, Origin
from fixinplace.detect.replacing import replace


@dataclass(frozen=True, slots=True)
class Memory:
    """One abstract storage, or piece `index` of those that a call at `cut` takes it apart into; see Note [Memory]."""

    origin: Origin
    label: str
    cut: str = ""
    index: int = 0

    def overlaps(self, other: Memory) -> bool:
        """True unless the two are different storages or different pieces of one cut."""
        same = self.origin is other.origin and self.label == other.label
        return same and not (self.cut and self.cut == other.cut and self.index != other.index)


Memories = frozenset[Memory]
NOWHERE: Memories = frozenset()
SUMMED = "a number at first"
"""The name of what is certainly a tensor on one way, and a number on another: `loss = 0`, to which terms are added."""
UNIQUE = "unique"
"""The name of tensors of numbers of which no two are the same."""
DISTINCT = "distinct"
"""The name of a list or dict whose places hold a tensor each that was made for it."""
_WIDEST = 64


def overlap(a: Memories, b: Memories) -> bool:
    """True if a value in `a` may share elements with a value in `b`."""
    return any(m.overlaps(n) for m in a for n in b)


def open_dtype(dtype: Dtype) -> Dtype:
    """A dtype that only some of a place's values are known to have: one that never requires grad proves nothing."""
    return Dtype.ANY if dtype in (Dtype.INT, Dtype.BOOL) else dtype


@dataclass(frozen=True, slots=True)
class Value:
    """One abstract value.

    sure: 3 from torch's own rules or an annotation, 2 from use, 1 a guess, 0 nothing known.
    live: requires grad; None if that cannot be told.
    width: "" for the program's default dtype, a dtype's name where the code asks for one, "?" if it may be any.
    items: the elements of a container, one each if `exact`, else one value for all of them.
    name: dotted path (PATH), class in this file or in torch (MODULE, OTHER), class out of sight that the value is an
    instance of (UNKNOWN), UNIQUE or SUMMED for some tensors, else "".
    flags: positions of the in-place constructor calls that this module, or a part of it, came from.
    view: made by a view op; of a module: it may write what it is given, and return it.
    iterated, leaf: yielded by iterating over a tensor; a leaf that requires grad.
    layout: how the elements lie in memory; see Layout.
    order: of a list of modules, or a `Sequential`, that is not `exact`: how they may stand; see Note [Chains].
    """

    kind: Kind
    sure: int = 3
    live: bool | None = None
    dtype: Dtype = Dtype.ANY
    memory: Memories = NOWHERE
    maybe: Memories = NOWHERE
    width: str = ""
    items: tuple[Value, ...] = ()
    exact: bool = False
    name: str = ""
    flags: frozenset[int] = frozenset()
    view: bool = False
    iterated: bool = False
    leaf: bool = False
    layout: Layout = Layout.DENSE
    order: Chain[Value] | None = None

    def __repr__(self) -> str:
        return f"<{self.kind}{self.sure} {self.name} live={self.live} {self.dtype} {set(self.memory)}>"

    @property
    def tensor(self) -> bool:
        """True for tensors, however unsure."""
        return self.kind is Kind.TENSOR

    def with_memory(self, memory: Memories, maybe: Memories = NOWHERE) -> Value:
        """The same value in another storage."""
        return replace(self, memory=memory, maybe=maybe)


UNKNOWN = Value(Kind.UNKNOWN, 0)
NUMBER = Value(Kind.NUMBER, live=False)
TRUTH = Value(Kind.NUMBER, live=False, name="truth")
"""`True` and `False`: numbers, but no positions of a tensor."""
STRING = Value(Kind.STRING, live=False)
NONE = Value(Kind.NONE, live=False)
OTHER = Value(Kind.OTHER, live=False)
SIZE = Value(Kind.SIZE, live=False)
ARRAY = Value(Kind.ARRAY, live=False)


def tensor(sure: int = 3, live: bool | None = None, dtype: Dtype = Dtype.FLOAT, memory: Memories = NOWHERE) -> Value:
    """A tensor value."""
    return Value(Kind.TENSOR, sure, live, dtype, memory)


def path(name: str) -> Value:
    """A module, function or class of a library, by its dotted path."""
    return Value(Kind.PATH, name=name)


def may_be_class(name: str) -> Value | None:
    """What may be a class of `torch.nn`, or another one in its place, see Note [Given modules]; None for others."""
    last = name.rpartition(".")[2]
    return Value(Kind.UNKNOWN, 0, name="?" + name) if name.startswith("torch.nn.") and last[:1].isupper() else None


def sequence(items: tuple[Value, ...] = (), exact: bool = False) -> Value:
    """A list or tuple; its memory is that of its elements."""
    memory, maybe = memories(items)
    return Value(Kind.LIST, items=items, exact=exact, memory=memory, maybe=maybe)


def distinct(value: Value) -> bool:
    """True for a container whose places hold tensors of their own: one that was written down so, or grew so."""
    held = [item.memory | item.maybe for item in value.items]
    apart = value.exact and not any(overlap(a, b) for n, a in enumerate(held) for b in held[:n])
    return value.kind in (Kind.LIST, Kind.DICT) and (apart or value.name == DISTINCT)


def limited(value: Value, depth: int = 3) -> Value:
    """`value` with at most so many levels of elements and few elements each: containers that hold themselves end."""
    if not value.items:
        return value
    if depth == 0 or len(value.items) > _WIDEST:
        return replace(value, items=(), exact=False)
    return replace(value, items=tuple(limited(item, depth - 1) for item in value.items))


def memories(values: tuple[Value, ...]) -> tuple[Memories, Memories]:
    """The storages that a number of values may lie in: by torch's rules, and through unseen code."""
    memory: Memories = NOWHERE
    maybe: Memories = NOWHERE
    for value in values:
        memory |= value.memory
        maybe |= value.maybe
    return memory, maybe


ONE_OF = "one of"
"""The name of a module that is one of some, those in its `order`: which of a list's or of a `Sequential`'s is open."""
_MOST = 12


def one_of(modules: Iterable[Value]) -> Value:
    """One of several values, of which any may be the one; modules are told apart, if they are not too many."""
    given = tuple(modules)
    return _choice(given) or functools.reduce(join, given)


def _choice(given: tuple[Value, ...]) -> Value | None:
    parts = frozenset(part for one in given for part in options(one))
    if len(parts) == 1 or len(parts) > _MOST or any(one.kind is not Kind.MODULE or not one.name for one in parts):
        return None
    flags = frozenset[int]().union(*(one.flags for one in parts))
    order = Chain(parts, frozenset(), parts, empty=False)
    return Value(Kind.MODULE, 2, name=ONE_OF, flags=flags, order=order)


def options(value: Value) -> Iterable[Value]:
    """The modules of which a value is one; any other value is all there is."""
    return value.order.parts if value.name == ONE_OF and value.order is not None else (value,)


def spelled(module: Value) -> tuple[str, list[int]]:
    """What modules are sorted by, so that every run looks at them in the same order."""
    return module.name, sorted(module.flags)


_HOLDING = ("torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ModuleDict")


def element(value: Value) -> Value:
    """What an index with an unknown position, or an iteration, gives."""
    order = chained(value) if value.kind is Kind.LIST or value.name == "torch.nn.Sequential" else None
    if order is not None and order.parts:
        return one_of(sorted(order.parts, key=spelled))
    match value.kind:
        case Kind.TENSOR:
            rows = value.layout is Layout.ROWS or not value.view
            return replace(value, view=True, layout=value.layout if rows else max(value.layout, Layout.GAPS))
        case Kind.ARRAY:
            return value
        case Kind.SIZE:
            return NUMBER
        case Kind.LIST | Kind.DICT if value.items:
            result = value.items[0]
            for item in value.items[1:]:
                result = join(result, item)
            return result
        case Kind.LIST | Kind.DICT:
            return replace(UNKNOWN.with_memory(value.memory, value.maybe), flags=value.flags)
        case Kind.MODULE if value.exact and value.items and value.name == "torch.nn.ModuleList":
            return one_of(map(fixed_within, value.items))
        case Kind.MODULE:
            several = value.flags and (value.name in _HOLDING or not value.name.startswith("torch."))
            kind = Kind.UNKNOWN if several else Kind.MODULE  # it is in place, or any other part
            return replace(value, kind=kind, name="", sure=2, items=(), order=None)
        case Kind.UNKNOWN if value.name.startswith("!"):
            return value  # `name, norm = build_norm_layer(config, planes)`
    return replace(UNKNOWN, flags=value.flags)


def fixed_within(part: Value) -> Value:
    """A list of modules in one that nobody changes, which nobody comes by otherwise."""
    held = frozenset(flag for item in part.items for flag in item.flags)
    inner = part.kind is Kind.MODULE and part.name == "torch.nn.ModuleList" and part.flags <= held
    return replace(part, exact=True) if inner else part


def may_have_gaps(value: Value) -> bool:
    """True for tensors whose elements do not lie next to each other, and for what may hold one unfollowed."""
    if value.items:
        return any(map(may_have_gaps, value.items))
    return value.layout > Layout.DENSE or (not value.tensor and bool(value.memory or value.maybe))


def rows(value: Value) -> Memories:
    """Storages of the tensors that an iteration over `value` hands out row by row."""
    held = (item.memory if item.iterated else rows(item) for item in value.items)
    return value.memory if value.tensor else NOWHERE.union(*held)


def join_live(lives: Iterator[bool | None]) -> bool | None:
    """True if one is live; False only if all are known not to be."""
    seen = list(lives)
    if True in seen:
        return True
    return None if None in seen else False


def join(a: Value, b: Value) -> Value:
    """The least value that covers both branches."""
    if a is b or a == b:
        return a
    memory, maybe = a.memory | b.memory, a.maybe | b.maybe
    flags = a.flags | b.flags
    if a.kind is b.kind:
        return _join_same(a, b, memory, maybe, flags)
    kinds = {a.kind, b.kind}
    if kinds in ({Kind.PATH, Kind.UNKNOWN}, {Kind.PATH, Kind.NONE}):
        named, other = (a, b) if a.kind is Kind.PATH else (b, a)
        given = may_be_class(named.name)
        if given is not None and other.name in ("", given.name):
            return given
    known = a if b.kind in (Kind.NONE, Kind.UNKNOWN) else b if a.kind in (Kind.NONE, Kind.UNKNOWN) else None
    if kinds == {Kind.NONE, Kind.UNKNOWN}:
        known = a if b.kind is Kind.NONE else b
    if kinds == {Kind.MODULE, Kind.UNKNOWN} and (given := _given_or(*((a, b) if a.kind is Kind.UNKNOWN else (b, a)))):
        return given
    if Kind.MODULE in kinds and (a.name if a.kind is Kind.UNKNOWN else b.name if b.kind is Kind.UNKNOWN else ""):
        return Value(Kind.MODULE, 1, memory=memory, maybe=maybe, flags=flags)
    if Kind.NONE in kinds and known is not None:
        return replace(known, memory=memory, maybe=maybe, flags=flags)
    if kinds == {Kind.TENSOR, Kind.NUMBER}:
        known, number = (a, b) if a.tensor else (b, a)
        live = known.live if number.live is False else join_live(iter((known.live, number.live)))
        summed = known.sure == 3 or known.name == SUMMED
        return replace(known, sure=min(known.sure, 2), live=live, name=SUMMED if summed else known.name)
    if known is not None and known.kind in (Kind.TENSOR, Kind.LIST, Kind.DICT, Kind.ARRAY, Kind.STRING):
        live = join_live(iter((a.live, b.live)))
        dtype = known.dtype if live is False else open_dtype(known.dtype)
        if known.kind in (Kind.LIST, Kind.DICT) and Kind.NONE not in kinds:  # `layers or [nn.Linear(8, 8)]`
            known = replace(known, items=tuple(join(item, UNKNOWN) for item in known.items), exact=False, order=None)
        return replace(known, sure=min(known.sure, 1), memory=memory, maybe=maybe, flags=flags, live=live, dtype=dtype)
    live = join_live(iter((*_lives(a), *_lives(b))))
    return Value(Kind.UNKNOWN, 0, live, memory=memory, maybe=maybe, flags=flags)


def _given_or(given: Value, module: Value) -> Value | None:
    """A layer that is passed in or made by another file, or one of torch: `DropPath(p) if p else nn.Identity()`."""
    if not given.name.startswith("!") or module.flags or module.items:
        return None
    if module.name in _LAYERS and given.name[1:] in _LAYERS:
        return given if _computes(module.name) or not _computes(given.name[1:]) else replace(given, name=_NORM)
    if module.name == "torch.nn.Identity":
        return replace(given, name=_NORM) if _computes(given.name[1:]) else given
    return None


_NORM = "!torch.nn.BatchNorm2d"
"""What makes something new or hands on what it is given."""


def _computes(name: str) -> bool:
    return "Conv" in name or "Linear" in name


def _lives(value: Value) -> Iterator[bool | None]:
    """Whether the tensors that a value is or holds require grad."""
    if value.kind not in (Kind.LIST, Kind.DICT) or not value.items:
        yield value.live
    for item in value.items:
        yield from _lives(item)


_LAYERS = frozenset(
    f"torch.nn.{name}{size}"
    for name, sizes in (("Conv", "123"), ("ConvTranspose", "123"), ("BatchNorm", "123"), ("InstanceNorm", "123"),
                        ("GroupNorm", ""), ("LayerNorm", ""), ("Linear", ""))
    for size in ([f"{n}d" for n in sizes] or [""])
)  # fmt: skip
"""Modules that make a new tensor of the dtype of what they are given, and keep nothing of it."""


def _join_same(a: Value, b: Value, memory: Memories, maybe: Memories, flags: frozenset[int]) -> Value:
    if a.name != b.name and a.kind is Kind.MODULE and {a.name, b.name} <= _LAYERS:
        return replace(a, name=min(a.name, b.name), memory=memory, maybe=maybe)
    if a.kind is Kind.MODULE and a.name != b.name and (choice := _choice((a, b))) is not None:
        return choice
    others = a.order is not None or b.order is not None
    items: tuple[Value, ...]
    if a.kind is Kind.MODULE and a.name == b.name == "torch.nn.ModuleList" and not (a.exact and b.exact):
        items, exact = ((one_of((*a.items, *b.items)),) if a.items or b.items else ()), False
    elif a.exact and b.exact and len(a.items) == len(b.items):
        items, exact = tuple(map(join, a.items, b.items)), True
    else:
        merged = [element(v) for v in (a, b) if v.items] if a.kind in (Kind.LIST, Kind.DICT) else []
        if merged and any(not v.items and v.memory for v in (a, b)):  # one that was passed in holds anything
            merged = [join(merged[0], UNKNOWN)]
        items, exact = ((join(*merged) if len(merged) == 2 else merged[0],) if merged else ()), False
    return Value(
        a.kind,
        min(a.sure, b.sure),
        join_live(iter((a.live, b.live))),
        a.dtype if a.dtype is b.dtype else Dtype.ANY,
        memory,
        maybe,
        a.width if a.width == b.width else "?",
        items,
        exact,
        _name(a, b),
        flags,
        a.view or b.view,
        a.iterated or b.iterated,
        a.leaf or b.leaf,
        max(a.layout, b.layout),
        None if exact else joined(chained(a, others), chained(b, others)),
    )


def _name(a: Value, b: Value) -> str:
    """The name of a value on two ways: a list with places of their own has one if it is so on both."""
    if a.name == DISTINCT or b.name == DISTINCT:
        return DISTINCT if distinct(a) and distinct(b) else ""
    if a.name == b.name or a.kind is not Kind.UNKNOWN or not (a.name and b.name):
        return a.name if a.name == b.name else ""
    others = [one for one in (a.name, b.name) if not one.startswith("!")]  # of which nothing is known, as of `Identity`
    idle = [one for one in (a.name, b.name) if not _computes(one)]
    return min(others or idle or [a.name])


def chained(value: Value, others: bool = False) -> Chain[Value] | None:
    """How the modules of a list, or a `Sequential`, may stand; None if that is not followed, or if it holds others.

    others: things of which nothing is known may be modules too, as those of a `Sequential` are.
    """
    if not value.exact:
        return value.order
    if value.kind is Kind.MODULE and value.name != "torch.nn.Sequential":
        return None
    parts = tuple(map(named, value.items))
    known = all(p.kind is Kind.MODULE or p.name.startswith("!") or (others and is_opaque(p)) for p in parts)
    return chain(parts) if known else None


def is_opaque(part: Value) -> bool:
    """True for what may be any module."""
    return part.kind is Kind.UNKNOWN and not part.name


def named(part: Value) -> Value:
    """The module of a pair `("relu", nn.ReLU(inplace=True))`, as an `OrderedDict` takes them."""
    pair = part.kind is Kind.LIST and part.exact and len(part.items) == 2
    return part.items[1] if pair and part.items[0].kind is not Kind.MODULE else part
