"""The mutation log: a dispatch mode that sees every operator that writes, before it writes."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fixinplace.trace import frames as stacks
from fixinplace.trace import memory
from fixinplace.trace.behind import Behind
from fixinplace.trace.duplicates import repeats
from fixinplace.trace.events import ARRAY
from fixinplace.trace.frames import Frames, Stack
from fixinplace.trace.holders import Scene, Scenes
from fixinplace.trace.ledger import Entry, Ledger, Written
from fixinplace.trace.operators import Operator, operator, tensors_in
from fixinplace.trace.views import Views

_grad_enabled: Callable[[], bool] = torch.is_grad_enabled
_task: Callable[[], int] = torch._C._current_graph_task_id
_increment: Any = torch._C._increment_version
_ENGINE = "_engine_run_backward"
MAX_INSIDE = 256


class WriteLog:
    """Logs writes on the ledger; `repeated` is told of stores whose index names an element twice.

    texts: what was run instead of the file on the disk, by path.
    """

    def __init__(
        self,
        ledger: Ledger,
        frames: Frames,
        scenes: Scenes,
        views: Views,
        repeated: Callable[[Written], None],
        texts: Mapping[str, str],
    ) -> None:
        self.ledger = ledger
        self._frames = frames
        self._scenes = scenes
        self._views = views
        self._repeated = repeated
        self._local = threading.local()
        self.behind = Behind(frames, texts, self._unsaved)

    @contextlib.contextmanager
    def inside(self) -> Iterator[list[tuple[int, Written]]]:
        """The first writes in the forward of a custom Function, with the keys of their storages, saved or not."""
        before, own = getattr(self._local, "inside", None), list[tuple[int, Written]]()
        self._local.inside = own
        try:
            yield own
        finally:
            self._local.inside = before
            if before is not None:
                before += own[: MAX_INSIDE - len(before)]

    def operate(self, what: Operator, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Log the targets of one operator, and run it."""
        targets = what.targets(args, kwargs)
        overrides = memory.Overrides()  # those of a subclass must not see the tracer look at it
        overrides.__enter__()
        try:
            caller = sys._getframe(1).f_back  # None on a thread of the engine, which calls operators from nowhere
            if what.views:
                self._view(what, args, caller)
            elif targets:
                self._look(what, args, kwargs, targets, caller)
        finally:
            overrides.__exit__(None, None, None)
        return self._run(what, function, args, kwargs, targets)

    def _view(self, what: Operator, args: tuple[Any, ...], frame: FrameType | None) -> None:
        if _grad_enabled():
            if what.views == "multiple":
                self._views.note("multiple", args[0], frame)
        elif _task() == -1 and isinstance(args[0], torch.Tensor) and args[0].requires_grad:
            self._views.note("no-grad", args[0], frame)

    def _look(
        self,
        what: Operator,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        targets: list[torch.Tensor],
        frame: FrameType | None,
    ) -> None:
        in_backward = _task() != -1
        by_engine = in_backward and is_engine(frame)
        entries = [(each, self.ledger.entry(memory.key(each))) for each in targets]
        hit = [(target, entry) for target, entry in entries if entry is not None]
        tracked = _grad_enabled() and any(each.requires_grad for each in tensors_in(args))
        if not by_engine:
            self._count(frame, what, tracked, bool(hit))
            self._pass(what, targets, frame)
        if hit:
            self.log(what.name, hit, frame, "engine" if by_engine else what.kind, in_backward)
        elif in_backward and not by_engine:
            self.behind.look_at_gradient(what.name, targets, frame)
        elif not in_backward and _grad_enabled() and not any(each.requires_grad for each in targets):
            self.behind.look(what.name, targets, frame)
        if what.indexed and tracked:
            self._look_for_repeats(what, args, kwargs, frame)

    def _pass(self, what: Operator, targets: list[torch.Tensor], frame: FrameType | None) -> None:
        own: list[tuple[int, Written]] | None = getattr(self._local, "inside", None)
        if own is None or len(own) + len(targets) > MAX_INSIDE:
            return
        with memory.Aside():
            stack, around = self._frames.stack(frame), self._scenes.around(frame)
            for each in targets:
                scene = self._scenes.of(around, stack, key := memory.key(each))
                own.append((key, self._written(what.name, each, stack, what.kind, False, scene)))

    def _run(
        self, what: Operator, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], targets: list[torch.Tensor]
    ) -> Any:
        if what.foreach:
            before = [memory.version(each) for each in targets]
            result = function(*args, **kwargs)
            still = [each for each, old in zip(targets, before, strict=True) if old >= 0 and each._version == old]
            if still:
                _increment(still)
            return result
        result = function(*args, **kwargs)
        if what.refreshes:
            self._refresh(args[1])
        return result

    def _count(self, frame: FrameType | None, what: Operator, tracked: bool, pending: bool) -> None:
        site = self._frames.innermost(frame)
        if site is not None and not what.statistics:
            self.ledger.count(site, what.name, tracked, pending)

    def log(
        self, op: str, hit: list[tuple[torch.Tensor, Entry]], frame: FrameType | None, kind: str, in_backward: bool
    ) -> None:
        """Log writes to storages that have live saved tensors, with everything that can be known now."""
        stack = self._frames.stack(frame)
        with memory.Aside(not all(memory.is_plain(target) for target, _ in hit)):
            around = self._scenes.around(frame)
            for target, entry in hit:
                entry.copy(target)
                scene = self._scenes.of(around, stack, entry.key)
                self.ledger.wrote(entry, self._written(op, target, stack, kind, in_backward, scene))

    def _unsaved(self, op: str, target: torch.Tensor, frame: FrameType | None, scene: Scene) -> Written:
        return self._written(op, target, self._frames.stack(frame), "", False, scene)

    def _written(
        self, op: str, target: torch.Tensor, stack: Stack, kind: str, in_backward: bool, scene: Scene
    ) -> Written:
        thread = threading.current_thread()
        return Written(
            number=self.ledger.number(),
            op=op,
            stack=stack,
            version=memory.version(target),
            kind=kind,
            storage=memory.object_of(target),
            tensor=int(target._cdata),
            shape=tuple(target.shape),
            dtype=str(target.dtype).removeprefix("torch."),
            requires_grad=target.requires_grad,
            leaf=target.is_leaf,
            view=target._is_view(),
            grad_mode=_grad_enabled(),
            in_backward=in_backward,
            thread="" if thread is threading.main_thread() else thread.name,
            names=(*scene.names, ARRAY) if self._views.of("foreign", target) is not None else scene.names,
            names_complete=scene.complete,
            module=scene.module,
            built=scene.built,
            instances=scene.instances,
            buffer=scene.buffer,
            undeclared=scene.in_function and kind == "",
        )

    def _look_for_repeats(
        self, what: Operator, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType | None
    ) -> None:
        with memory.Aside():
            if repeats(what.name, args, kwargs):
                stack = self._frames.stack(frame)
                scene = self._scenes.of(self._scenes.around(frame), stack, memory.key(args[0]))
                self._repeated(self._written(what.name, args[0], stack, "", _task() != -1, scene))

    def _refresh(self, noise: torch.Tensor) -> None:
        """The noise was saved before it was drawn: what counts is what it is now."""
        entry = self.ledger.entry(memory.key(noise))
        if entry is not None:
            with memory.Aside():
                entry.refresh()

    def event(self, op: str, target: torch.Tensor, kind: str = "") -> None:
        """Log a write that is no dispatched operator, by the caller's frame."""
        frame = sys._getframe(1)
        with memory.Overrides():
            self._event(op, target, kind, frame)

    def _event(self, op: str, target: torch.Tensor, kind: str, frame: FrameType) -> None:
        if kind == "dirty":
            self._declared(target)
        entry = self.ledger.entry(memory.key(target))
        site = self._frames.innermost(frame)
        if site is not None and kind in ("", "swapped"):
            self.ledger.count(site, op, target.requires_grad and _grad_enabled(), entry is not None)
        if entry is not None:
            self.log(op, [(target, entry)], frame, kind, _task() != -1)

    def _declared(self, target: torch.Tensor) -> None:
        """`mark_dirty` was called for what this forward has written."""
        entry = self.ledger.entry(memory.key(target))
        for write in () if entry is None else reversed(entry.writes):
            write.undeclared = False


def is_engine(frame: FrameType | None) -> bool:
    """True if autograd's engine itself runs the operator, and no Python function that it calls."""
    for each in stacks.outwards(frame):
        if not stacks.is_ours(each):
            return each.f_code.co_name == _ENGINE
    return True  # a device thread of the engine


class WriteMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """One per thread; all of them write the same log."""

    supports_higher_order_operators = True

    def __init__(self, log: WriteLog) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._log = log

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Without torch's wrapper around every operation, which costs as much as the log itself."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator, and log it first if it writes."""
        what = operator(func)
        if what is None or (what.views == "single" and (_grad_enabled() or _task() != -1)) or memory.is_busy():
            return func(*args, **kwargs) if kwargs else func(*args)
        return self._log.operate(what, func, args, kwargs or {})
