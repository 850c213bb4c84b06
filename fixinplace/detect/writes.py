"""A write has been met: who else looks at the storage, is it autograd's business, can the name be bound."""

from __future__ import annotations

import ast
import re
from typing import cast

from fixinplace.detect import beside_attributes
from fixinplace.detect.birth import note_sharers
from fixinplace.detect.containers import Containers, is_put_back, read_again
from fixinplace.detect.identity import calls_torch_alone, is_computed_with, is_new_to_all, read_by_functions
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import GRADIENT, Dtype, Kind, Layout, Origin
from fixinplace.detect.kinship import Kin
from fixinplace.detect.laid import forgets_strides
from fixinplace.detect.links import chain, without_views
from fixinplace.detect.listlike import may_be_list
from fixinplace.detect.liveness import Names, binds
from fixinplace.detect.mixing import KEEPS_DTYPE, keeps_history, keeps_layout, may_be_tensor
from fixinplace.detect.order import others, reads_once, runs_first
from fixinplace.detect.overlapping import reads_memory
from fixinplace.detect.own_kind import is_made
from fixinplace.detect.plain import TERMS, sums_one_term
from fixinplace.detect.program import Observation, is_torch
from fixinplace.detect.replacing import replace
from fixinplace.detect.roles import add_hazard, be_sure
from fixinplace.detect.state import Escape
from fixinplace.detect.values import NUMBER, Memories, Memory, Value, overlap
from fixinplace.model import Call, Place, Usage
from fixinplace.walking import walk

_TURNS = tuple(f"Tensor.{name}_" for name in "t transpose swapaxes swapdims squeeze unsqueeze detach".split())
"""Writers of metadata after which the elements still lie next to each other."""
_LATER = "a lambda calls it, with whatever that is given"
_MADE_ANEW = ("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109", "FIP112", "FIP113", "FIP114")
"""Rules whose rewrites make the other names of the tensor anew as well."""


