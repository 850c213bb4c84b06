"""Which name is which view of which other one: certain facts, where memory only says who may share.

Note [Links]
    `y = x.t()[0]` links y to x: as long as neither is bound anew, y can be made again from x by the same text.  A
    name without a link is the root of its family.  Whoever shares memory without being linked (a slot of a container,
    what a branch may have bound) is nobody that a rewrite could make anew, and stays a hazard.
    A name that is bound anew hands its children on: to its own base, with its steps before theirs, or to another name
    of the very same tensor.  A write changes no link, since whoever rewrites it makes the others anew; a change of
    shape, strides or storage undoes those that lead through a view.  Names that other scopes read or bind have none.
    `self.h = x` links the attribute to x, as the very tensor, until code runs that may bind the attribute anew: a call
    into anything but torch, a store to an attribute of that name of whatever object.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fixinplace import catalogue
from fixinplace.detect.apart import disjoint
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Kind
from fixinplace.detect.liveness import EMPTY, Names, loads
from fixinplace.detect.replacing import replace
from fixinplace.detect.steady import Kinds, Steady, steady
from fixinplace.model import Holder, View
from fixinplace.walking import walk

_PROPERTIES = ("T", "mT", "H", "mH", "real", "imag")
_MAY_COPY = ("reshape", "flatten", "ravel", "reshape_as", "as_strided")
"""Views of a tensor whose elements lie next to each other in order; of others copies, or views that a clone has not."""
_PAST_AUTOGRAD = ("detach", "data", "numpy", "storage", "untyped_storage", "as_subclass")
_PIECES = ("chunk", "split", "split_with_sizes", "unbind", "tensor_split", "hsplit", "vsplit", "dsplit")


@dataclass(frozen=True, slots=True)
class Link:
    """How a name is made from `base`; `reads` are the names that the text of the steps reads.

    ahead: the name has been written, and its base, which nobody reads any more, may have been left behind.
    unsure: nothing is known of something that the text reads, see Note [Steady arguments].
    copies: a step may have given a copy, see Note [Perhaps a copy] in `conversions.py`.
    """

    base: str
    steps: tuple[View, ...] = ()
    reads: Names = frozenset()
    ahead: bool = False
    unsure: bool = False
    copies: bool = False


Links = Mapping[str, Link]


class Shown(Kinds, Protocol):
    """What a chain needs to know of the place where it stands: the text of nodes, and what names are."""

    def text(self, node: ast.expr) -> str:
        """The node's own text."""

    def is_tensor(self, name: str) -> bool:
        """True for a name that is certainly a tensor."""

    def is_truth(self, node: ast.expr) -> bool:
        """True for what is `True` or `False`."""

    def is_in_order(self, name: str) -> bool:
        """True for a name whose tensor is certainly contiguous."""

    def marks_no_leaves(self) -> bool:
        """True for a file that asks only for gradients of new tensors: one that is made again would not have them."""

    def is_whole(self, name: str) -> bool:
        """True for a name whose tensor was made here and is no view: its storage begins and ends with it."""

    def gives_itself(self, name: str, call: ast.Call) -> bool:
        """True for `x.contiguous()` of what is that already: torch returns the very tensor."""

    def is_dense(self, name: str) -> bool:
        """True for a name whose tensor, or what that is a view of, certainly has no gaps between its elements."""

    def is_torch(self, node: ast.expr) -> bool:
        """True for an expression that is torch itself."""


def chain(node: ast.expr, shown: Shown) -> Link | None:
    """The link that an expression is, or None if it is not certain that it gives a view, or a tensor, of a name's."""
    match node:
        case ast.Name(id=name):
            return Link(name)
        case ast.Attribute(value=value, attr=attr) if attr in _PROPERTIES:
            return _longer(chain(value, shown), View(attr, "", f".{attr}"), frozenset())
        case ast.Subscript(value=value, slice=index):
            return _indexed(value, index, shown)
        case ast.Call(func=ast.Attribute(value=value, attr=attr)):
            return _called(node, value, attr, shown)
    return None


