"""What all functions of one file share while it is read, and what was seen at its sites."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from fixinplace.detect.anatomy import Anatomy, anatomy
from fixinplace.detect.changed import with_gradient
from fixinplace.detect.identity import sees_place
from fixinplace.detect.index import Index
from fixinplace.detect.kinds import Kind
from fixinplace.detect.liveness import Names
from fixinplace.detect.quiet import Fresh
from fixinplace.detect.replacing import replace
from fixinplace.detect.summary import Summary
from fixinplace.detect.surroundings import Surroundings, Words
from fixinplace.detect.texts import is_caught
from fixinplace.detect.values import NOWHERE, Value, join, join_live
from fixinplace.model import Call, Edit, Hazard, Keeper
from fixinplace.source import Text


@dataclass
class Observation:
    """What the visits to one site saw, merged; the last word of each field is given in `sites.build`."""

    node: ast.AST
    root: ast.AST
    rule: str
    op: str
    target: str
    function: str
    sure: int = 3
    lives: list[bool | None] = field(default_factory=list)
    hazards: dict[str, Hazard] = field(default_factory=dict)
    doubts: dict[str, None] = field(default_factory=dict)
    keepers: set[Keeper] = field(default_factory=set)
    assumes: dict[str, None] = field(default_factory=dict)
    calls: dict[int, Call] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    gaps: bool = False
    """The tensor's elements do not lie next to each other, as those of a new one do."""
    relaid: bool = False
    """The out-of-place form may lay its result out otherwise, and the file uses what depends on that."""
    renamed: bool = False
    """The node that the out-of-place form leaves in the graph has another name."""


_Told = TypeVar("_Told")
Key = tuple[str, str]
"""Class name ("" for functions of the module) and function name."""
HELD = "a container holds it"
USED = "it is used in a way that may hold on to it"
"""What is in a container is followed: nobody out of sight has it yet."""


_APART = 5
"""Rounds that forget what the ones before them have learnt."""


def _covering(before: Mapping[str, Value], now: Mapping[str, Value]) -> dict[str, Value]:
    """What names stand for now, or stood for before."""
    return {name: join(before[name], value) if name in before else value for name, value in now.items()}


