"""One try of a recipe, on fake tensors or for real: within its time, and leaving the process as it was.

Note [Out of time beneath torch]
    The time of a try ends with an exception that a signal raises wherever Python code happens to run.  On fake tensors
    that is mostly beneath torch's own code, some of which lets no exception through: the process would be aborted, and
    what had been found so far would go with it.  So there the alarm waits a little and looks again.

Note [Fake tensors and the collector]
    An operation that fails on fake tensors may leave one behind of which Python's collector dies when it comes by
    (torch 2.13: a storage on "meta" that was to be set to one on the processor).  So nothing is collected during such a
    try, and what it leaves is frozen, which is to say never looked at; fake tensors hold no memory worth the trouble.
    What tries for real have left is collected before.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import signal
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import isfunction
from types import FrameType, ModuleType
from typing import Any

import torch

from fixinplace.inputs import snippet
from fixinplace.inputs.snippet import Variant
from fixinplace.inputs.values import Recipe
from fixinplace.verify import load
from fixinplace.verify.reach import Reach
from fixinplace.verify.tables import Tables

_SLICE, _REAL, _PATIENCE = 2.0, 3.0, 4
"""Seconds of the processor that one try may take, on fake tensors and for real, and how much longer by the clock."""
_LEAST = 3.0
"""What a try for real may take although the time of the search is over: its shapes are known to fit."""


class OutOfTime(BaseException):
    """One try has taken too long; no `except Exception` of the program's catches it."""


@dataclass(frozen=True)
class Attempt:
    """What came of a recipe: the error if there was one, how far it got, and the regions that ran.

    model: the object that was built, where the call of it failed. result: what the snippet's `probe` returned.
    """

    error: BaseException | None
    depth: tuple[int, ...]
    reached: frozenset[int]
    result: Any = None
    model: object = None


class Trier:
    """Runs recipes of one module; `tries` counts them.  deadline: of `time.process_time`."""

    def __init__(self, module: ModuleType, reach: Reach, regions: frozenset[int], deadline: float) -> None:
        self.module = module
        self.deadline = deadline
        self._late = time.monotonic() + (deadline - time.process_time()) * _PATIENCE
        self.tries = 0
        self._reach = reach
        self._regions = regions
        self._tables = Tables(module)
        self._left = False
        gc.freeze()  # torch and what it has imported, at which every collection would look again

    @property
    def over(self) -> bool:
        """The time of the search is used up."""
        return time.process_time() > self.deadline or time.monotonic() > self._late

    def attempt(self, recipe: Recipe, fake: bool, variant: Variant | None = None, traced: bool = False) -> Attempt:
        """Run one recipe; regions are looked for in real tries, and in fake ones that are traced."""
        return self.run(snippet.body(recipe, variant or Variant()), fake, traced)

    def run(self, body: str, fake: bool = False, traced: bool = False) -> Attempt:
        """Run the body of one call."""
        self.tries += 1
        self._tables.restore()
        self._reach.forget()
        text = snippet.text([body])
        scope: dict[str, Any] = {"target": self.module}
        error: BaseException | None = None
        result: object = None
        left = max(self.deadline - time.process_time(), 0.1 if fake else _LEAST)
        try:
            with _within(min(_SLICE if fake else _REAL, left)), _quietly(), self._uncollected(fake), _mode(fake):
                exec(compile(text, load.MADE, "exec", dont_inherit=True), scope)
                if fake and "prepared" in scope:
                    scope["prepared"] = _as_built
                with self._reach if traced or not fake else contextlib.nullcontext():
                    result = scope["probe"]()
        except BaseException as raised:
            error = raised
        reached = self._regions & self._reach.reached()
        return Attempt(error, _depth(error), reached, result, _model_in(error))

    @contextlib.contextmanager
    def _uncollected(self, fake: bool) -> Iterator[None]:
        """See Note [Fake tensors and the collector]."""
        if not fake:
            self._left = True
            yield
            return
        if self._left:
            gc.collect()
            self._left = False
        gc.disable()
        try:
            yield
        finally:
            gc.freeze()
            gc.enable()