def _longer(link: Link | None, step: View, reads: Names, how: Steady = Steady.YES) -> Link | None:
    if link is None or how is Steady.NO:
        return None
    unsure = link.unsure or how is Steady.UNSURE
    return Link(link.base, (*link.steps, step), link.reads | reads, unsure=unsure, copies=link.copies)


def _indexed(value: ast.expr, index: ast.expr, shown: Shown) -> Link | None:
    piece = _piece(value, index, shown)
    if piece is not None:
        return piece
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    text = shown.text(index)
    how = min(_basic(part, shown) for part in parts) if parts else Steady.NO
    return _longer(chain(value, shown), View("index", "", f"[{text}]", (text,)), _reads(index), how)


def _basic(node: ast.expr, shown: Shown) -> Steady:
    """Of a number, a slice of numbers, `...` and `None`, which give a view, whether they give the same one later."""
    match node:
        case ast.Constant(value=value):
            number = isinstance(value, int) and not isinstance(value, bool)
            return Steady.YES if value is None or value is ... or number else Steady.NO
        case ast.Slice(lower=lower, upper=upper, step=step):
            stride = _position(step, shown) if step is not None else Steady.YES
            return min((stride, *(_bound(part, shown) for part in (lower, upper) if part is not None)))
    return _position(node, shown)


def _position(node: ast.expr, shown: Shown) -> Steady:
    return _bound(node, shown) if shown.kind(node) is Kind.NUMBER else Steady.NO


def _bound(node: ast.expr, shown: Shown) -> Steady:
    """`x[:True]` is Python's, and no op of torch that puts a view back takes it."""
    return Steady.NO if shown.is_truth(node) else steady(node, shown)


def _piece(value: ast.expr, index: ast.expr, shown: Shown) -> Link | None:
    """`x.chunk(2)[0]`: one of the views that a call gives at once."""
    match value, index:
        case ast.Call(func=ast.Attribute(value=inner, attr=attr)), ast.Constant(value=int(i)) if attr in _PIECES:
            return _cut(_longer(*_operands(value, inner, attr, shown, f"[{i}]")), i, 0)
    return None


def pieces(node: ast.expr, count: int, shown: Shown) -> list[Link]:
    """The links of `a, b = x.chunk(2)`, of `a, b = x` for a tensor; none if it is not certain that these are views."""
    found: list[Link | None] = []
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _PIECES:
            found = [_cut(_longer(*_operands(node, value, attr, shown, f"[{i}]")), i, count) for i in range(count)]
        case ast.Name(id=name) if shown.is_tensor(name):
            found = [Link(name, (_element(i),)) for i in range(count)]
    return [link for link in found if link is not None]


def _cut(link: Link | None, index: int, count: int) -> Link | None:
    """The link of one piece of several, with its position and their number among the arguments of the step."""
    if link is None:
        return None
    *steps, last = link.steps
    piece = View(f"{last.op}[]", last.before, last.after, (str(index), str(count), *last.arguments))
    return replace(link, steps=(*steps, piece))


def _element(i: int) -> View:
    return View("index", "", f"[{i}]", (str(i),))


def _called(node: ast.Call, value: ast.expr, attr: str, shown: Shown) -> Link | None:
    """`x.t()`, `torch.t(x)`; an in-place method gives the very tensor that it is called on."""
    writer = catalogue.writer(f"Tensor.{attr}")
    if writer is not None and writer.rule is not None and not shown.is_torch(value):
        return chain(value, shown)
    if attr in _MAY_COPY:
        first = node.args[0] if shown.is_torch(value) and node.args else value
        ordered = isinstance(first, ast.Name) and shown.is_in_order(first.id)
        if attr == "as_strided":  # it counts from the start of the storage, and may go past what a view takes of it
            ordered = isinstance(first, ast.Name) and shown.is_whole(first.id) and shown.is_dense(first.id)
        return _longer(*_operands(node, value, attr, shown)) if ordered else None
    if isinstance(value, ast.Name) and shown.gives_itself(value.id, node):
        return chain(value, shown)
    if attr == "detach" and not (node.args or node.keywords or shown.is_torch(value)):
        return _longer(chain(value, shown), View(attr, "", ".detach()"), EMPTY) if shown.marks_no_leaves() else None
    row = catalogue.result(f"torch.{attr}" if shown.is_torch(value) else f"Tensor.{attr}")
    if row is None or row.memory is not catalogue.Memory.VIEW or row.kind is not catalogue.Kind.TENSOR:
        return None
    if attr in _PAST_AUTOGRAD or attr in _PIECES or attr.startswith("__"):
        return None
    return _longer(*_operands(node, value, attr, shown))