@dataclass
class Program:
    """What all frames of one file share."""

    part: Text
    tree: ast.Module
    index: Index
    surroundings: Surroundings
    piece: int = -1
    """The piece of the file that is being read; see Note [Pieces of a file]."""
    globals: dict[str, Value] = field(default_factory=dict)
    summaries: dict[Key, Summary] = field(default_factory=dict)
    arguments: dict[Key, dict[str, Value]] = field(default_factory=lambda: defaultdict(dict))
    earlier: dict[Key, dict[str, Value]] = field(default_factory=dict)
    modes_before: dict[Key, set[bool]] = field(default_factory=dict)
    learnt: object = None
    rounds: int = 0
    exposed: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    lookers: dict[Key, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Callers that certainly read elements of what they have passed for a parameter."""
    """Parameters whose arguments somebody may look at after a call in this file."""
    handed: dict[Key, dict[str, dict[int, Call | None]]] = field(default_factory=lambda: defaultdict(dict))
    """The calls by parameter and position; None for one that cannot bind a new tensor to what it passes."""
    hands: dict[Key, dict[str, tuple[Edit, ...]]] = field(default_factory=dict)
    """Parameters that a function returns, or could, with the edits that make it do so."""
    beside: dict[Key, dict[str, tuple[Edit, ...]]] = field(default_factory=dict)
    """Parameters that a function could return beside its value; see Note [Beside the value]."""
    modes: dict[Key, set[bool]] = field(default_factory=lambda: defaultdict(set))
    observed: dict[tuple[int, int, str], Observation] = field(default_factory=dict)
    starting: dict[int, Observation] = field(default_factory=dict)
    """The first observation at each offset."""
    flag_uses: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    placed: dict[int, set[Fresh]] = field(default_factory=lambda: defaultdict(set))
    """Whether what stands before an in-place part of a Sequential makes its argument; see Note [Inner modules]."""
    placed_before: dict[int, set[Fresh]] = field(default_factory=dict)
    gives: set[str] = field(default_factory=set)
    """What is assumed of modules of classes that are passed in, where one is called; see Note [Given modules]."""
    trusts: bool = False
    """A function that others may call was read as one that is given what this file gives it."""
    hopes: bool = False
    """A function was read before its callers, see Note [Read before its callers] in `parameters.py`."""
    early: set[Key] = field(default_factory=set)
    """Functions that were called before they were read, see the same note."""
    reading: Key | None = None
    supposes: bool | None = None
    """What is being read supposes something of modules of its own class; see Note [Own kind] in `own_kind.py`."""
    written: dict[str, bool | None] = field(default_factory=dict)
    read_by_functions: Names = frozenset()
    clones: set[str] = field(default_factory=set)
    """Labels of the storages that `x = x.clone()` makes."""
    labels: set[str] = field(default_factory=set)
    """Labels of all storages that the file's places have allocated."""
    above: Mapping[int, ast.AST] = field(default_factory=dict)
    """Parent of every node, by identity."""
    anatomies: dict[int, Anatomy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = self.index.ledger
        self.caught = is_caught(self.part.text)  # it may take in what it prints

    def anatomy(self, body: list[ast.stmt], module: bool) -> Anatomy:
        """Facts of a body, worked out at its first visit; functions may read the names of a module at any time."""
        if not body:
            return _EMPTY
        if id(body[0]) not in self.anatomies:
            read = self.read_by_functions if module else frozenset[str]()
            self.anatomies[id(body[0])] = anatomy(body, read, self.above)
        return self.anatomies[id(body[0])]

    def begin_round(self) -> bool:
        """Forget what was seen, keep what was learnt; False if the last round taught nothing new.

        What calls pass and attributes hold is kept apart by rounds: the first one guesses at functions not yet read.
        After some rounds it only grows: two functions that each contradict what the other one supposes would go on.
        """
        known = self._known()
        if known == self.learnt:
            return False
        self.learnt = known
        self.rounds += 1
        before, joins = self.earlier, self.rounds > _APART
        self.earlier, self.modes_before = dict(self.arguments), dict(self.modes)
        for called in self.early:
            self.earlier.pop(called, None)
        self.early.clear()
        if joins:
            self.earlier = {key: _covering(before.get(key, {}), given) for key, given in self.earlier.items()}
        self.arguments.clear()
        self.modes.clear()
        self.exposed.clear()
        self.lookers.clear()
        self.handed.clear()
        for info in self.index.classes.values():
            info.known, info.attrs = _covering(info.known, info.attrs) if joins else info.attrs, {}
        kept = {key: seen for key, seen in self.observed.items() if "module" in seen.facts}
        self.observed.clear()
        self.starting.clear()
        for key, seen in kept.items():  # a module may be called above the line that makes it
            facts = {"module": True, "torch": seen.facts.get("torch")}
            self.observe(
                key, Observation(seen.node, seen.root, seen.rule, seen.op, seen.target, seen.function, facts=facts)
            )
        self.flag_uses.clear()
        self.placed_before = dict(self.placed)
        self.placed.clear()
        return True

    def _known(self) -> object:
        attrs = {name: info.attrs for name, info in self.index.classes.items()}
        learnt = dict(self.arguments), dict(self.modes), dict(self.summaries), attrs, self.globals, dict(self.written)
        return learnt, self.surroundings.noted()

    def is_settled(self) -> bool:
        """True if another round would teach nothing new."""
        return self._known() == self.learnt

    def observe(self, key: tuple[int, int, str], seen: Observation) -> Observation:
        """Keep what the visits to a site see."""
        self.ledger.own(key)
        self.ledger.tell(self._observe, key, seen)
        return seen

    def _observe(self, key: tuple[int, int, str], seen: Observation) -> None:
        self.observed[key] = seen
        self.starting.setdefault(key[0], seen)

    def global_value(self, name: str) -> Value | None:
        """What a name of the module stands for."""
        return self.ledger.ask(self._global, name)

    def _global(self, name: str) -> Value | None:
        return self.globals.get(name)

    def torch_names(self) -> tuple[str, ...]:
        """Names of the module under which torch can be reached."""
        return self.ledger.ask(self._torch_names, None)

    def _torch_names(self, _: None) -> tuple[str, ...]:
        return tuple(name for name, value in self.globals.items() if is_torch(value))

    def summary(self, key: Key) -> Summary | None:
        """What is known of a function of the file."""
        return self.ledger.ask(self.summaries.get, key)

    def runs_without_grad(self, key: Key) -> bool:
        """True if all calls of a function that the last round saw run with grad mode off."""
        return self.ledger.ask(self._without_grad, key)

    def _without_grad(self, key: Key) -> bool:
        return self.modes_before.get(key) == {False}

    @property
    def words(self) -> Words:
        """What is said around the piece that is being read, as far as it has come up."""
        return self.ledger.ask(self.surroundings.words, self.piece)

    def around(self, seen: Observation) -> Iterable[str]:
        """The doubts that all which may have to do with the piece of a site gives rise to; see Note [New to all]."""
        piece = self.surroundings.at(seen.root)
        found = self.ledger.ask(self.surroundings.words, piece).doubts
        if seen.facts.get("shown", True) or not any(map(sees_place, found)):
            return found
        own = self.surroundings.led_to(piece)
        return (one for one in found if one in own or not sees_place(one))

    def is_near(self, node: ast.AST) -> bool:
        """True for a node in a piece that may have to do with the one that is being read."""
        pieces, other = self.surroundings.pieces, max(self.surroundings.at(node), 0)
        return bool(pieces.around(self.piece) >> other & 1 or pieces.around(other) >> max(self.piece, 0) & 1)

    def is_clone(self, label: str) -> bool:
        """True for a storage that `x = x.clone()` makes."""
        return self.ledger.ask(self._is_clone, label)

    def _is_clone(self, label: str) -> bool:
        return label in self.clones

    def note_mode(self, key: Key, grad: bool) -> None:
        """A function is called in this grad mode."""
        self.ledger.tell(self._note_mode, key, grad)

    def _note_mode(self, key: Key, grad: bool) -> None:
        self.modes[key].add(grad)

    def note_arguments(self, key: Key, given: dict[str, Value]) -> None:
        """A function is called with these arguments."""
        self.ledger.own(("arguments", key))
        self.ledger.tell(self._note_arguments, key, given)

    def _note_arguments(self, key: Key, given: dict[str, Value]) -> None:
        for name, value in given.items():
            known = self.arguments[key].get(name)
            passed = replace(value, memory=NOWHERE, maybe=NOWHERE) if value.memory or value.maybe else value
            self.arguments[key][name] = passed if known is None else join(known, passed)

    def note_early(self, key: Key) -> None:
        """A function is called that has not been read: it may be given its own result, which is not known yet."""
        self.ledger.tell(self._note_early, key)

    def _note_early(self, key: Key) -> None:
        self.early.add(key)

    def note_handed(self, key: Key, name: str, start: int, call: Call | None, seen: bool) -> None:
        """A call passes something for a parameter; `seen` if somebody looks at that afterwards."""
        self.ledger.tell(self._note_handed, key, name, start, call, seen)

    def _note_handed(self, key: Key, name: str, start: int, call: Call | None, seen: bool) -> None:
        if seen:
            self.exposed[key].add(name)
        self.handed[key].setdefault(name, {})[start] = call

    def note_looker(self, key: Key, name: str, caller: str) -> None:
        """A caller reads what it has passed for a parameter."""
        self.ledger.tell(self._note_looker, key, name, caller)

    def _note_looker(self, key: Key, name: str, caller: str) -> None:
        self.lookers[key].setdefault(name, caller)

    def note_use(self, flag: int, use: str) -> None:
        """An in-place module is used."""
        self.ledger.tell(self._note_use, flag, use)

    def _note_use(self, flag: int, use: str) -> None:
        self.flag_uses[flag].add(use)

    def note_place(self, flag: int, fresh: Fresh) -> None:
        """An in-place module stands behind something; see `placed`."""
        self.ledger.tell(self._note_place, flag, fresh)

    def _note_place(self, flag: int, fresh: Fresh) -> None:
        self.placed[flag].add(fresh)

    def outer(self, flags: frozenset[int]) -> frozenset[int]:
        """The flags of a Sequential's parts that may write what that is called with; see Note [Inner modules]."""
        self.ledger.unrepeatable()
        placed = {flag: self.placed.get(flag) or self.placed_before.get(flag) for flag in flags}
        return frozenset(flag for flag, places in placed.items() if not places or Fresh.NO in places)

    def passed(self, key: Key, name: str, told: Callable[[Value | None], _Told]) -> _Told:
        """What the callers in this file pass for a parameter of a function, as far as it is told from that."""
        self.ask_callers(key)
        if key not in self.earlier and self.ledger.owns(("arguments", key)):
            self.ledger.unrepeatable()
        answer: _Told = self.ledger.ask(self._passed, (key, name, told))
        return answer

    def is_unread(self, key: Key) -> bool:
        """True in the first round, in which a function may be read before what calls it."""
        answer: bool = self.ledger.ask(self._is_unread, key)
        return answer

    def _is_unread(self, key: Key) -> bool:
        return key not in self.earlier

    def ask_callers(self, key: Key) -> None:
        """From now on it counts what callers pass, even if there are none."""
        self.ledger.tell(self._ask_callers, key)

    def _ask_callers(self, key: Key) -> None:
        self.arguments[key]

    def _passed(self, about: tuple[Key, str, Callable[[Value | None], _Told]]) -> _Told:
        key, name, told = about
        if key in self.early:
            return told(None)
        given = self.earlier[key] if key in self.earlier else self.arguments.get(key, {})
        return told(given.get(name))

    def note_written(self, place: str, live: bool | None) -> None:
        """Something that requires grad, or may, was written into a global or into `Class.attribute`."""
        self.written[place] = join_live(iter((self.written.get(place, live), live)))

    def as_written(self, value: Value, place: str) -> Value:
        """A value as it may be once other functions have run; see Note [Written elsewhere]."""
        live = self.ledger.ask(self._live_in, place)
        return value if live is False else with_gradient(value, live)

    def _live_in(self, place: str) -> bool | None:
        return self.written.get(place, False)

    def doubt(self, sentence: str, everywhere: bool = False) -> None:
        """Add a reason why nothing that has to do with this piece of the file, or nothing at all, may be called safe.

        everywhere: it lasts, or it is about objects that this piece is handed.
        """
        self.note(Words({sentence: None}), everywhere)

    def note(self, words: Words, everywhere: bool = False) -> None:
        """Add what was found out in this piece of the file, or for all of it."""
        self.surroundings.note(-1 if everywhere else self.piece, words)


_EMPTY = anatomy([], frozenset(), {})


def is_torch(value: Value) -> bool:
    """True for torch itself."""
    return value.kind is Kind.PATH and value.name == "torch"
