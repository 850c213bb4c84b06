"""The state of one function while it is read: names, what escaped, and where we are."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from fixinplace.detect.assumed import NOTHING
from fixinplace.detect.changed import lit, moved, turned
from fixinplace.detect.given import class_made
from fixinplace.detect.growing import as_handed, in_doubt, is_called, unsettled
from fixinplace.detect.identity import read_by_functions
from fixinplace.detect.index import ClassInfo
from fixinplace.detect.keepers import keepers_at
from fixinplace.detect.kinds import Kind, Layout, Origin
from fixinplace.detect.links import without
from fixinplace.detect.liveness import Function, Names
from fixinplace.detect.making import growing, in_the_making
from fixinplace.detect.program import HELD, Key, Program
from fixinplace.detect.replacing import replace
from fixinplace.detect.state import Escape, Opening, State
from fixinplace.detect.surroundings import Words
from fixinplace.detect.texts import is_shown
from fixinplace.detect.usage import is_data, is_size
from fixinplace.detect.values import NOWHERE, UNKNOWN, Memories, Memory, Value, limited, may_have_gaps
from fixinplace.model import Keeper, Span
from fixinplace.walking import every, functions, remembered


def _is_text(value: Value) -> bool:
    """True for a parameter that by its name is a text: `name`, `file_path`, `mode`."""
    labels = {memory.label for memory in value.memory | value.maybe if memory.origin is Origin.PARAMETER}
    unsure = value.kind is Kind.UNKNOWN or (value.tensor and value.sure < 3)
    return unsure and bool(labels) and all(label.rstrip("s").endswith(_TEXTS) for label in labels)


def _is_file(node: ast.AST) -> bool:
    """True for `{filename}`, by which no tensor goes."""
    shown = node.value if isinstance(node, ast.FormattedValue) else None
    return isinstance(shown, ast.Name) and shown.id.endswith(("name", "path", "file", "folder", "dir", "url"))


def _is_handed_in(value: Value) -> bool:
    """True for a parameter that nothing here passes a tensor for, nor uses as one: `str(port)`."""
    held = value.memory | value.maybe
    return value.kind is Kind.UNKNOWN and bool(held) and all(one.origin is Origin.PARAMETER for one in held)


def _names_text(node: ast.AST, tree: ast.Module) -> bool:
    """True for `{filename}`, and for `{self.channels}`, which only constructors set: what they are given is a leaf."""
    shown = node.value if isinstance(node, ast.FormattedValue) else None
    while isinstance(shown, ast.Subscript):
        shown = shown.value
    match shown:
        case ast.Name(id=name):
            return name.rstrip("s").endswith(_TEXTS)
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name.rstrip("s").endswith(_TEXTS) or name not in stored_later(tree)
    return False


@remembered
def stored_later(tree: ast.Module) -> frozenset[str]:
    """Attributes that something else than a constructor sets, or puts something into."""
    filled = {one.value.attr for one in every(tree, ast.Subscript)
              if isinstance(one.value, ast.Attribute) and not isinstance(one.ctx, ast.Load)}  # fmt: skip
    for call in every(tree, ast.Call):
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Attribute):
            filled |= {call.func.value.attr} if call.func.attr in _FILLS else set()
    first = {id(one) for each in functions(tree) if each.name == "__init__" for one in every(each, ast.Attribute)}
    stored = (one for one in every(tree, ast.Attribute) if not isinstance(one.ctx, ast.Load))
    return frozenset(filled | {one.attr for one in stored if id(one) not in first})


_FILLS = ("append", "appendleft", "extend", "update", "add", "insert", "setdefault")


_TEXTS = ("name", "path", "file", "folder", "dir", "key", "mode", "url", "prefix", "suffix", "msg", "message", "_id",
          "text", "string", "kind", "type")  # fmt: skip


@dataclass
class Place:
    """Where a frame stands in the class and function structure."""

    name: str
    key: Key
    cls: ClassInfo | None = None
    first_parameter: str = ""
    parameters: Names = frozenset()
    updates: bool = False


class Frame(ABC):
    """One function body being read; subclasses add expressions, calls, writes and statements."""

    def __init__(self, program: Program, place: Place, body: list[ast.stmt], state: State, grad: bool = True) -> None:
        self.program = program
        self.place = place
        self.body = body
        self.state = state
        self.grad = grad
        self.loops = 0
        self.loop_start = 0
        self.opening: Opening | None = None
        self.trying = 0
        self.offered: dict[int, Memories] = {}
        """For each call, what had been read before its first argument was handed to it."""
        self.failing = False
        self.deferring = False
        self.choosing = False
        """One of several modules is called, and nothing may be done that is right for one of them alone."""
        self.unknown_contexts = 0
        self.unsettled = False
        self.interleaved: Memories = NOWHERE
        self.breaks: list[State] = []
        self.continues: list[State] = []
        self.watchers: list[list[State]] = []
        self.finals = 0
        self.iterating: Memories = NOWHERE
        self.root: ast.AST = body[0] if body else ast.Pass()
        self.later: Names = frozenset()
        self.shape = shape = program.anatomy(body, place.name == "<module>")
        self.liveness, self.above = shape.liveness, shape.above
        self.captured, self.declared, self.doubts = shape.captured, shape.declared, shape.doubts
        self.locals = (place.parameters | shape.stored) - shape.declared
        self.returned: list[Value] = []
        made = (body if place.key[1] == "__init__" else [], place.first_parameter, program.above, program.tree)
        self.making, self.growing = in_the_making(*made), growing(*made)
        self.assumed = NOTHING
        self.kept: set[str] = set()
        self.keepers: dict[str, frozenset[Keeper]] = {}
        self.held: Memories = NOWHERE
        self.into: dict[str, bool | None] = {}
        self.seldom_on = False
        self.nested: dict[str, Function] = {}
        self.shadowed: Names = frozenset()

    @abstractmethod
    def store_attribute(self, target: ast.Attribute, value: Value) -> None:
        """`base.attr = value`."""

    @abstractmethod
    def new_module(self, path: str, arguments: list[Value]) -> Value:
        """An instance of a class of `torch.nn`."""

    @abstractmethod
    def evaluate(self, node: ast.expr) -> Value:
        """The abstract value of an expression; records the writes inside it."""

    @abstractmethod
    def set_attribute(self, owner: str, attr: str, value: Value) -> None:
        """Remember what an attribute may hold."""

    @abstractmethod
    def rebound(self, name: str, value: Value) -> None:
        """Note that a name of an enclosing scope stands for another value from now on."""

    def leaves_early(self) -> bool:
        """True if a constructor may end before its last line, with fewer parts."""
        return any(every(one, ast.Return) for one in self.body)

    def peek(self, node: ast.expr) -> Value:
        """Evaluate what is going to be written: that is no read."""
        unread, kept = self.state.unread, self.state.kept
        value = self.evaluate(node)
        self.state.unread |= unread
        if isinstance(node, ast.Name):
            self.state.kept = kept
        return value

    def perhaps(self, node: ast.expr) -> Value:
        """The value of an expression that may be left out: what it binds may not have been bound."""
        before = self.state.copy()
        value = self.evaluate(node)
        self.state = before.join(self.state)
        return value

    def root_span(self) -> Span:
        """Span of the statement, or of the header expression, that is being read."""
        root = self.root
        assert isinstance(root, (ast.expr, ast.stmt))
        return self.program.part.span(root)

    def is_builtin(self, name: str) -> bool:
        """True for a name that nobody in the file binds."""
        index = self.program.index
        own = name in index.functions or name in index.classes or name in index.rebound or name in self.program.globals
        return not (own or name in self.locals or name in self.shadowed or name in self.nested)

    def is_made_here(self, values: list[Value]) -> bool:
        """True if the values' storages are made anew whenever this place is reached: what is cut apart is cut once."""
        if not self.loops:
            return True
        return all(map(self.is_of_round, (m for v in values for m in v.memory)))

    def is_of_round(self, memory: Memory) -> bool:
        """True for what was allocated since the body of the innermost loop began."""
        start = int(memory.label.partition("@")[2].partition(":")[0] or 0)
        return memory.origin is Origin.ALLOCATED and start >= self.loop_start

    def allocate(self, node: ast.AST, part: str = "") -> Memories:
        """The storage that `node` allocates; see Note [Memory] for what happens to its earlier ones."""
        offset = self.program.part.span(node).start if isinstance(node, (ast.expr, ast.stmt)) else 0
        memory = Memory(Origin.ALLOCATED, f"{self.place.name}@{offset}:{getattr(node, 'end_col_offset', 0)}{part}")
        if memory.label not in self.program.labels:  # nobody can have an earlier one
            self.program.labels.add(memory.label)
            return frozenset((memory,))
        self.state.pass_by(memory.label)
        return frozenset((memory,))

    def is_free(self, value: Value, kept: Memories) -> bool:
        """True if nothing keeps the value's storage for backward, and nobody has read it; see Note [Free writes].

        kept: what had been read before the write began.
        """
        made = all(memory.origin is Origin.ALLOCATED for memory in value.memory) and value.memory <= self.state.quiet
        return bool(value.memory) and made and not value.maybe and not value.memory & kept

    def escape(
        self, value: Value, refusal: str | None, sentence: str, by: ast.expr | frozenset[Keeper] | None = None
    ) -> None:
        """Note that somebody outside the function's names may hold the value's storage from now on.

        by: the call or the target of the store that it is handed to, or what is known of it.
        """
        if sentence != HELD and may_have_gaps(value):
            self.program.note(Words(sees_copies=True))
        held = value.memory | value.maybe
        if not held:
            return
        self.held |= held
        if isinstance(by, ast.expr):
            by = keepers_at(by, sentence, self.program.part, self.above, self.locals)
        keepers = frozenset(replace(each, doubt=sentence) for each in by or ())
        mark, escapes = frozenset((Escape(refusal, sentence, keepers),)), self.state.escapes
        for memory in held:
            escapes[memory] = escapes.get(memory, frozenset()) | mark
            if memory.origin is Origin.PARAMETER:
                self.kept.add(memory.label)
                self.keepers[memory.label] = self.keepers.get(memory.label, frozenset()) | keepers

    def told(self, values: Iterable[Value], node: ast.AST) -> None:
        """Note that values are turned into text: a tensor with a history prints the name of its last operation.

        So does an object or a container that holds one: a dataclass prints its fields.  node: what makes the text;
        see Note [Names of operations].
        """
        named = _names_text(node, self.program.tree)
        for value in () if self.failing else values:
            if named and (value.kind is Kind.UNKNOWN or (value.tensor and value.sure < 3 and _is_file(node))):
                continue
            tracked = value.kind in (Kind.TENSOR, Kind.UNKNOWN) and value.live is not False and not _is_text(value)
            own = value.kind is Kind.OTHER and value.name in self.program.index.classes
            unfollowed = value.kind in (Kind.LIST, Kind.DICT) and not value.items and not value.exact
            if own or unfollowed or (tracked and (value.memory or value.maybe)):
                shown = is_shown(node, self.program.above) and not self.program.caught
                shown = shown or (not own and _is_handed_in(value))
                self.program.note(Words(tells_history=not shown, shows_history=shown))
            self.told(value.items, node)

    def read(self, value: Value) -> Value:
        """Note that the value is used: its storage is no longer freshly made and unseen."""
        self.state.unread -= value.memory
        self.state.kept |= value.memory
        return value

    def lookup(self, name: str) -> Value:
        """The value of a name: local, enclosing, global, or unknown."""
        if name in self.state.names:
            value = self.state.names[name]
            shared = name in self.captured or name not in self.locals
            value = unsettled(value) if name in self.declared and is_called(value) else value
            if value.kind is Kind.LIST or value.kind is Kind.DICT:
                value = as_handed(value, name, self.program.tree)
            return self.program.as_written(value, name) if shared else value
        known = self.program.global_value(name)
        if known is None:
            makes = name in self.program.index.functions and class_made(self.program, name)
            return makes or UNKNOWN
        value = self.program.as_written(known, name)
        if value.kind in (Kind.LIST, Kind.DICT, Kind.MODULE, Kind.PATH):
            value = in_doubt(value, name, self.program.tree)
        return moved(value, Memory(Origin.GLOBAL, name)) if value.tensor or value.items else value

    def bind(self, name: str, value: Value) -> None:
        """Bind a name; what grad mode off computes does not require grad."""
        if name in self.declared:
            self.rebound(name, value)
        if name in self.declared and value.memory:
            by = self.root.targets[0] if isinstance(self.root, ast.Assign) else None
            self.escape(value, None, f"`{name}` belongs to an enclosing scope", by)
        if name in self.captured and (value.memory or value.maybe):
            self.escape(value, None, read_by_functions(name))
        value = limited(value)
        if value.tensor and value.live and (is_size(name) if value.sure == 2 else value.sure == 1 and is_data(name)):
            value = replace(value, live=None)  # what an unseen function gave for a mask, or a size, may well be one
        self.forget_shape(name)
        self.state.links = without(self.state.links, name)
        new = value.tensor and all(m.origin is Origin.ALLOCATED for m in value.memory)
        self.state.names[name] = replace(value, live=False) if new and not self.grad and not value.leaf else value

    def note_shape(self, mask: str, of: str) -> None:
        """The name `mask` is bound to a boolean tensor of the shape of `of`, unless others may bind one of them."""
        if mask != of and not {mask, of} & (self.captured | self.declared):
            self.state.masks[mask] = of

    def forget_shape(self, name: str) -> None:
        """The name may stand for a tensor of another shape from now on."""
        self.state.masks = {k: v for k, v in self.state.masks.items() if name not in (k, v)}

    def turn(self, memory: Memories, layout: Layout) -> None:
        """The shape or the strides of a tensor in these storages were changed."""
        for names in (self.state.names, self.state.attrs):
            for name, value in names.items():
                names[name] = turned(value, memory, layout)

    def make_live(self, memory: Memories, live: bool | None, leaf: bool = False) -> None:
        """What was written into these storages requires grad, or may: so does whoever looks at them from now on."""
        for names in (self.state.names, self.state.attrs):
            for name, value in names.items():
                names[name] = lit(value, memory, live, leaf)