def _operands(
    node: ast.Call, value: ast.expr, attr: str, shown: Shown, end: str = ""
) -> tuple[Link | None, View, Names, Steady]:
    """The link of a call's operand, the call as a step, what its arguments read, and if they give the same later."""
    function = shown.is_torch(value)
    arguments = [*node.args, *(k.value for k in node.keywords)]
    words = tuple(shown.text(a) for a in node.args) + tuple(f"{k.arg}={shown.text(k.value)}" for k in node.keywords)
    rest = arguments[1:] if function else arguments
    how = min((steady(one, shown, attr) for one in rest), default=Steady.YES)
    if any(k.arg is None or k.arg == "input" for k in node.keywords):
        how = Steady.NO
    reads = frozenset[str]().union(*map(_reads, rest))
    if how is Steady.NO or (function and not node.args):
        return None, View(attr, "", ""), reads, Steady.NO
    operand = node.args[0] if function else value
    inside = ", ".join(words[1:] if function else words)
    name = f"{shown.text(value)}.{attr}"
    after = f"{', ' * bool(inside)}{inside})"
    step = (
        View(attr, f"{name}(", after + end, words[1:]) if function else View(attr, "", f".{attr}({inside}){end}", words)
    )
    return chain(operand, shown), step, reads, how


def _reads(node: ast.expr) -> Names:
    """The names, and the attributes of names, that an expression reads."""
    return loads(node) | {dotted(n) for n in walk(node) if isinstance(n, ast.Attribute)} - {""}


# --- the state


def without(links: Links, name: str) -> dict[str, Link]:
    """The links once `name` is bound anew; see Note [Links]."""
    kept = {k: link for k, link in links.items() if (name not in link.reads or k == name)}
    kept = {k: link for k, link in kept.items() if not k.startswith(f"{name}.")}
    own = kept.pop(name, None)
    children = {k: link for k, link in kept.items() if link.base == name}
    if own is not None and own.copies:
        return {k: link for k, link in kept.items() if k not in children}  # each would be made of a copy of its own
    if own is not None:
        return kept | {k: _through(own, c) for k, c in children.items()}
    heir = next((k for k, link in children.items() if not link.steps and "." not in k), None)
    for child in children:
        del kept[child]
    if heir is not None:
        kept |= {k: replace(c, base=heir) for k, c in children.items() if k != heir}
    return kept


def _through(base: Link, link: Link) -> Link:
    reads, ahead, unsure = base.reads | link.reads, base.ahead or link.ahead, base.unsure or link.unsure
    return Link(base.base, base.steps + link.steps, reads, ahead, unsure, base.copies or link.copies)


def rooted(links: Links, link: Link) -> Link:
    """The same link from the root of its family."""
    while link.base in links:
        link = _through(links[link.base], link)
    return link


def without_views(links: Links, name: str) -> dict[str, Link]:
    """The links once the tensor of `name` has another shape: nobody is made from it, nor it from anybody, by a view."""
    kin = {holder.name for holder in family(links, name, frozenset())}
    return {k: link for k, link in links.items() if not ((link.steps and k in kin) or link.reads & kin)}


