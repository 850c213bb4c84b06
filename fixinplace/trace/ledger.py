"""The log of saves and writes of a run, kept only as long as something that was saved is alive.

Note [What is kept]
    A write matters to saved tensors that are alive when it happens.  Only then is it logged in full, on the entry of
    its storage, which goes when the last saved tensor of that storage goes; every other write is only counted.  So the
    log of a long training run stays as small as its graph.

Note [Copy before write]
    Before the first write to a storage after a save, the saved tensor is copied.  In a correct program that is rare,
    and it tells at the backward whether the saved elements have really changed, also where no version moved (an alias
    through `.data`, dlpack, a fused optimizer).  Writes that torch does not dispatch (numpy) are not seen coming;
    for them the content mode copies at the save.
"""

from __future__ import annotations

import bisect
import itertools
import weakref
from collections import deque
from dataclasses import dataclass, field

import torch

from fixinplace.trace import memory
from fixinplace.trace.events import ALONE, Instances, Place
from fixinplace.trace.frames import Stack


@dataclass(slots=True)
class Written:
    """One write to a storage that had been saved; `events.Write` in raw form. It keeps no tensor."""

    number: int
    op: str
    stack: Stack
    version: int
    kind: str = ""  # "fused", "statistics", "collective", "engine", "swapped", "dirty", "detached": no plain operator
    storage: int = 0
    tensor: int = 0
    shape: tuple[int, ...] = ()
    dtype: str = ""
    requires_grad: bool = False
    leaf: bool = False
    view: bool = False
    grad_mode: bool = True
    in_backward: bool = False
    thread: str = ""
    names: tuple[str, ...] = ()
    names_complete: bool = True
    module: str = ""
    built: Stack = ()
    instances: Instances = ALONE
    buffer: bool = False
    undeclared: bool = False  # written in the forward of a custom Function that has not marked it dirty
    at: Place | None = None  # where the stack says nothing: a place that was found otherwise

    @property
    def moves(self) -> bool:
        """True if the write moves the version counter of what it writes."""
        return self.kind not in ("fused", "statistics", "collective", "swapped", "detached")


class Save:
    """What autograd keeps instead of a saved tensor; it lives and dies with the graph.

    kept: the tensor without its history, sharing memory and version counter; None where hooks of the user's own keep
    what they like. copy: its values at the time of the save, if somebody needed them. object, tensor, producer: which
    Python object and which tensor it was, and the number of the node that had made it. used: which backward was the
    first to ask for it, 0 for none. given: the other memory that its tensor has by now, if any.
    """

    __slots__ = (
        "__weakref__", "copy", "entry", "geometry", "given", "held", "kept", "key", "names", "number", "object",
        "producer", "stack", "storage", "tensor", "used", "version",
    )  # fmt: skip

    number: int
    kept: torch.Tensor | None
    copy: torch.Tensor | None
    held: memory.Held | None
    key: int
    storage: int
    version: int
    stack: Stack
    names: tuple[str, ...]
    object: weakref.ref[torch.Tensor] | None
    geometry: memory.Geometry | None
    given: torch.Tensor | None
    entry: Entry
    tensor: int
    producer: int
    used: int

    def later_writes(self) -> list[Written]:
        """Logged writes to its storage since it was saved."""
        return [write for write in self.entry.writes if write.number > self.number]

    def take_copy(self, target: torch.Tensor | None) -> None:
        """Copy the present values; of what hooks keep, from a tensor `target` in the same storage."""
        piece = self.kept
        if piece is None and target is not None and self.geometry and self.held is not None and self.held.is_of(target):
            piece = memory.laid(target, self.geometry)
        if piece is not None and memory.is_readable(piece):
            self.copy = memory.copied(piece)

    def __del__(self) -> None:
        entry = getattr(self, "entry", None)
        if entry is not None:
            entry.release()


MAX_WRITES = 1024