class Writes(Containers):
    """Records writes with their hazards and doubts."""

    def write(self, node: ast.expr | ast.stmt, op: str, rule: str, target: ast.expr, written: Value,
              value: Value | None = None) -> Observation:  # fmt: skip
        """Note that `node` writes the tensor that `target` evaluates to; `value` is what is written."""
        if rule == "FIP113" and value is not None and not value.tensor:
            value = NUMBER  # the bounds of random numbers pass no gradient on
        if value is not None and value.live and self.keeps_state(written):
            value = replace(value, live=None)
        place, owner, holder = self.held_place(node, rule, target, *self.place_of(target))
        text = self.program.part.slice(self.program.part.span(owner))
        seen = self._observation(node, rule, op, text)
        be_sure(seen, node, written, value)
        self.roles(seen, target, written, value)
        later = self.reads_after(node)
        kin = self.kin(owner, later, rule) if rule in _MADE_ANEW else {}
        if value is not None and reads_memory(self, place, node, op, target, written, value, kin):
            seen.doubts["it reads other parts of the memory that it writes, in an order that torch leaves open"] = None
        self.others(seen, self.with_kin(written, kin), holder or owner, node, kin)
        note_sharers(self, seen, written, later - {dotted(owner)})
        self.share_rounds(seen, node, owner)
        self.share_list(seen)
        self.note_family(seen, owner, kin)
        self.note_way_back(seen, owner, written, later, rule)
        seen.facts["source"] = self.source_of(owner)
        self.settle(written)
        self.leave_behind(owner, later)
        self._binding(seen, place, owner, target)
        self._dtypes(seen, written, value)
        self._doubts(seen, written, place, owner)
        if holder is not None:
            self.share_places(seen, holder, written)
        link = chain(target, self) if place is Place.VIEW else None
        seen.facts |= {
            "key": self.place.key,
            "place": place,
            "part": place is Place.SUBSCRIPT and chain(target, self) is not None,
            "through": link.steps if link is not None else (),
            "usage": self.usage(node, owner),
            "read_later": bool(seen.facts.get("read_later")) or (isinstance(owner, ast.Name) and owner.id in later),
            "lost": self.is_lost(owner, written, kin),
            "in_loop": not self.is_made_here([written]) or bool(seen.facts.get("in_loop")),
            "first": not isinstance(node, ast.expr) or runs_first(node, self.root, text),
            "torch": self.torch_name(),
        }
        if rule in ("FIP111", "FIP112"):
            self.state.masks = {}  # another name of the tensor may be the one that a mask was made from
            self.turn(written.memory, Layout.DENSE if seen.op in _TURNS else Layout.GAPS)
            for name in [dotted(owner).partition(".")[0], *self.holders(written)]:
                self.state.links = without_views(self.state.links, name)
        if value is not None and not set(self.detaching(target)):
            self.wrote(written, value.live)
        return seen

    def _observation(self, node: ast.expr | ast.stmt, rule: str, op: str, text: str) -> Observation:
        span = self.program.part.span(node)
        key = (span.start, span.end, op)
        if self.deferring and rule != "FIP107":
            return Observation(node, self.root, rule, op, text, shown(self.place.name))
        known = self.program.observed.get(key)
        if known is not None:
            if not self.program.ledger.owns(key):
                self.program.ledger.unrepeatable()
            return known
        return self.program.observe(key, Observation(node, self.root, rule, op, text, shown(self.place.name)))

    def reads_after(self, node: ast.AST, binding: ast.AST | None = None) -> Names:
        """Names that may be read once the write has happened, in the same statement or later.

        binding: the statement that binds names behind the write, which stand for something else from then on.
        """
        later = self.later - binds(binding)
        if isinstance(node, ast.AugAssign) or self.root is node:
            return self.later
        again = read_again(node, self.root)
        inside = {id(n) for n in walk(node) if id(n) not in again} | self.gone_through(node)
        inside |= {id(n) for branch in others(node, self.root) for n in walk(branch)}
        same = (n for n in walk(self.root) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
        if isinstance(node, ast.Subscript):
            return later
        return later | frozenset(n.id for n in same if id(n) not in inside)

    def usage(self, node: ast.AST, owner: ast.expr) -> Usage:
        """What becomes of the value of an in-place call; STATEMENT where there is none."""
        root = self.root
        if not isinstance(node, ast.Call) or (isinstance(root, ast.Expr) and root.value is node):
            return Usage.STATEMENT
        if isinstance(root, ast.Assign) and root.value is node and len(root.targets) == 1:
            name = dotted(root.targets[0])
            if (name and name == dotted(owner)) or is_put_back(root.targets[0], node):
                return Usage.REBOUND
        return Usage.VALUE

    def torch_name(self) -> str | None:
        """The name under which torch itself can be reached here."""
        for name, value in self.state.names.items():
            if is_torch(value) and self.lookup(name) == value:
                return name
        return next((name for name in self.program.torch_names() if is_torch(self.lookup(name))), None)

    def others(self, seen: Observation, written: Value, owner: ast.expr, node: ast.AST,
                kin: Kin | None = None) -> None:  # fmt: skip
        """Everybody else who may look at the storage and is read later; `kin` can be made anew."""
        own = dotted(owner)
        later = self.reads_after(node, self.root)
        for name, value in self.state.names.items():
            if kin and name in kin and kin[name].live:
                continue
            if name != own and name in later | self.captured and self.is_holder(value):
                self._shared(seen, name, value, written)
            elif name != own and self.place.name == "<module>" and overlap(value.memory, written.memory):
                seen.doubts[f"`{name}` is a name of the module, which others can import"] = None
        for name, value in self.state.attrs.items():
            if name != own and name not in (kin or ()) and overlap(value.memory, written.memory):
                add_hazard(seen, "escapes-to-attribute", f"`{name}` holds the same tensor")
        if overlap(self.iterating, written.memory) and not written.iterated:
            add_hazard(seen, "loop-variable", "a loop is going over rows of the same tensor")
        late = read_by_functions(own)
        passed = {late} if own in self.captured and self._is_read_late(seen, own) else set[str]()
        for memory in sorted(written.memory, key=lambda m: (m.origin, m.label, m.index)):
            for held, marks in self.state.escapes.items():
                for mark in sorted(marks, key=lambda m: m.sentence) if memory.overlaps(held) else ():
                    if mark.sentence in {f"`{name}` holds it" for name in (own, *(kin or ()))} | passed:
                        continue
                    _note(seen, mark)
                    if mark.refusal == "container-slot":
                        self.note_container(seen, "")
                        seen.facts["holders"] = frozenset(("",))
            self._origin(seen, memory, own)
        for memory in sorted(written.maybe, key=lambda m: (m.origin, m.label, m.index)):
            self._perhaps(seen, memory, own)

    def _perhaps(self, seen: Observation, memory: Memory, own: str) -> None:
        """What may be written as well, through code out of sight: harmless if only names of this function hold it."""
        if memory.origin is not Origin.ALLOCATED:
            seen.doubts[f"the tensor may be the one that was passed in as {memory.label}"] = None
        for held, marks in self.state.escapes.items():
            for mark in sorted(marks, key=lambda m: m.sentence) if memory.overlaps(held) else ():
                _note(seen, replace(mark, refusal=None))
        for name, value in self.state.attrs.items():
            if name != own and overlap(value.memory | value.maybe, frozenset((memory,))):
                seen.doubts[f"`{name}` may hold the same tensor"] = None
        if overlap(self.iterating, frozenset((memory,))):
            seen.doubts["a loop may be going over rows of the same tensor"] = None

    def is_holder(self, value: Value) -> bool:
        """True for values through which a tensor can be seen."""
        return value.tensor or value.kind in (Kind.LIST, Kind.DICT, Kind.UNKNOWN, Kind.OTHER, Kind.ARRAY)

    def _shared(self, seen: Observation, name: str, value: Value, written: Value) -> None:
        if overlap(value.memory, written.memory):
            self.note_holders(seen, name, value, written)
            if written.iterated:
                refusal, how = "loop-variable", "is what the loop iterates over, and the write reaches it"
                seen.facts["rows_of"] = cast("frozenset[str]", seen.facts.get("rows_of", frozenset())) | {name}
            elif not value.tensor:
                refusal, how = "container-slot", "holds the same tensor"
                self.note_listed(seen, name, value)
            else:
                view = value.view or written.view
                refusal, how = ("live-view", "shares its memory") if view else ("live-alias", "is the same tensor")
                clear = self.binds(name) and name not in self.captured | self.declared and not view
                known = cast("frozenset[str]", seen.facts.get("asked", frozenset()))
                seen.facts["asked"] = known | {name if clear else ""}
            add_hazard(seen, refusal, f"`{name}` {how} and is read later")
        elif overlap(value.memory | value.maybe, written.memory | written.maybe):
            seen.doubts[f"`{name}` may share the memory through code that cannot be seen here"] = None

    def _origin(self, seen: Observation, memory: Memory, own: str) -> None:
        match memory.origin:
            case Origin.PARAMETER:
                seen.facts["parameter"] = memory.label
            case Origin.ATTRIBUTE if memory.label != own:
                add_hazard(seen, "escapes-to-attribute", f"`{memory.label}` holds the same tensor")
            case Origin.ATTRIBUTE if beside := self._beside(own):
                add_hazard(seen, "escapes-to-attribute", f"`{beside}` holds the same tensor")
            case Origin.ATTRIBUTE:
                seen.doubts[f"others may hold the tensor of `{own}`"] = None
            case Origin.GLOBAL if memory.label != own:
                add_hazard(seen, "closure", f"the tensor belongs to `{memory.label}` outside this function")
            case Origin.GLOBAL:
                seen.doubts[f"other functions may hold the tensor of `{own}`"] = None
            case Origin.FOREIGN:
                seen.doubts[f"the tensor comes from {memory.label}, which may hold on to it"] = None
            case Origin.EARLIER:
                seen.doubts["the tensor may be one of an earlier round of the loop"] = None

    def _beside(self, own: str) -> str | None:
        """Another attribute of this class that is bound to the tensor of one, perhaps in another method."""
        cls, inside = self.place.cls, own.startswith(f"{self.place.first_parameter}.")
        return beside_attributes.holder(cls.node, own) if cls is not None and inside else None

    def _binding(self, seen: Observation, place: Place, owner: ast.expr, target: ast.expr) -> None:
        if isinstance(owner, ast.Name):
            name = owner.id
            known = self.lookup(name)
            if not (known.sure == 3 or is_made(known)) and may_be_list(target, self.body, self.above):
                add_hazard(seen, "not-known-tensor", f"`{name}` may be a list of tensors")
            if name in self.captured and not self._is_read_late(seen, name):
                seen.doubts[read_by_functions(name)] = None
            if not self.binds(name):
                add_hazard(
                    seen, "closure", f"`{name}` belongs to an enclosing scope: binding it here would make it local"
                )
        elif place in (Place.ATTRIBUTE, Place.SUBSCRIPT, Place.SLOT, Place.VIEW):
            value = self.evaluate(owner)
            if beside_attributes.is_read_only(self.program.index.classes.values(), dotted(owner)):
                add_hazard(seen, "not-assignable", f"`{dotted(owner)}` is a property that nothing can be assigned to")
            if value.leaf or dotted(owner).rsplit(".", 1)[-1] in ("weight", "bias"):
                add_hazard(
                    seen,
                    "registered-parameter",
                    f"`{dotted(owner)}` is a parameter: a new tensor cannot take its place",
                )

    def _is_read_late(self, seen: Observation, name: str) -> bool:
        """True if nested functions find the new tensor where they would find the written one."""
        root = self.root
        alone = isinstance(root, ast.AugAssign) or (isinstance(root, ast.Expr) and root.value is seen.node)
        names = (self.lookup(one.id).kind for one in walk(root) if isinstance(one, ast.Name))
        plain = all(kind in (Kind.TENSOR, Kind.NUMBER, Kind.PATH) for kind in names) and calls_torch_alone(root)
        return alone and plain and is_computed_with(name, self.body, self.above)

    def _dtypes(self, seen: Observation, written: Value, value: Value | None) -> None:
        if value is None or value.kind in (Kind.NUMBER, Kind.NONE) or seen.op in KEEPS_DTYPE:
            seen.assumes |= {"one dtype": None} if may_be_tensor(seen.node, self.above) else {}
            return
        if value.live is not False:
            seen.facts["flows"] = True
        if value.kind is Kind.ARRAY:
            seen.facts["mixed"] = True
        elif written.sure < 3 and {value.width, written.width} <= {"?", ""} and sums_one_term(seen.node, self.body):
            seen.assumes |= {TERMS: None, "one dtype": None}
            return
        elif "?" in (value.width, written.width) or {value.width, written.width} == {"", "float32"}:
            seen.doubts["a dtype conversion reaches the operands: the plain form may promote"] = None
        elif value.tensor and value.width != written.width and value.dtype not in (Dtype.INT, Dtype.BOOL):
            seen.facts["mixed"] = True
        unknown = value.kind in (Kind.UNKNOWN, Kind.OTHER) and self.program.words.mixes
        if unknown:
            seen.doubts["the file names dtypes, and the operand may have any: the plain form may promote"] = None
        word = self.program.words.dtype_word
        if word is not None and not (value.sure == 3 and value.dtype in (Dtype.INT, Dtype.BOOL)):
            seen.doubts[f"the file uses `{word}`: the plain form may promote"] = None
        seen.assumes["one dtype"] = None

    def _layout_of(self, written: Value, place: Place, owner: ast.expr) -> Layout:
        """How the tensor lies that is bound anew: not the part of it that is written."""
        whole = self.lookup(owner.id) if isinstance(owner, ast.Name) else written
        return whole.layout if place in (Place.SUBSCRIPT, Place.VIEW) and whole.tensor else written.layout

    def _doubts(self, seen: Observation, written: Value, place: Place, owner: ast.expr) -> None:
        shown = not is_new_to_all(written, frozenset(self.state.escapes)) or self.program.words.hooked
        seen.facts["shown"] = shown or bool(seen.facts.get("shown"))
        for sentence in (*self.doubts, *self.program.around(seen)):
            seen.doubts[sentence] = None
        seen.gaps = seen.gaps or self._layout_of(written, place, owner) > Layout.DENSE
        rows = written.layout is Layout.ROWS and seen.op != "Tensor.copy_"  # what is copied has strides of its own
        turned = not (rows or keeps_layout(seen.op) or seen.rule == "FIP112") and self.program.words.sees_layouts
        seen.relaid = seen.relaid or (turned and not self.forgets(seen, place, owner))
        seen.renamed = seen.renamed or written.view or bool(seen.facts.get("family")) or not keeps_history(seen.op)
        if self.program.words.detaches and (seen.facts.get("family") or seen.rule == "FIP112"):
            seen.doubts["the file calls `detach_`, which takes no views, and the new tensor may be one"] = None
        if written.layout is Layout.SHARED and not (written.name == GRADIENT and keeps_layout(seen.op)):
            seen.doubts["several elements of the tensor may be one in memory (`expand`, `unfold`)"] = None
        if not written.memory:
            seen.doubts["where the tensor comes from is not known"] = None
        if written.leaf:
            seen.doubts["the tensor is a leaf that requires grad: torch raises at this write"] = None
        if self.unknown_contexts:
            seen.doubts["a context that cannot be seen into may change grad mode"] = None
        if self.unsettled:
            seen.doubts["the loop has too many states to follow"] = None
        if self.trying:
            seen.doubts["an error raised by the write may be handled here"] = None
        if written.live is None and seen.lives and seen.lives[-1] is None:
            seen.doubts["whether the tensor requires grad is not known"] = None

    def forgets(self, seen: Observation, place: Place, owner: ast.expr) -> bool:
        """True if nobody sees the strides of the tensor that is bound anew; see Note [Strides that nobody sees]."""
        if place is not Place.NAME or not isinstance(owner, ast.Name) or seen.facts.get("family"):
            return False
        if owner.id in self.captured or owner.id in self.declared or not self.binds(owner.id):
            return False
        start = 0 if self.loops else owner.lineno
        return forgets_strides(owner.id, self.body, start, self.above, self.torch_path)

    def torch_path(self, node: ast.expr) -> str:
        """The dotted name of a function or a module of torch; "" for others."""
        value = self.peek(node) if dotted(node) else NUMBER  # what is computed is none, and may be the write at hand
        return value.name if value.kind in (Kind.PATH, Kind.MODULE) else ""

    def finish_view(self, seen: Observation, written: Value, unread: Memories) -> None:
        """Mark a write through a view into what `x = x.clone()` has just made: the form that a rewrite may leave."""
        source = cast("Value | None", seen.facts.get("source"))
        base = source or written
        cloned = written.view and all(self.program.is_clone(memory.label) for memory in base.memory)
        self.finish(seen, base, unread if cloned else frozenset())

    def finish(self, seen: Observation, base: Value, unread: Memories) -> None:
        """Mark a store into storage that is fresh and unread as finished, unless an earlier visit says otherwise."""
        source = cast("Value | None", seen.facts.get("source"))
        held = (source or base).memory
        fresh = bool(held) and held <= unread
        seen.facts["finished"] = fresh and bool(seen.facts.get("finished", True))

    def note_free(self, seen: Observation, node: ast.Call, written: Value) -> None:
        """Mark a call that writes its first argument as free, unless another visit or call says otherwise."""
        kept = self.offered.get(id(node))
        free = kept is not None and self.is_free(written, kept) and reads_once(node)
        seen.facts["free"] = free and bool(seen.facts.get("free", True))

    def note_call(self, offset: int, node: ast.Call, argument: ast.expr | None, value: Value, whole: bool = True,
                  head: str | None = None) -> None:  # fmt: skip
        """An in-place module is called: what it does to its caller's tensor belongs to the flag's site; see `Call`."""
        self.program.ledger.unrepeatable()
        if self.deferring or argument is None:
            bundled = "what it is called with is not spelled out"
            self.program.note_use(
                offset, "a lambda calls it, with whatever that is given" if self.deferring else bundled
            )
            return
        seen = self.program.starting.get(offset)
        if seen is None:
            return
        whole, head = (False, None) if self.choosing else (whole, head)
        place, owner = self.place_of(argument)
        self.others(seen, value, owner, node)
        self.note_free(seen, node, value)
        if place is Place.NAME:
            self._binding(seen, place, owner, owner)
        part = self.program.part
        later = self.reads_after(node)
        self.settle(value)
        self.leave_behind(owner, later)
        usage = self.usage(node, owner)
        read = isinstance(owner, ast.Name) and owner.id in later and (whole or usage is not Usage.REBOUND)
        call = Call(part.span(node), self.root_span(), dotted(owner), place, usage, read, whole, head)
        seen.calls[call.span.start] = call
        self._doubts(seen, value, place, owner)
        if not self.grad and value.live is not False:
            seen.doubts["the module is called with grad mode off, and what it writes may be part of a graph"] = None


def shown(name: str) -> str:
    """A place's name without what tells classes of one name apart."""
    return re.sub(r"@\d+", "", name)


def _note(seen: Observation, mark: Escape) -> None:
    if mark.refusal is None:
        seen.doubts[mark.sentence], seen.keepers = None, seen.keepers | mark.keepers
    else:
        add_hazard(seen, mark.refusal, mark.sentence)