def _depth(error: BaseException | None) -> tuple[int, ...]:
    """Instructions along the traceback from the snippet on, torch's own left out: how far a run got.

    Of the snippet it is the line in its function: its instructions, and the lines above, are others for every recipe.
    """
    places, trace, inside = [], error.__traceback__ if error is not None else None, False
    while trace is not None:
        made = trace.tb_frame.f_code.co_filename == load.MADE
        inside = inside or made
        if inside and str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] != "torch":
            places.append(trace.tb_lineno - trace.tb_frame.f_code.co_firstlineno if made else trace.tb_lasti)
        trace = trace.tb_next
    return tuple(places[1:])


def _model_in(error: BaseException | None) -> object:
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == load.MADE and "model" in trace.tb_frame.f_locals:
            return trace.tb_frame.f_locals["model"]
        trace = trace.tb_next
    return None


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raises OutOfTime when the processor has worked so long, or by the clock for what sleeps.

    Other work on the machine must not decide what is found.
    """

    late = itertools.count()

    def ring(number: int, frame: FrameType | None) -> None:
        if next(late) < _OFTEN and _is_beneath(frame):
            signal.setitimer(next(clock for one, clock, _ in clocks if one == number), _SOON)
            return
        raise OutOfTime(f"stopped after {seconds:.1f} s")

    clocks = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, seconds * _PATIENCE))
    before = [signal.signal(number, ring) for number, _, _ in clocks]
    for _, clock, limit in clocks:
        signal.setitimer(clock, limit)
    try:
        yield
    finally:
        for _, clock, _ in clocks:
            signal.setitimer(clock, 0)
        for (number, _, _), handler in zip(clocks, before, strict=True):
            signal.signal(number, handler)


_SOON, _OFTEN = 0.005, 200
"""Seconds until an alarm beneath torch looks again, and how often it does."""


def _is_beneath(frame: FrameType | None) -> bool:
    """True where torch's dispatcher has called Python; see Note [Out of time beneath torch]."""
    while frame is not None:
        if frame.f_code.co_name == "__torch_dispatch__":
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Leaves default dtype, grad mode and current folder as they were; warnings unseen."""
    dtype, grad, folder = torch.get_default_dtype(), torch.is_grad_enabled(), os.getcwd()  # noqa: PTH109
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        with contextlib.suppress(OSError):  # the program removed it
            os.chdir(folder)


@contextlib.contextmanager
def _mode(fake: bool) -> Iterator[None]:
    if not fake:
        yield
        return
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True), _uninitialised():
        yield


@contextlib.contextmanager
def _uninitialised() -> Iterator[None]:
    """Parameters keep what they are made with: fake ones have no values, and drawing them is most of the work."""
    init = vars(torch.nn.init)
    drawing = {name: value for name, value in init.items() if name.endswith("_") and isfunction(value)}
    for name in drawing:
        setattr(torch.nn.init, name, _left_alone)
    try:
        yield
    finally:
        for name, value in drawing.items():
            setattr(torch.nn.init, name, value)


def _left_alone(tensor: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
    return tensor


def _as_built(model: Any, training: bool = True, double: bool = False) -> Any:
    """What the snippet's `prepared` does, without moving the values that fake parameters do not have."""
    if not isinstance(model, torch.nn.Module):
        return model
    return (model.double() if double else model).train(training)


_FAKE_WORDS = (
    "FakeTensor", "fake tensor", "data-dependent", "DataDependent", "numel() on tensor with symbolic",
    "tensor subclass", "Could not guard", "meta tensor", "Meta tensor", "device meta", "aten.", "torch.compile",
    "TorchDynamo", "numpy", "_local_scalar_dense", "Cannot access data pointer", "doesn't have storage",
    "invalid python storage", "SymInt", "torch.jit", "is_fake", "unrealized", "only one element tensors",
)  # fmt: skip


def is_fake_trouble(error: BaseException) -> bool:
    """True for what may go well on real tensors."""
    text = f"{type(error).__name__}: {error}"
    return any(word in text for word in _FAKE_WORDS) or isinstance(error, (torch.jit.Error, NotImplementedError))