@dataclass(slots=True)
class Entry:
    """A storage with live saved tensors: how many, which ones, and who wrote it since.

    copied: number of saves at the start of `saves` that have been looked at for a copy. writes: the last ones only,
    where a graph that is never used again outlives a long training run.
    """

    ledger: Ledger
    key: int
    alive: int = 0
    copied: int = 0
    saves: list[weakref.ref[Save]] = field(default_factory=list)
    writes: deque[Written] | tuple[()] = ()

    def add(self, save: Save) -> None:
        """One more saved tensor in this storage."""
        self.alive += 1
        self.saves.append(weakref.ref(save))
        if len(self.saves) > 2 * self.alive + 64:
            kept = [(at, each) for at, each in enumerate(self.saves) if each() is not None]
            self.copied = sum(at < self.copied for at, _ in kept)
            self.saves = [each for _, each in kept]

    def release(self) -> None:
        """One saved tensor less; called from a finaliser, in any thread."""
        self.alive -= 1
        if self.alive <= 0:
            self.ledger.forget(self)

    def copy(self, target: torch.Tensor) -> None:
        """Copy the saved tensors that have no copy yet; see Note [Copy before write]."""
        waiting, self.copied = self.saves[self.copied :], len(self.saves)
        for reference in waiting:
            save = reference()
            if save is not None and save.copy is None:
                save.take_copy(target)

    def refresh(self) -> None:
        """What was saved before it was drawn counts as it is now."""
        for reference in self.saves:
            save = reference()
            if save is not None and save.copy is not None:
                save.copy = None if save.kept is None else memory.copied(save.kept)


@dataclass(slots=True)
class Tally:
    """All writes of one place and op: how often, whether any was tracked, whether any hit something saved."""

    count: int = 0
    tracked: bool = False
    pending: bool = False


class Ledger:
    """Saves and writes in one sequence of numbers."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._entries: dict[int, Entry] = {}
        self._last_save: dict[Stack, int] = {}
        self._backwards: list[int] = []
        self.tallies: dict[tuple[int, int, str], Tally] = {}

    def number(self) -> int:
        """The next position in the sequence."""
        return next(self._numbers)

    def saved(self, save: Save) -> None:
        """A tensor is kept for backward from now on."""
        entry = self._entries.get(save.key)
        if entry is None:
            entry = self._entries[save.key] = Entry(self, save.key)
        entry.add(save)
        save.entry = entry
        self._last_save[save.stack] = save.number

    def entry(self, key: int) -> Entry | None:
        """The entry of a storage that has live saved tensors."""
        return self._entries.get(key)

    def forget(self, entry: Entry) -> None:
        """The last saved tensor of a storage is gone: its address may stand for another one from now on."""
        if self._entries.get(entry.key) is entry:
            del self._entries[entry.key]

    def wrote(self, entry: Entry, write: Written) -> None:
        """Log a write on the entry of its storage."""
        if not entry.writes:
            entry.writes = deque(maxlen=MAX_WRITES)
        assert isinstance(entry.writes, deque)
        entry.writes.append(write)

    def count(self, site: tuple[int, int], op: str, tracked: bool, pending: bool) -> None:
        """Count a write at a place in the user's own code."""
        key = (*site, op)
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[key] = Tally()
        tally.count += 1
        tally.tracked |= tracked
        tally.pending |= pending

    def backward_ended(self) -> None:
        """The engine has come back from one call."""
        self._backwards.append(self.number())

    def used_again(self, save: Save) -> bool:
        """Note that a backward asks for a saved tensor; True if an earlier one has done so."""
        now = len(self._backwards) + 1
        save.used = save.used or now
        return save.used != now

    def backward_between(self, first: int, last: int) -> bool:
        """True if a backward ended between two numbers."""
        at = bisect.bisect_right(self._backwards, first)
        return at < len(self._backwards) and self._backwards[at] < last

    def saved_again(self, stack: Stack, after: int) -> bool:
        """True if the same place, called from the same places, has saved a tensor after this number."""
        return self._last_save.get(stack, 0) > after
