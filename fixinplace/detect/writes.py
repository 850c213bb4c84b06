"""A write has been met: who else looks at the storage, is it autograd's business, can the name be bound."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from fixinplace import catalogue
from fixinplace.detect.frame import Observation
from fixinplace.detect.index import dotted
from fixinplace.detect.kinship import Kinship
from fixinplace.detect.links import chain, without_views
from fixinplace.detect.liveness import Names
from fixinplace.detect.mixing import keeps_history, keeps_layout
from fixinplace.detect.order import runs_first
from fixinplace.detect.values import NUMBER, Dtype, Kind, Layout, Memories, Memory, Origin, Value, join_live, overlap
from fixinplace.model import Call, Hazard, Holder, Place, Usage

_INITIALISERS = (
    "__init__",
    "reset_parameters",
    "init_weights",
    "_init_weights",
    "weights_init",
    "weight_init",
)
_PREFIXES = (
    "init_",
    "_init",
    "reset_param",
    "weights_init",
    "weight_init",
    "initialize",
    "_initialize",
    "_reset_param",
)
_STATISTICS = ("running_", "num_batches_tracked", "moving_mean", "moving_var")
_DETACHED = ("data", "grad")
_TURNS = tuple(f"Tensor.{name}_" for name in "t transpose swapaxes swapdims squeeze unsqueeze detach".split())
"""Writers of metadata after which the elements still lie next to each other."""
_MADE_ANEW = ("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109", "FIP112", "FIP113", "FIP114")
"""Rules whose rewrites make the other names of the tensor anew as well."""


def is_initialiser(name: str, computed: bool = False) -> bool:
    """True for functions that set up parameters, by the names that the field gives them.

    computed: what is written was computed there from what requires grad: a state that is begun, no parameter.
    """
    last = name.rsplit(".", 1)[-1]
    if last in _INITIALISERS:
        return True
    return not computed and (last == "reset" or last.startswith(_PREFIXES) or last.endswith("_init"))


class Writes(Kinship):
    """Records writes with their hazards and doubts."""

    def write(self, node: ast.expr | ast.stmt, op: str, rule: str, target: ast.expr, written: Value,
              value: Value | None = None) -> Observation:  # fmt: skip
        """Note that `node` writes the tensor that `target` evaluates to; `value` is what is written."""
        if rule == "FIP113" and value is not None and not value.tensor:
            value = NUMBER  # the bounds of random numbers pass no gradient on
        if value is not None and value.live and self.keeps_state(written):
            value = replace(value, live=None)
        place, owner = self.place_of(target)
        text = self.program.part.slice(self.program.part.span(owner))
        seen = self._observation(node, rule, op, text)
        seen.sure = min(seen.sure, written.sure)
        self._roles(seen, target, written, value)
        later = self.reads_after(node)
        kin = self.kin(owner, later) if rule in _MADE_ANEW else {}
        self.others(seen, self.with_kin(written, kin), owner, node, kin)
        self.note_family(seen, owner, kin)
        self.leave_behind(owner, later)
        self._binding(seen, place, owner)
        self._dtypes(seen, written, value)
        self._doubts(seen, written, place, owner)
        if place in (Place.NAME, Place.VIEW) and value is not None and self._reads_itself(node, target, written, value):
            seen.doubts["it reads other parts of the memory that it writes, in an order that torch leaves open"] = None
        link = chain(target, self) if place is Place.VIEW else None
        seen.facts |= {
            "key": self.place.key,
            "place": place,
            "part": place is Place.SUBSCRIPT and chain(target, self) is not None,
            "through": link.steps if link is not None else (),
            "usage": self.usage(node, owner),
            "read_later": bool(seen.facts.get("read_later")) or (isinstance(owner, ast.Name) and owner.id in later),
            "in_loop": not self.is_made_here([written]) or bool(seen.facts.get("in_loop")),
            "first": not isinstance(node, ast.expr) or runs_first(node, self.root, text),
            "torch": self.torch_name(),
        }
        if rule in ("FIP111", "FIP112"):
            self.state.masks = {}  # another name of the tensor may be the one that a mask was made from
            self.turn(written.memory, Layout.DENSE if seen.op in _TURNS else Layout.GAPS)
            self.state.links = without_views(self.state.links, dotted(owner).partition(".")[0])
        if value is not None and not set(self._detaching(target)):
            self.wrote(written, value.live)
        return seen

    def _reads_itself(self, node: ast.AST, target: ast.expr, written: Value, value: Value) -> bool:
        """True if the write may read elements of its own tensor other than the one that it writes just then."""
        if not (written.view or value.view) or not overlap(written.memory, value.memory):
            return False
        read = node.args if isinstance(node, ast.Call) else [node.value] if isinstance(node, ast.AugAssign) else []
        return any(ast.unparse(one) != ast.unparse(target) and not self.fit_together(one, target) for one in read)

    def _observation(self, node: ast.expr | ast.stmt, rule: str, op: str, text: str) -> Observation:
        span = self.program.part.span(node)
        key = (span.start, span.end, op)
        if key not in self.program.observed:
            self.program.observed[key] = Observation(node, self.root, rule, op, text, shown(self.place.name))
        return self.program.observed[key]

    def reads_after(self, node: ast.AST) -> Names:
        """Names that may be read once the write has happened, in the same statement or later."""
        if isinstance(node, ast.AugAssign) or self.root is node:
            return self.later
        inside = {id(n) for n in ast.walk(node)}
        same = (n for n in ast.walk(self.root) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
        if isinstance(node, ast.Subscript):
            return self.later
        return self.later | frozenset(n.id for n in same if id(n) not in inside)

    def usage(self, node: ast.AST, owner: ast.expr) -> Usage:
        """What becomes of the value of an in-place call; STATEMENT where there is none."""
        root = self.root
        if not isinstance(node, ast.Call) or (isinstance(root, ast.Expr) and root.value is node):
            return Usage.STATEMENT
        if isinstance(root, ast.Assign) and root.value is node and len(root.targets) == 1:
            name = dotted(root.targets[0])
            if name and name == dotted(owner):
                return Usage.REBOUND
        return Usage.VALUE

    def torch_name(self) -> str | None:
        """The name under which torch itself can be reached here."""
        for names in (self.state.names, self.program.globals):
            for name, value in names.items():
                if value.kind is Kind.PATH and value.name == "torch" and self.lookup(name) == value:
                    return name
        return None

    def _roles(self, seen: Observation, target: ast.expr, written: Value, value: Value | None) -> None:
        """Not ours: no autograd operation, or one that is meant to be in place."""
        lives = [written.live, value.live if value is not None else False]
        live = join_live(iter(lives)) if written.dtype not in (Dtype.INT, Dtype.BOOL) else False
        seen.lives.append(None if live and self.seldom_on else live)
        cls = self.place.cls
        if not self.grad:
            _add(seen, "no-grad", "grad mode is off here: the write is no autograd operation")
        elif is_initialiser(self.place.name, is_local(written.memory) and live is True and not written.leaf):
            _add(seen, "initialiser", "an initialiser sets up values before autograd looks at them")
        elif self.place.updates or (cls and self.program.index.updates(cls.name)):
            _add(seen, "optimizer", "an optimizer updates its parameters in place by design")
        elif set(self._detaching(target)):
            self._detached(seen, target)
        elif any(part.startswith(_STATISTICS) for part in _attributes(target)):
            _add(seen, "running-statistics", "running statistics are kept in place by design")
        elif seen.rule == "FIP112" and seen.op in ("Tensor.requires_grad_", "Tensor.share_memory_"):
            _add(seen, "untracked", "no element of the tensor is written")

    def _detached(self, seen: Observation, target: ast.expr) -> None:
        parts = list(self._detaching(target))
        base = self.root_value(target)
        used = base is not None and base.tensor and base.live is not False
        cls, method = self.place.cls, self.place.name.split(".")[1:2]
        index = self.program.index
        module = cls is not None and index.is_module(cls.name) and index.runs_in_forward(cls.name, *method)
        random = seen.rule == "FIP113"
        if "grad" in parts:
            _add(seen, "optimizer", "a gradient is written, which autograd does not record")
        elif random:
            _add(seen, "initialiser", "random numbers are put in past autograd")
        elif "data" in parts and (module or (used and base is not None and is_local(base.memory))):
            seen.rule, seen.lives[-1] = "FIP111", True if used else None
            sentence = "a write through `.data` changes state that autograd does not see; what it means is the author's"
            _add(seen, "state-update", f"{sentence} to say: use a new tensor, or `torch.no_grad()` outside of forward")
        else:
            _add(seen, "detached", "the write goes past autograd on purpose")

    def _detaching(self, node: ast.expr) -> Iterator[str]:
        """`data` and `grad` on the way to the target, unless a class of this file calls an attribute of its own so."""
        match node:
            case ast.Call(func=ast.Attribute(attr=attr)) if _gives_new(attr):
                return
            case ast.Attribute(value=value, attr=attr):
                yield from self._detaching(value)
                name = "data" if attr == "detach" else attr
                if name in _DETACHED and (attr == "detach" or not self._is_own(value, attr)):
                    yield name
            case ast.Subscript(value=value) | ast.Call(func=value):
                yield from self._detaching(value)

    def _is_own(self, owner: ast.expr, attr: str) -> bool:
        name = self.evaluate(owner).name
        return name in self.program.index.classes and self.program.index.attribute(name, attr) is not None

    def root_value(self, target: ast.expr) -> Value | None:
        """The value at the root of a chain of attributes, calls and subscripts, `self.w` for `self.w.data[0]`."""
        match target:
            case ast.Attribute(value=ast.Name(id=name)) if name == self.place.first_parameter:
                return self.evaluate(target)
            case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Call(func=value):
                return self.root_value(value)
            case ast.Name():
                return self.evaluate(target)
        return None

    def others(self, seen: Observation, written: Value, owner: ast.expr, node: ast.AST,
                kin: Mapping[str, Holder] | None = None) -> None:  # fmt: skip
        """Everybody else who may look at the storage and is read later; `kin` can be made anew."""
        own = dotted(owner)
        later = self.reads_after(node)
        for name, value in self.state.names.items():
            if kin and name in kin and kin[name].live:
                continue
            if name != own and name in later | self.captured and self.is_holder(value):
                self._shared(seen, name, value, written)
            elif name != own and self.place.name == "<module>" and overlap(value.memory, written.memory):
                seen.doubts[f"`{name}` is a name of the module, which others can import"] = None
        for name, value in self.state.attrs.items():
            if name != own and name not in (kin or ()) and overlap(value.memory, written.memory):
                _add(seen, "escapes-to-attribute", f"`{name}` holds the same tensor")
        if overlap(self.iterating, written.memory) and not written.iterated:
            _add(seen, "loop-variable", "a loop is going over rows of the same tensor")
        for memory in written.memory:
            for held, marks in self.state.escapes.items():
                for mark in sorted(marks, key=lambda m: m.sentence) if memory.overlaps(held) else ():
                    if mark.sentence in {f"`{name}` holds it" for name in (own, *(kin or ()))}:
                        continue
                    _note(seen, mark.refusal, mark.sentence)
            self._origin(seen, memory, own)
        for memory in written.maybe:
            seen.doubts[f"the tensor may be the one that was passed in as {memory.label}"] = None

    def is_holder(self, value: Value) -> bool:
        """True for values through which a tensor can be seen."""
        return value.tensor or value.kind in (Kind.LIST, Kind.DICT, Kind.UNKNOWN, Kind.OTHER, Kind.ARRAY)

    def _shared(self, seen: Observation, name: str, value: Value, written: Value) -> None:
        if overlap(value.memory, written.memory):
            if written.iterated:
                refusal, how = "loop-variable", "is what the loop iterates over, and the write reaches it"
                seen.facts["rows_of"] = cast("frozenset[str]", seen.facts.get("rows_of", frozenset())) | {name}
            elif not value.tensor:
                refusal, how = "container-slot", "holds the same tensor"
            else:
                view = value.view or written.view
                refusal, how = ("live-view", "shares its memory") if view else ("live-alias", "is the same tensor")
            _add(seen, refusal, f"`{name}` {how} and is read later")
        elif overlap(value.memory | value.maybe, written.memory | written.maybe):
            seen.doubts[f"`{name}` may share the memory through code that cannot be seen here"] = None

    def _origin(self, seen: Observation, memory: Memory, own: str) -> None:
        match memory.origin:
            case Origin.PARAMETER:
                seen.facts["parameter"] = memory.label
            case Origin.ATTRIBUTE if memory.label != own:
                _add(seen, "escapes-to-attribute", f"`{memory.label}` holds the same tensor")
            case Origin.ATTRIBUTE:
                seen.doubts[f"others may hold the tensor of `{own}`"] = None
            case Origin.GLOBAL if memory.label != own:
                _add(seen, "closure", f"the tensor belongs to `{memory.label}` outside this function")
            case Origin.GLOBAL:
                seen.doubts[f"other functions may hold the tensor of `{own}`"] = None
            case Origin.FOREIGN:
                seen.doubts[f"the tensor comes from {memory.label}, which may hold on to it"] = None
            case Origin.EARLIER:
                seen.doubts["the tensor may be one of an earlier round of the loop"] = None

    def _binding(self, seen: Observation, place: Place, owner: ast.expr) -> None:
        if isinstance(owner, ast.Name):
            name = owner.id
            if name in self.captured:
                seen.doubts[f"a nested function reads `{name}`"] = None
            if not self.binds(name):
                _add(seen, "closure", f"`{name}` belongs to an enclosing scope: binding it here would make it local")
        elif place in (Place.ATTRIBUTE, Place.SUBSCRIPT, Place.VIEW):
            value = self.evaluate(owner)
            if value.leaf or dotted(owner).rsplit(".", 1)[-1] in ("weight", "bias"):
                _add(
                    seen,
                    "registered-parameter",
                    f"`{dotted(owner)}` is a parameter: a new tensor cannot take its place",
                )

    def _dtypes(self, seen: Observation, written: Value, value: Value | None) -> None:
        if value is None or value.kind in (Kind.NUMBER, Kind.NONE):
            return
        if value.kind is Kind.ARRAY:
            seen.facts["mixed"] = True
        elif "?" in (value.width, written.width) or {value.width, written.width} == {"", "float32"}:
            seen.doubts["a dtype conversion reaches the operands: the plain form may promote"] = None
        elif value.tensor and value.width != written.width and value.dtype not in (Dtype.INT, Dtype.BOOL):
            seen.facts["mixed"] = True
        if self.program.dtype_word is not None and not (value.sure == 3 and value.dtype in (Dtype.INT, Dtype.BOOL)):
            seen.doubts[f"the file uses `{self.program.dtype_word}`: the plain form may promote"] = None
        seen.assumes["one dtype"] = None

    def _layout_of(self, written: Value, place: Place, owner: ast.expr) -> Layout:
        """How the tensor lies that is bound anew: not the part of it that is written."""
        whole = self.lookup(owner.id) if isinstance(owner, ast.Name) else written
        return whole.layout if place in (Place.SUBSCRIPT, Place.VIEW) and whole.tensor else written.layout

    def _doubts(self, seen: Observation, written: Value, place: Place, owner: ast.expr) -> None:
        for sentence in (*self.doubts, *self.program.whole_file_doubts):
            seen.doubts[sentence] = None
        seen.gaps = seen.gaps or self._layout_of(written, place, owner) > Layout.DENSE
        ordered = written.layout is Layout.ROWS or keeps_layout(seen.op) or seen.rule == "FIP112"
        seen.relaid = seen.relaid or (self.program.sees_layouts and not ordered)
        seen.renamed = seen.renamed or written.view or bool(seen.facts.get("family")) or not keeps_history(seen.op)
        if self.program.detaches and (seen.facts.get("family") or seen.rule == "FIP112"):
            seen.doubts["the file calls `detach_`, which takes no views, and the new tensor may be one"] = None
        if written.layout is Layout.SHARED:
            seen.doubts["several elements of the tensor may be one in memory (`expand`, `unfold`)"] = None
        if not written.memory and place is not Place.TEMPORARY:
            seen.doubts["where the tensor comes from is not known"] = None
        if written.leaf:
            seen.doubts["the tensor is a leaf that requires grad: torch raises at this write"] = None
        if self.unknown_contexts:
            seen.doubts["a context that cannot be seen into may change grad mode"] = None
        if self.unsettled:
            seen.doubts["the loop has too many states to follow"] = None
        if self.trying:
            seen.doubts["an error raised by the write may be handled here"] = None
        if written.live is None and seen.lives[-1] is None:
            seen.doubts["whether the tensor requires grad is not known"] = None

    def finish_view(self, seen: Observation, written: Value, unread: Memories) -> None:
        """Mark a write through a view into what `x = x.clone()` has just made: the form that a rewrite may leave."""
        cloned = written.view and all(memory.label in self.program.clones for memory in written.memory)
        self.finish(seen, written, unread if cloned else frozenset())

    def finish(self, seen: Observation, base: Value, unread: Memories) -> None:
        """Mark a store into storage that is fresh and unread as finished, unless an earlier visit says otherwise."""
        fresh = bool(base.memory) and base.memory <= unread
        seen.facts["finished"] = fresh and bool(seen.facts.get("finished", True))

    def note_call(self, offset: int, node: ast.Call, argument: ast.expr | None, value: Value, whole: bool = True,
                  head: str | None = None) -> None:  # fmt: skip
        """An in-place module is called: what it does to its caller's tensor belongs to the flag's site; see `Call`."""
        seen = next((s for (start, _, _), s in self.program.observed.items() if start == offset), None)
        if seen is None or argument is None:
            return
        place, owner = self.place_of(argument)
        self.others(seen, value, owner, node)
        if place is Place.NAME:
            self._binding(seen, place, owner)
        part = self.program.part
        later = self.reads_after(node)
        self.leave_behind(owner, later)
        read = isinstance(owner, ast.Name) and owner.id in later
        call = Call(part.span(node), self.root_span(), dotted(owner), place, self.usage(node, owner), read, whole, head)
        seen.calls[call.span.start] = call
        for sentence in (*self.doubts, *self.program.whole_file_doubts):
            seen.doubts[sentence] = None


def shown(name: str) -> str:
    """A place's name without what tells classes of one name apart."""
    return re.sub(r"@\d+", "", name)


def _add(seen: Observation, refusal: str, sentence: str) -> None:
    seen.hazards.setdefault(refusal, Hazard(refusal, sentence))


def _note(seen: Observation, refusal: str | None, sentence: str) -> None:
    if refusal is None:
        seen.doubts[sentence] = None
    else:
        _add(seen, refusal, sentence)


def _gives_new(method: str) -> bool:
    """True for methods whose result shares no memory with their tensor: `x.data.new(3)`, `x.data.clone()`."""
    row = catalogue.result(f"Tensor.{method}")
    return method == "new" or (row is not None and row.memory is catalogue.Memory.FRESH)


def _attributes(node: ast.expr) -> Iterator[str]:
    """Names of the attributes and methods on the way from the root of an expression to its end."""
    match node:
        case ast.Attribute(value=value, attr=attr):
            yield from _attributes(value)
            yield "data" if attr == "detach" else attr
        case ast.Subscript(value=value) | ast.Call(func=value):
            yield from _attributes(value)


def is_local(memory: Memories) -> bool:
    """True if all these storages were made in the function at hand, in this round of its loops."""
    return bool(memory) and all(m.origin is Origin.ALLOCATED for m in memory)
