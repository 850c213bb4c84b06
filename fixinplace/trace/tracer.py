"""The tracer: run any code inside, and learn who saved, who wrote, and which backward needed it.

Note [As native as possible]
    Hooks switch torch's own check off, so the tracer makes it.  What dies natively must die under the tracer: the first
    offence is raised with torch's own words, but only when the backward has ended, so that all offences of that
    backward are known.  Gradients of a backward that is going to raise are wrong, as they would be partial natively.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any

import torch

from fixinplace.trace import refused, results, wording
from fixinplace.trace.again import Steps
from fixinplace.trace.blame import Blame, Facts, Saved, is_complete
from fixinplace.trace.events import Trace
from fixinplace.trace.follow import Follower
from fixinplace.trace.frames import Frames, Stack
from fixinplace.trace.holders import Scenes
from fixinplace.trace.ledger import Ledger, Save, Written
from fixinplace.trace.lookup import with_history
from fixinplace.trace.patches import Patches
from fixinplace.trace.positions import Places
from fixinplace.trace.saves import (
    AGAIN,
    CONTENT,
    DETACHED,
    HOOKED,
    STASHED,
    SWAPPED,
    VERSION,
    Difference,
    SaveLog,
    is_output,
    written_since,
)
from fixinplace.trace.swaps import Swaps
from fixinplace.trace.views import Views
from fixinplace.trace.writes import WriteLog, WriteMode
from fixinplace.verify.observe import UserCode

MAX_OFFENCES = 1000
_EARLY = (
    "`{}` in {}, line {}, writes what `ctx.save_for_backward` was given before: torch keeps what it holds when the "
    "forward ends, and the backward reads that; where it is meant to read the value from before, write out of place"
)


@dataclass(frozen=True, slots=True)
class Options:
    """How to trace.

    content: copy what is saved and compare it at the backward; finds what no version and no operator tells (numpy), at
    the price of a second copy of all saved tensors. own: tells the user's file names from others. texts: what was run
    instead of the file on the disk, by path. raise_native: what dies without the tracer dies under it. watch: number of
    a save (`events.Save.number` of an earlier run) whose tensor is compared after every step of the user's code.
    kept: every backward keeps its graph, and what would be used again of an earlier iteration is an offence.
    """

    content: bool = False
    own: Callable[[str], bool] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    raise_native: bool = True
    watch: int | None = None
    kept: bool = False


@dataclass(slots=True)
class Backward:
    """One call of the engine that is under way."""

    thread: int
    stack: Stack
    error: str = ""


class Tracer:
    """A context manager around user code in this process; `trace()` tells afterwards, also when the code raised."""

    def __init__(self, options: Options = Options()) -> None:
        self._options = options
        self._frames = Frames(options.own or UserCode("").owns)
        self._ledger = Ledger()
        self._scenes = Scenes(self._frames)
        self._views = Views(self._frames)
        self._places = Places(self._frames, options.texts)
        self._blame = Blame(self._ledger, self._frames)
        self._follower = Follower(self._frames, options.watch)
        self._writes = WriteLog(self._ledger, self._frames, self._scenes, self._views, self._repeated, options.texts)
        packed = None if options.watch is None else self._follower.packed
        self._saves = SaveLog(
            self._ledger, self._frames, self._scenes, options.content, self._differs, packed, options.kept
        )
        self._steps = Steps(self._ledger, self._frames)
        self._patches = Patches(self)
        self._running: list[Backward] = []
        self._local = threading.local()
        self._facts: dict[tuple[object, ...], Facts] = {}
        self._shown: dict[tuple[object, ...], Facts] = {}
        self._notes: list[str] = []
        self._stack = contextlib.ExitStack()
        self.pack, self.unpack, self.composed = self._saves.pack, self._saves.unpack, self._saves.composed
        self.stashed, self.read = self._saves.stashed, self._saves.read
        self.swapping = Swaps(self._ledger).swapping

    def __enter__(self) -> Tracer:
        self._stack.callback(self._patches.remove)
        self._patches.install()
        if self._options.kept:
            self._stack.callback(self._steps.watch().remove)
        self._stack.enter_context(self.thread())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._follower.stop()
        self._stack.close()
        if error is not None:
            self.failed(error)

    @contextlib.contextmanager
    def thread(self) -> Iterator[None]:
        """Mode and hooks in the calling thread."""
        with WriteMode(self._writes):
            self._patches.push()
            try:
                yield
            finally:
                self._patches.pop()

    def failed(self, error: BaseException) -> None:
        """The user's code raised this: if torch refused a write, it becomes an offence.

        What was shown only does so where nothing else went wrong: no run proves a patch that holds such a write, and
        it must not keep the rest from being proved.
        """
        failing = refused.is_failing_exit(error) and not self._facts
        for shown in self._shown.values() if failing else ():
            self._add(shown)
        for each in refused.chain(error):
            if _is_told(each) or (failing and refused.SHOWN in each.__dict__):
                continue
            facts = refused.facts(each, self._frames, self._places, self._views, self._scenes)
            if facts is not None:
                _tell(each)
                self._add(facts)

    def trace(self) -> Trace:
        """What is known so far."""
        behind = list(self._writes.behind.facts.values())
        return results.trace(
            list(self._facts.values()), behind, self._ledger, self._blame, self._places, tuple(self._notes)
        )

    def backward(self, engine: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Run the engine; raise afterwards what the engine's own check would have raised."""
        call = Backward(threading.get_ident(), self._frames.stack(sys._getframe(1)))
        self._running.append(call)
        try:
            result = engine(*args, **kwargs)
        except BaseException as error:
            if call.error and self._options.raise_native:
                raise self._native(call.error) from error
            self._unseen(error, call)
            raise
        finally:
            self._running.remove(call)
            self._ledger.backward_ended()
            self._saves.backward_ended()
        if call.error and self._options.raise_native:
            raise self._native(call.error)
        return result

    @contextlib.contextmanager
    def function(self, cls: Any, args: tuple[Any, ...]) -> Iterator[None]:
        """Around a custom Function: if torch refuses what it gives back, the error keeps who wrote its arguments."""
        outer, self._local.given = getattr(self._local, "given", None), []
        with self._writes.inside() as passed:
            try:
                yield
                self._tell_early()
            except RuntimeError as error:
                own = self._frames.owns(cls.forward.__code__.co_filename)
                refused.given_back(error, args, passed, own)
                raise
            finally:
                self._local.given = outer

    def saving(self, tensors: Sequence[Any], frame: FrameType) -> None:
        """What the forward of a custom Function gives to `ctx.save_for_backward`."""
        if getattr(self._local, "given", None) is not None:
            self._local.given += self._saves.given(tensors, frame)

    def _tell_early(self) -> None:
        """See Note [Saved when it ends]."""
        for write in written_since(self._local.given):
            place = self._places.innermost(write.stack)
            if place is not None:
                self.note(_EARLY.format(place.text, os.path.relpath(place.file), place.line))

    def event(self, op: str, tensor: torch.Tensor, kind: str) -> None:
        """A write that is no dispatched operator."""
        self._writes.event(op, tensor, kind)

    def view_made(self, tensor: torch.Tensor) -> None:
        """A numpy or dlpack view of this tensor's memory."""
        self._views.note("foreign", tensor, sys._getframe(1))

    def built(self, module: torch.nn.Module) -> None:
        """A module's constructor ran."""
        self._scenes.built.add(module, self._frames.construction(sys._getframe(1), module))

    def shown(self, error: BaseException) -> None:
        """The program shows an error that it has caught; a refused write is told if it then leaves with a failure.

        Where the code comes to its end, the error was its own affair.
        """
        for each in refused.chain(error):
            if _is_told(each) or refused.SHOWN in each.__dict__ or len(self._shown) >= MAX_OFFENCES:
                continue
            facts = refused.facts(each, self._frames, self._places, self._views, self._scenes)
            if facts is not None:
                each.__dict__[refused.SHOWN] = True
                self._shown.setdefault(facts.identity, facts)

    def note(self, sentence: str) -> None:
        """Something that the trace must say about itself, once."""
        if sentence not in self._notes:
            self._notes.append(sentence)

    def _native(self, message: str) -> RuntimeError:
        error = RuntimeError(message)
        _tell(error)
        return error

    def _current(self) -> Backward | None:
        """The backward that this thread works for; the engine's device threads work for the last one."""
        mine = [each for each in self._running if each.thread == threading.get_ident()]
        return next(reversed(mine or self._running), None)

    def _differs(self, difference: Difference) -> None:
        call = self._current()
        facts = self._facts_of(difference)
        if difference.kind in (HOOKED, STASHED) and self._is_known(facts.writes):
            return
        if difference.kind == AGAIN and not facts.writes:
            return
        facts.needed = self._frames.stack(sys._getframe(1)) if call is None else call.stack
        facts.tracked = with_history(self._frames, sys._getframe(1))
        self._add(facts)
        if facts.silent:
            return
        facts.message = wording.of(difference)
        if call is not None:
            call.error = call.error or facts.message
        elif self._options.raise_native:
            raise self._native(facts.message)

    def _is_known(self, writes: list[Written]) -> bool:
        """True if the first of these writes is in the chain of an offence that torch itself is going to raise.

        Checkpointing keeps its inputs twice, once where versions are checked.
        """
        chains = [each.writes for each in self._facts.values() if not each.silent]
        return any(write.number == writes[0].number for chain in chains for write in chain) if writes else False

    def _facts_of(self, difference: Difference) -> Facts:
        save, kind = difference.save, difference.kind
        writes = save.later_writes()
        facts = Facts(writes, _saved(difference), found=difference.found, disjoint=difference.disjoint)
        facts.node = "" if difference.node is None else difference.node.name()
        facts.silent = kind in (CONTENT, SWAPPED, HOOKED, STASHED)
        if kind == VERSION:
            facts.writes = [each for each in writes if save.version <= each.version < difference.found and each.moves]
            facts.complete = is_complete(save.version, difference.found, facts.writes)
            self._blame.versioned(facts)
        elif kind == CONTENT:
            self._follower_or_views(facts, save)
        elif kind == HOOKED:
            facts.rule, facts.complete = "FIP307", bool(writes)
            facts.note = "saved-tensor hooks gave back the memory that was saved, and they switch torch's check off"
        elif kind == STASHED:
            facts.rule, facts.complete = "FIP210", bool(writes)
            facts.note = "a custom Function keeps the tensor as an attribute of `ctx`, where torch compares no versions"
        elif kind == SWAPPED:
            facts.rule = "FIP303"
            facts.writes = [each for each in writes if each.kind == "swapped"] or writes
            facts.complete = bool(facts.writes)
        elif kind == AGAIN:
            step = self._steps.between(save)
            facts.writes, facts.rule = [] if step is None else [step], "FIP207"
        elif kind == DETACHED:
            facts.writes = [each for each in writes if each.kind == DETACHED]
        return facts

    def _follower_or_views(self, facts: Facts, save: Save) -> None:
        found = self._follower.found(save)
        if found is not None and not facts.writes:
            facts.writes = [found]
            facts.rule, facts.note = "FIP302", "the line was found by comparing the memory after every step"
            return
        site = None if save.kept is None else self._views.of("foreign", save.kept)
        place = self._places.of(site)
        self._blame.silent(facts, "" if place is None else f"{place.file}:{place.line}:{place.column}")

    def _repeated(self, write: Written) -> None:
        note = "torch gives the gradient of the element that is stored twice to both of the stored values"
        self._add(Facts([write], rule="FIP304", silent=True, note=note))

    def _unseen(self, error: BaseException, call: Backward) -> None:
        """An in-place error of the engine itself: of a tensor that no hook saw, or of a write inside the backward."""
        facts = refused.facts(error, self._frames, self._places, self._views, self._scenes)
        if facts is not None and not _is_told(error):
            facts.needed = call.stack
            _tell(error)
            self._add(facts)

    def _add(self, facts: Facts) -> None:
        if len(self._facts) < MAX_OFFENCES:
            self._facts.setdefault(facts.identity, facts)
        else:
            self.note(f"only the first {MAX_OFFENCES} offences are told")


def _tell(error: BaseException) -> None:
    """Mark an error as known; keeping it would keep its frames and their tensors."""
    error.__dict__[refused.TOLD] = True


def _is_told(error: BaseException) -> bool:
    return refused.TOLD in error.__dict__


def _saved(difference: Difference) -> Saved:
    save = difference.save
    piece, result = save.kept, is_output(save, difference.node)
    if piece is not None:
        shape, dtype = tuple(piece.shape), piece.dtype
    else:
        assert save.geometry is not None
        shape, dtype = save.geometry[0], save.geometry[3]
    name = str(dtype).removeprefix("torch.")
    return Saved(save.number, save.stack, save.names, shape, name, save.version, save.storage, result)
