"""The save log: what autograd keeps for backward, and whether it is still the same when a backward asks for it.

Note [Hooks switch the check off]
    Under saved-tensor hooks the engine compares no versions: code that must fail runs through with wrong gradients.
    So the versions are compared here, and a user's own hooks are composed with ours, since only the innermost pair
    works.  Of what the user's hooks keep nothing is kept here: they may be there to save memory.  Checkpointing gives
    back what it has computed again, without its version: that is compared with what was saved the second time.

Note [Output or original]
    Natively autograd keeps the tensor object itself, unless it is the output of the operation that saves it; so
    `w.data = v` changes what the backward reads for an input, and does not for an output.

Note [Saved when it ends]
    `ctx.save_for_backward(x)` keeps `x` as it is when the forward of the custom Function ends, with the version that it
    has then: a write in between changes what the backward reads, and no version tells.  Whether its author knew that
    (the buffer of a result is filled later) or not is not in the code, so it is noted, and called no error.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fixinplace.trace import memory
from fixinplace.trace.frames import Frames
from fixinplace.trace.holders import Scenes
from fixinplace.trace.ledger import Ledger, Save, Written

_node: Callable[[], Any] = torch._C._current_autograd_node
_detach: Any = torch._C.TensorBase.detach
VERSION, CONTENT, SWAPPED, HOOKED, DETACHED = "version", "content", "swapped", "hooked", "detached"
AGAIN, STASHED = "again", "stashed"
_STASH = "_fixinplace_stash"


@dataclass(frozen=True, slots=True)
class Difference:
    """A saved tensor that is not what it was.

    kind: VERSION, CONTENT (no version moved), SWAPPED (the tensor has another storage), HOOKED (the user's own hooks
    gave the changed memory back), STASHED (an attribute of a custom Function's `ctx`), DETACHED (`detach_`), AGAIN (it
    is as it was, and torch would have freed it).
    found: version now. disjoint: the values are the old ones.
    """

    save: Save
    node: Any
    kind: str
    found: int
    disjoint: bool = False


class _Again:
    """What a user's pair of hooks kept, by order: checkpointing saves the same, in the same order, a second time.

    saves: what was saved under it while a backward computes again; again: the saves of that second time.
    """

    def __init__(self) -> None:
        self.count = 0
        self.saves: list[Save | None] = []
        self.again: list[Save | None] = []


class SaveLog:
    """The pair of hooks.

    differs: told of every difference; it may raise. packed: told of every save, for those who follow one. kept: graphs
    are kept, and what a second backward asks for is a difference, though nothing has changed.
    """

    def __init__(
        self,
        ledger: Ledger,
        frames: Frames,
        scenes: Scenes,
        content: bool,
        differs: Callable[[Difference], None],
        packed: Callable[[Save], None] | None,
        kept: bool = False,
    ) -> None:
        self._ledger = ledger
        self._frames = frames
        self._scenes = scenes
        self._content = content
        self._differs = differs
        self._packed = packed
        self._kept = kept
        self._unpacking: list[list[_Again]] = []
        self._known: weakref.WeakSet[_Again] = weakref.WeakSet()

    def pack(self, tensor: torch.Tensor) -> Save:
        """What is kept instead of the tensor."""
        with memory.Aside(not memory.is_plain(tensor)):
            save = self._note(tensor, sys._getframe().f_back)
            save.kept = _detach(tensor)
            if self._content and memory.is_readable(tensor):
                save.copy = memory.copied(tensor)
        self._ledger.saved(save)
        if self._packed is not None:
            self._packed(save)
        return save

    def _note(self, tensor: torch.Tensor, frame: Any) -> Save:
        save = Save()
        save.number = self._ledger.number()
        save.key = memory.key(tensor)
        save.storage = memory.object_of(tensor)
        save.version = memory.version(tensor)
        save.stack = self._frames.stack(frame)
        save.names = self._scenes.names(frame, save.stack, save.key, "save")[0]
        save.object = weakref.ref(tensor)
        save.tensor = int(tensor._cdata)
        save.producer = producer(tensor)
        save.copy = save.held = save.kept = save.geometry = save.given = None
        save.used = 0
        return save

    def unpack(self, save: Save) -> torch.Tensor:
        """What the backward gets: natively, whatever the memory holds now."""
        kept = save.kept
        assert kept is not None
        node = _node()
        with memory.Aside(not memory.is_plain(kept)):
            difference, given = _compare(save, kept, node)
        if self._kept and self._ledger.used_again(save) and difference is None:
            difference = Difference(save, node, AGAIN, save.version)
        if difference is not None:
            self._differs(difference)
        return given

    def composed(
        self, pack: Callable[[torch.Tensor], Any], unpack: Callable[[Any], torch.Tensor]
    ) -> tuple[Callable[[torch.Tensor], Any], Callable[[Any], torch.Tensor]]:
        """The user's own pair of hooks, watched."""

        mine = _Again()
        if self._unpacking and _node() is not None:
            self._unpacking[-1].append(mine)
        self._known.add(mine)

        def packed(tensor: torch.Tensor) -> tuple[Any, Save | None, int]:
            kept = pack(tensor)
            save = self._watched(tensor, sys._getframe().f_back)
            mine.count += 1
            if _node() is not None:
                mine.saves.append(save)
            return kept, save, mine.count - 1

        def unpacked(found: tuple[Any, Save | None, int]) -> torch.Tensor:
            self._unpacking.append([])
            try:
                result = unpack(found[0])
            finally:
                inner = self._unpacking.pop()
            if inner:
                mine.again = inner[0].saves
            if isinstance(result, torch.Tensor):
                if found[1] is not None:
                    self._check_given(found[1], result)
                self._check_again(mine.again[found[2] : found[2] + 1], found[1], result)
            return result

        return packed, unpacked

    def _watched(self, tensor: torch.Tensor, frame: Any) -> Save | None:
        if not memory.is_plain(tensor) or not memory.object_of(tensor):
            return None
        with memory.Aside():
            save = self._note(tensor, frame)
            save.held = memory.Held(tensor)
            save.geometry = memory.geometry(tensor)
            if self._content and memory.is_readable(tensor):
                save.copy = memory.copied(tensor)
        self._ledger.saved(save)
        return save

    def backward_ended(self) -> None:
        """What was computed again has served."""
        for each in self._known:
            each.saves, each.again = [], []

    def _check_again(self, saves: list[Save | None], first: Save | None, result: torch.Tensor) -> None:
        """Compare what checkpointing computed again, and something wrote, before it was given back."""
        for save in filter(None, saves):
            with memory.Aside(not memory.is_plain(result)):
                found = memory.version(result)
                same = save.held is not None and save.held.is_of(result) and memory.geometry(result) == save.geometry
                changed = same and found != save.version and not _is_as_it_was(save, result)
            node = _node()
            if first is not None and is_output(first, node):
                save.producer = node._sequence_nr()
            if changed and not _is_own_statistics(save, node):
                self._differs(Difference(save, node, HOOKED, found))

    def given(self, tensors: Sequence[Any], frame: Any) -> list[tuple[torch.Tensor, Save]]:
        """Note what a custom Function's forward gives to `ctx.save_for_backward`; see Note [Saved when it ends]."""
        noted = ((each, self._watched(each, frame)) for each in tensors if isinstance(each, torch.Tensor))
        return [(each, save) for each, save in noted if save is not None]

    def stashed(self, result: Any, frame: Any) -> None:
        """Note the tensors that a custom Function's forward has left on `ctx`, as saved now."""
        made = result if isinstance(result, tuple) else (result,)
        for node in {one.grad_fn for one in made if isinstance(one, torch.Tensor)} - {None}:
            kept: dict[str, Any] = vars(node) if isinstance(node, torch.autograd.function.BackwardCFunction) else {}
            tensors = [(name, value) for name, value in kept.items() if isinstance(value, torch.Tensor)]
            if tensors and _STASH not in kept:
                setattr(node, _STASH, [(name, self._watched(value, frame)) for name, value in tensors])

    def read(self, node: Any) -> None:
        """Compare what a custom Function's backward is going to read from `ctx` with what its forward left there."""
        for name, save in vars(node).get(_STASH, ()):
            now = vars(node).get(name)
            if save is None or not isinstance(now, torch.Tensor) or save.held is None:
                continue
            with memory.Aside(not memory.is_plain(now)):
                found = memory.version(now)
                ours = save.held.is_of(now) and memory.geometry(now) == save.geometry
                changed = ours and found != save.version and not _is_as_it_was(save, now)
            if changed:
                self._differs(Difference(save, node, STASHED, found))

    def _check_given(self, save: Save, result: torch.Tensor) -> None:
        """Compare where the hooks gave back the memory that was saved; a copy of theirs is their own affair."""
        difference = None
        with memory.Aside(not memory.is_plain(result)):
            ours = save.held is not None and save.held.is_of(result) and memory.geometry(result) == save.geometry
            if ours and save.copy is not None and not memory.same(save.copy, result):
                difference = Difference(save, _node(), HOOKED, memory.version(result))
        if difference is not None and not _is_own_statistics(save, difference.node):
            self._differs(difference)


