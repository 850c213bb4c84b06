"""Places that a write may have, and the names that certainly share its storage: see Note [Links]."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from fixinplace import catalogue
from fixinplace.detect.apart import disjoint
from fixinplace.detect.conversions import is_conversion, is_layout, perhaps
from fixinplace.detect.gradients import Gradients
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Kind, Layout, Origin
from fixinplace.detect.links import (
    Link,
    chain,
    family,
    is_one_copy,
    is_unsure,
    left_behind,
    may_be_itself,
    merged,
    pieces,
    rooted,
)
from fixinplace.detect.liveness import Names
from fixinplace.detect.own_kind import is_made
from fixinplace.detect.program import Observation
from fixinplace.detect.replacing import replace
from fixinplace.detect.switches import is_switch
from fixinplace.detect.values import TRUTH, UNKNOWN, Memories, Value, may_have_gaps, overlap
from fixinplace.model import Hazard, Holder, Place
from fixinplace.walking import every, remembered, walk

Kin = Mapping[str, Holder]
"""Who certainly shares the storage of a name, by name; the name itself is left out."""


@remembered
def marks_leaves(tree: ast.AST) -> bool:
    """True if a file asks for gradients of what it may have detached: not of `torch.ones(3).requires_grad_()`."""
    return any(_marks_leaf(node) for node in every(tree, ast.Attribute))


def _marks_leaf(node: ast.Attribute) -> bool:
    if not (node.attr in ("requires_grad_", "retain_grad") or (node.attr == "requires_grad" and not _is_read(node))):
        return False
    value: ast.AST = node.value
    while isinstance(value, ast.Call | ast.Attribute):
        if isinstance(value, ast.Attribute) and value.attr in ("detach", "data"):
            return True
        value = value.func if isinstance(value, ast.Call) else value.value
    return not (isinstance(value, ast.Name) and value.id == "torch")


def _is_read(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Load)


def _is_detached(holder: Holder) -> bool:
    return any(step.op == "detach" for step in holder.steps)


def _may_write(call: ast.Call) -> bool:
    """True for a method that writes in place: no other call that does is followed to what it is given."""
    name = dotted(call.func).rpartition(".")[2] or getattr(call.func, "attr", "")
    return name.endswith("_") and not name.endswith("__")


class Kinship(Gradients):
    """Follows which names are views of which, and finds the name that a write goes through."""

    # --- what a chain of views needs to know of this place (`links.Shown`)

    def text(self, node: ast.expr) -> str:
        """The node's own text."""
        return self.program.part.slice(self.program.part.span(node))

    def kind(self, node: ast.expr) -> Kind:
        """The kind of an expression's value."""
        return self.peek(node).kind

    def is_truth(self, node: ast.expr) -> bool:
        """True for what is `True` or `False`."""
        value = self.peek(node)
        return value == TRUTH or is_switch(value)

    def is_tensor(self, name: str) -> bool:
        """True for a name that is certainly a tensor."""
        return self.lookup(name).tensor

    def is_in_order(self, name: str) -> bool:
        """True for a name whose tensor is certainly contiguous."""
        value = self.lookup(name)
        return value.tensor and value.layout is Layout.ROWS

    def marks_no_leaves(self) -> bool:
        """True for a file that asks only for gradients of new tensors: one that is made again would not have them."""
        return not marks_leaves(self.program.tree)

    def is_whole(self, name: str) -> bool:
        """True for a name whose tensor was made here and is no view: its storage begins and ends with it."""
        value, root = self.lookup(name), rooted(self.state.links, Link(name))
        made = bool(value.memory) and all(m.origin is Origin.ALLOCATED for m in value.memory)
        return value.tensor and made and not (value.view or value.maybe or root.steps)

    def is_dense(self, name: str) -> bool:
        """True for a name whose tensor, or what that is a view of, certainly has no gaps between its elements."""
        value = self.lookup(rooted(self.state.links, Link(name)).base)
        made = bool(value.memory) and all(m.origin is Origin.ALLOCATED for m in value.memory)
        return value.tensor and made and not value.view and value.layout <= Layout.DENSE

    def gives_itself(self, name: str, call: ast.Call) -> bool:
        """True for `x.contiguous()` of what is that already: torch returns the very tensor.

        Not for `x.float()`, which is written where `x` may have another dtype.
        """
        match call:
            case ast.Call(func=ast.Attribute(attr="contiguous"), args=[], keywords=[]):
                return self.is_in_order(name)
        return False

    def is_torch(self, node: ast.expr) -> bool:
        """True for an expression that is torch itself."""
        value = self.lookup(node.id) if isinstance(node, ast.Name) else None
        return value is not None and value.kind is Kind.PATH and value.name == "torch"

    # --- links

    def linked(self, targets: Sequence[ast.expr], value: ast.expr) -> dict[str, Link]:
        """The links that an assignment makes; asked before its names are bound."""
        made: dict[str, Link | None] = {}
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        slots = [dotted(target) for target in targets if isinstance(target, ast.Attribute) and self._is_slot(target)]
        found = chain(value, self) or perhaps(value, self)
        within = {n.target.id for n in every(value, ast.NamedExpr)} if found is not None else set()
        if found is not None and (within & {found.base, *found.reads} or self._is_stale(value, found.base)):
            found = None  # the name is another tensor by the time that the value is bound
        for name in (*names, *slots):
            made[name] = found if found is not None else Link(names[0]) if names and name != names[0] else None
        for target in targets:
            if isinstance(target, (ast.Tuple, ast.List)):
                made |= self._unpacked(target.elts, value)
        if not any(made.values()):
            return {}
        bound = {n.id for t in targets for n in walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        first = {names[0]} if names and found is None else set()
        others = {name: self._outside(link, bound - first if {link.base} == first else bound)
                  for name, link in made.items() if link is not None}  # fmt: skip
        certain = {name: link for name, link in others.items() if link is not None and link.base != name}
        return {name: link for name, link in certain.items() if name not in slots or not link.steps}

    def _is_stale(self, value: ast.expr, base: str) -> bool:
        """True if `value` writes into `base`, which nobody reads any more, nor anything that is made from it.

        `u = y.add_(1)` becomes `u = y.add(1)`: then `y` is what it was before, and nothing can be put back into it.
        """
        if not any(map(_may_write, every(value, ast.Call))):
            return False
        return base not in self.later and not any(h.live for h in family(self.state.links, base, self.later))

    def _is_slot(self, target: ast.Attribute) -> bool:
        """True for `self.h` where nothing but a slot can be behind it, as far as the file tells."""
        index = self.program.index
        return bool(dotted(target)) and target.attr not in index.all_methods and not self.program.words.sets_attributes

    def _unpacked(self, targets: Sequence[ast.expr], value: ast.expr) -> dict[str, Link | None]:
        if not all(isinstance(target, ast.Name) for target in targets):
            return {}
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(names):
            return {name: self._followed(one, chain(one, self)) for name, one in zip(names, value.elts, strict=True)}
        return dict(zip(names, pieces(value, len(names), self), strict=False))

    def _followed(self, value: ast.expr, link: Link | None) -> Link | None:
        return None if link is None or self._is_stale(value, link.base) else link

    def _outside(self, link: Link, bound: set[str]) -> Link | None:
        """The link, made from a name that the assignment does not bind; None if there is none."""
        if link.reads & bound:
            return None
        if link.base not in bound:
            return link
        link = rooted(self.state.links, link)
        if link.reads & bound:
            return None
        twins = (k for k, one in self.state.links.items() if one == Link(link.base) and k not in bound)
        base = link.base if link.base not in bound else next(twins, None)
        return replace(link, base=base) if base is not None else None

    def note_links(self, made: dict[str, Link]) -> None:
        """The names are bound: keep the links of those that only this function's own statements bind."""
        shared = self.captured | self.declared
        shared |= self.program.read_by_functions if self.place.name == "<module>" else frozenset()
        for name, link in (
            made.items() if self.grad else ()
        ):  # torch takes no write to what was viewed without grad mode
            bound = ("." in name or self.binds(name)) and self.binds(link.base)
            apart = not shared & {name, name.partition(".")[0], link.base, *link.reads} and bound
            value = self.state.attrs.get(name, UNKNOWN) if "." in name else self.lookup(name)
            if apart and self._may_be_tensor(value) and self._is_base(link):
                self.state.links[name] = link

    def _is_base(self, link: Link) -> bool:
        """True if the base is a tensor, or what nothing is known of and is treated as only tensors are."""
        plain = all(step.op == "index" and "," not in step.after for step in link.steps)
        base = self.lookup(link.base)
        return base.tensor or (base.kind is Kind.UNKNOWN and not (plain and link.steps))

    def _may_be_tensor(self, value: Value) -> bool:
        return value.tensor or value.kind is Kind.UNKNOWN

    def is_view_chain(self, node: ast.expr) -> bool:
        """True for `x[1]`, `x.t()`: a view of a name's tensor saves nothing for backward."""
        link = chain(node, self)
        return link is not None and bool(link.steps) and not _names_writer(node)

    def glance(self, node: ast.expr) -> Value:
        """The value of an operand of which nothing is kept for backward: of `+` and `<`, of `clone()` and `len()`."""
        plain = isinstance(node, ast.Name) or self.is_view_chain(node) or isinstance(node, ast.Subscript)
        return self.peek(node) if plain else self.evaluate(node)

    def keeps_nothing(self, node: ast.expr) -> bool:
        """True for what saves nothing of its tensor for backward: a view, a conversion, another name."""
        return isinstance(node, ast.Name) or self.is_view_chain(node) or perhaps(node, self) is not None

    def is_view(self, node: ast.expr) -> bool:
        """True for `x.t()` and for a name that is linked to another one."""
        return node.id in self.state.links if isinstance(node, ast.Name) else self._is_view(node)

    def note_clone(self, targets: Sequence[ast.expr], value: ast.expr, made: Value) -> None:
        """`x = x.clone()`: what is written into it through views, before anybody reads it, is finished code."""
        match targets, value:
            case [ast.Name(id=name)], ast.Call(func=ast.Attribute(value=ast.Name(id=base), attr="clone")) if (
                name == base
            ):
                self.program.clones |= {memory.label for memory in made.memory}

    def binds(self, name: str) -> bool:
        """True if an assignment to `name` in this scope reaches the variable that a read here sees."""
        return self.place.name == "<module>" or name in self.locals or name in self.declared

    def kin(self, owner: ast.expr, later: Names, rule: str = "") -> dict[str, Holder]:
        """Who certainly shares the storage of a name, the name itself left out.

        Of what is perhaps a copy, only the copy can be written: made again, it is what it was; but of a root with gaps,
        of which a clone has none, `.contiguous()` is a copy today and would be none.
        """
        if not isinstance(owner, ast.Name):
            return {}
        members = family(self.state.links, owner.id, later)
        found = {h.name: h for h in members if h.name != owner.id}
        copied = [h.name for h in members if h.copies and (h.live or h.name == owner.id)]
        dense = not may_have_gaps(self.state.names.get(members[0].name, UNKNOWN))
        clear = owner.id in copied and rule != "FIP112" and is_one_copy(self.state.links, copied) and dense
        return found if clear or not copied else {}

    def fit_together(self, one: ast.expr, other: ast.expr) -> bool:
        """True for views of one tensor that are alike, or have no element in common."""
        links = [rooted(self.state.links, link) for node in (one, other) if (link := chain(node, self)) is not None]
        if len(links) < 2 or links[0].base != links[1].base:
            return False
        return links[0].steps == links[1].steps or disjoint(links[0].steps, links[1].steps)

    def is_of_family(self, value: ast.expr, target: ast.expr, kin: Kin) -> bool:
        """True if a value is a view of the written tensor that a rewrite knows as one: of its name, or of live kin's.

        Of a name that nobody reads later no family is noted, and the text alone does not tell that it is a view.
        """
        own, link = chain(target, self), chain(value, self)
        if own is None or link is None or rooted(self.state.links, own).base != rooted(self.state.links, link).base:
            return False
        return link.base == own.base or (link.base in kin and any(holder.live for holder in kin.values()))

    def holders(self, written: Value) -> list[str]:
        """The names that may hold the storage of a written tensor."""
        memory = written.memory | written.maybe
        return [name for name, value in self.state.names.items() if overlap(value.memory | value.maybe, memory)]

    def with_kin(self, written: Value, kin: Kin) -> Value:
        """A written value with the memory of all who are made anew with it: who else holds that is left behind."""
        names = [k for k, h in kin.items() if h.live]
        memory = written.memory.union(*(self.lookup(name).memory for name in names))
        return replace(written, memory=memory)

    def is_lost(self, owner: ast.expr, written: Value, kin: Kin) -> bool:
        """True if others may hold the tensor, and nobody here reads what this, or a later write into it, leaves."""
        name = owner.id if isinstance(owner, ast.Name) else ""
        if name not in self.captured | self.declared and self.binds(name) and not is_made(written):
            live, root, read = self.liveness, self.root, {name, *(one.name for one in kin.values() if one.live)}
            return isinstance(root, ast.stmt) and read.isdisjoint(live.used.after(root) - live.lost.after(root))
        return False

    def note_family(self, seen: Observation, owner: ast.expr, kin: Kin) -> None:
        """The names to make anew with the written one; a family that depends on the path is a hazard."""
        found: tuple[Holder, ...] = ()
        if isinstance(owner, ast.Name) and any(holder.live for holder in kin.values()):
            found = family(self.state.links, owner.id, frozenset(h.name for h in kin.values() if h.live))
        known = seen.facts.setdefault("family", found)
        if known != found:
            sentence = "on some ways to this place another name shares the tensor's memory, on others it does not"
            seen.hazards.setdefault("live-view", Hazard("live-view", sentence))
        alive = tuple(h for h in found if h.live or (isinstance(owner, ast.Name) and h.name == owner.id))
        if seen.rule == "FIP112" and may_be_itself(alive):
            sentence = "another name may be the tensor itself, or a view of it (`real`, `positive` and their like)"
            seen.hazards.setdefault("live-view", Hazard("live-view", sentence))
        if any(self._is_past_autograd(h, owner) for h in alive):
            sentence = "what was detached is written itself, or may have got a gradient since"
            seen.hazards.setdefault("live-view", Hazard("live-view", sentence))
        if alive and self._is_read_before(alive, owner):
            sentence = "what was computed of it before would be converted back apart from the rest, and round otherwise"
            seen.doubts[sentence] = None
        if found and is_unsure(self.state.links, alive):
            seen.doubts["what a view's text reads may have changed since the view was made"] = None
        if (self.program.words.reshapes or seen.rule == "FIP112") and merged(self.state.links, alive):
            sentence = "two names hold views of the same elements, and the file changes the shape of tensors in place"
            seen.hazards.setdefault("live-view", Hazard("live-view", sentence))

    def leave_behind(self, owner: ast.expr, later: Names) -> None:
        """A name's tensor has been written: who is dead now may not see it once the write is rewritten."""
        if isinstance(owner, ast.Name):
            self.state.links = left_behind(self.state.links, owner.id, later, self.program.words.reshapes)

    def note_way_back(self, seen: Observation, owner: ast.expr, written: Value, later: Names, rule: str) -> None:
        """The family of a view of a parameter, if the function is going to return that; see `sites.py`."""
        labels = {memory.label for memory in written.memory if memory.origin is Origin.PARAMETER}
        members: tuple[Holder, ...] = ()
        if isinstance(owner, ast.Name) and len(labels) == 1 and rule != "FIP112":
            members = family(self.state.links, owner.id, later | labels)
        clear = bool(members) and {members[0].name} == labels and not any(h.copies or _is_detached(h) for h in members)
        found = members if clear and not is_unsure(self.state.links, members) else ()
        seen.facts["back"] = found if seen.facts.get("back", found) == found else ()

    def _is_past_autograd(self, holder: Holder, owner: ast.expr) -> bool:
        """True for a detached view that is written, or that a write may have given a gradient of its own."""
        written = isinstance(owner, ast.Name) and owner.id == holder.name
        return _is_detached(holder) and (written or self.lookup(holder.name).live is not False)

    def _is_read_before(self, alive: Sequence[Holder], owner: ast.expr) -> bool:
        """True if anything but another name was made of what a conversion gave, before it is written at `owner`."""
        names = {h.name for h in alive if any(is_conversion(step) for step in h.steps)}
        end = self.root_span().end
        bound = [n for one in self.body for n in every(one, ast.Assign) if names] if names else []
        made = {id(n) for one in bound if chain(one.value, self) is not None for n in walk(one.value)} | {id(owner)}
        loads = (n for one in self.body for n in every(one, ast.Name) if names and type(n.ctx) is ast.Load)
        return any(n.id in names and id(n) not in made and self.program.part.span(n).start < end for n in loads)

    def settle(self, written: Value) -> None:
        """A tensor has been written: what is perhaps a copy of it, or of which it is one, goes its own way."""
        held = written.memory | written.maybe
        self.state.links = {
            name: link
            for name, link in self.state.links.items()
            if not link.copies or not overlap(self._memory_of(name) | self._memory_of(link.base), held)
        }

    def _memory_of(self, name: str) -> Memories:
        value = self.state.attrs.get(name, UNKNOWN) if "." in name else self.lookup(name)
        return value.memory | value.maybe

    def source_of(self, owner: ast.expr) -> Value | None:
        """What a name was made from by a call that may copy, whether it does here or not; None for others."""
        link = rooted(self.state.links, Link(owner.id)) if isinstance(owner, ast.Name) else None
        copied = link is not None and (link.copies or any(is_layout(step) for step in link.steps))
        return self.lookup(link.base) if link is not None and copied else None

    # --- places

    def place_of(self, target: ast.expr) -> tuple[Place, ast.expr]:
        """Kind of place, and the expression that owns the storage: `x` for `x[0]`, `x.t()` and `x.mul_(2)`."""
        match target:
            case ast.Name():
                return Place.NAME, target
            case ast.Attribute() if dotted(target) and not self._is_view(target):
                return Place.ATTRIBUTE, target
            case ast.Subscript(value=value):
                place, owner = self.place_of(value)
                tensor = place is not Place.TEMPORARY and self.peek(value).kind not in (Kind.LIST, Kind.DICT)
                return (Place.SUBSCRIPT, owner) if tensor else (Place.TEMPORARY, target)
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if catalogue.writer(f"Tensor.{attr}"):
                return self.place_of(value)
        link = chain(target, self)
        if link is not None and self._is_view(target):
            return Place.VIEW, _root(target, link.base)
        return Place.TEMPORARY, target

    def _is_view(self, node: ast.expr) -> bool:
        link = chain(node, self)
        return link is not None and self.is_view_chain(node) and self._is_base(link)


@remembered
def _names_writer(node: ast.AST) -> bool:
    """True if a name of an in-place method stands in an expression."""
    return any(n.attr.endswith("_") for n in every(node, ast.Attribute))


def _root(node: ast.expr, name: str) -> ast.expr:
    """The first mention of a name in an expression that begins with it."""
    return next(n for n in walk(node) if isinstance(n, ast.Name) and n.id == name)