def left_behind(links: Links, name: str, later: Names, apart: bool) -> dict[str, Link]:
    """The links once the tensor of `name` has been written: names that nobody reads any more lead nobody to it.

    A rewrite of the write leaves them with the old tensor, unless what is read later had to be made from them.
    apart: two views that are made alike stay two tensors: what changes the shape of one leaves the other as it is.
    """
    kept = dict(links)
    members = family(kept, name, later)
    dead = [h.name for h in members if not h.live and h.name != name]
    for one in dead[1:] if dead and dead[0] == members[0].name else dead:
        kept = without(kept, one)
    root = members[0].name
    if root not in dead:
        return kept
    if Link(root) in kept.values():
        return without(kept, root)
    own = next(h.steps for h in members if h.name == name)
    alive = [h for h in members if h.name not in dead and h.name != name]
    if apart and merged(kept, tuple(h for h in members if h.name not in dead)):
        return kept
    below = {h.name: replace(rooted(kept, Link(h.name)), base=name, steps=h.steps[len(own) :], ahead=False)
             for h in alive if h.steps[: len(own)] == own}  # fmt: skip
    if not all(h.name in below or disjoint(h.steps, own) for h in alive):
        return kept  # the root is what the others are made from
    if len(below) == len(alive):
        del kept[name]
        return kept | below
    return kept | {name: replace(kept[name], ahead=True)}


def family(links: Links, name: str, later: Names) -> tuple[Holder, ...]:
    """All names that certainly share the storage of `name`, itself and the root first; see Note [Links]."""
    root = rooted(links, Link(name)).base
    names = [root, *(k for k in links if rooted(links, Link(k)).base == root)]
    found = {k: rooted(links, Link(k)) for k in names}
    return tuple(Holder(k, link.steps, k in later or "." in k, link.ahead, link.copies) for k, link in found.items())


def is_one_copy(links: Links, names: Sequence[str]) -> bool:
    """True if names that are made by way of what may be a copy are all made from the same one, itself among them."""
    origins = {_copied_at(links, name) for name in names}
    return len(names) < 2 or (len(origins) == 1 and origins <= {*names})


def _copied_at(links: Links, name: str) -> str:
    """The name that was bound to what may be a copy, on the way from a name to its root."""
    found = ""
    while name in links:
        found = name if links[name].copies else found
        name = links[name].base
    return found


def merged(links: Links, members: tuple[Holder, ...]) -> bool:
    """True if two of these names hold views that are made alike: several tensors, which a rewrite would make one."""
    found: dict[tuple[View, ...], str] = {}
    for holder in members:
        name = holder.name
        while name in links and not links[name].steps:
            name = links[name].base
        if found.setdefault(holder.steps, name) != name:
            return True
    return False


_ITSELF = ("real", "imag", "conj", "positive", "atleast_1d", "atleast_2d", "atleast_3d")
"""Operations that give the tensor itself where there is nothing to do."""


def may_be_itself(members: tuple[Holder, ...]) -> bool:
    """True if a member may be the very tensor of another one although an operation leads to it."""
    return any(step.op in _ITSELF for holder in members for step in holder.steps)


def without_attributes(links: Links, attr: str = "") -> dict[str, Link]:
    """The links once code has run that may have bound attributes: any, or those of this name."""
    links = links if attr else {k: link for k, link in links.items() if not link.copies}  # it may have written as well
    kept = {k: link for k, link in links.items() if "." not in k or (attr and not k.endswith(f".{attr}"))}
    return {k: replace(link, unsure=True) if _reads_attribute(link, attr) else link for k, link in kept.items()}


def _reads_attribute(link: Link, attr: str) -> bool:
    return any("." in name and (not attr or name.endswith(f".{attr}")) for name in link.reads)


def is_unsure(links: Links, members: tuple[Holder, ...]) -> bool:
    """True if the text of a member may give another view than it did, see Note [Steady arguments]."""
    return any(rooted(links, Link(holder.name)).unsure for holder in members)


def bound_by(target: ast.expr) -> Iterator[str]:
    """Plain names among the targets of one assignment."""
    match target:
        case ast.Name(id=name):
            yield name
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from bound_by(element)