def written_since(given: Iterable[tuple[torch.Tensor, Save]]) -> Iterator[Written]:
    """The first write to each of these that has changed it."""
    for tensor, save in given:
        writes = save.later_writes()
        with memory.Aside(not memory.is_plain(tensor)):
            changed = bool(writes) and save.copy is not None and not memory.same(save.copy, tensor)
        if changed:
            yield writes[0]


def _is_as_it_was(save: Save, now: torch.Tensor) -> bool:
    return save.copy is not None and memory.same(save.copy, now)


def _compare(save: Save, kept: torch.Tensor, node: Any) -> tuple[Difference | None, torch.Tensor]:
    found = memory.version(kept)
    if found != save.version:
        disjoint = save.copy is not None and memory.same(save.copy, kept)
        return Difference(save, node, VERSION, found, disjoint), kept
    if save.copy is not None and not memory.same(save.copy, kept) and not _is_own_statistics(save, node):
        return Difference(save, node, CONTENT, found), kept
    if is_output(save, node):
        return None, kept
    if any(write.kind == DETACHED and write.tensor == save.tensor for write in save.later_writes()):
        return Difference(save, node, DETACHED, found), kept
    now = None if save.object is None else save.object()
    now = save.given if now is None else now
    if now is not None and memory.key(now) != save.key:
        return Difference(save, node, SWAPPED, found), _detach(now)
    return None, kept


def producer(tensor: torch.Tensor) -> int:
    """Number of the node that made this tensor; -1 for leaves and for what is not recorded."""
    node = tensor.grad_fn
    return -1 if node is None else int(node._sequence_nr())


def is_output(save: Save, node: Any) -> bool:
    """True if the node saved its own result; see Note [Output or original]."""
    return node is not None and save.producer != -1 and save.producer == node._sequence_nr()


def _is_own_statistics(save: Save, node: Any) -> bool:
    """True for statistics of a batch norm in training mode: it updates what it saved, and never reads it again."""
    if node is None or "BatchNorm" not in node.name() or not getattr(node, "_saved_training", True):
        return False
    return any("batch_norm" in write.op for write in save.later_writes())
