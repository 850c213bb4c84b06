"""One run of a probe, in a process that ends with it: seeds, instruments, user code, observation, records."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import os
import random
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch

from fixinplace.trace.refused import chain
from fixinplace.verify import finding, kept, load, made, own_outputs, tensors, traced, unshared
from fixinplace.verify.as_result import AsResult
from fixinplace.verify.by_hand import AsData
from fixinplace.verify.calls import FunctionCalls
from fixinplace.verify.clones import Cloning
from fixinplace.verify.constructed import Constructed
from fixinplace.verify.errors import is_inplace
from fixinplace.verify.failures import exit_of, failure_of
from fixinplace.verify.forward import Forward
from fixinplace.verify.gradients import Recorder
from fixinplace.verify.jobs import SEED, Failure, Job
from fixinplace.verify.leaves import LeafNames
from fixinplace.verify.observe import REVERSE, Differentiation, Observer, UserCode
from fixinplace.verify.outside import Outside
from fixinplace.verify.pieces import OneByOne
from fixinplace.verify.reach import Reach
from fixinplace.verify.reads import GradientReads
from fixinplace.verify.records import Records
from fixinplace.verify.sandbox import Scratch
from fixinplace.verify.widened import Widened

_PROGRAMS = ("script", "module")

_exit, _pid = os._exit, os.getpid  # bound before user code can patch them
_torch_state, _python_state = torch.get_rng_state, random.getstate
_grad_enabled, _default_dtype = torch.is_grad_enabled, torch.get_default_dtype


def run(job: Job, scratch: Scratch, file_size: int, nonce: str) -> None:
    """Run the job and leave its records in `scratch.out`, in files of at most `file_size` bytes."""
    if job.kind == "find" or job.traced:
        _look(job, scratch, nonce)
        return
    process, user = _pid(), UserCode(*(patch.path for patch in job.texts))
    records = Records(file_size // 2)
    if job.kept:
        kept.install()
    recorder = Recorder(records, LeafNames(user))
    forward = None if job.forward is None else Forward(records, recorder, job)
    calls = FunctionCalls(records, user, forward or REVERSE)
    cloning, modules, reads = Cloning(), Constructed(job.kind != "made"), GradientReads()
    reach = Reach([patch.text for patch in job.texts], job.regions, calls)
    before = frozenset(sys.modules)
    ballast = _prepare(job)
    outside = Outside()
    outside.install()
    (forward or recorder).install()
    data, results = _leaves_as(job, recorder) if forward is None else (None, None)
    if job.cloned:
        cloning.install()
    widened = Widened() if job.widened else contextlib.nullcontext()
    with reads if job.regions is not None and forward is None else contextlib.nullcontext(), widened:
        ending = _user_code(job, load.Patched(job.texts, reach.seen), reach)
    ending = _computed(job, ending, records, forward or REVERSE)
    if _pid() != process:
        _exit(0)  # a copy of this process that the program forked and let run on
    _flush()
    left = ending.left() if job.kind in _PROGRAMS else ""
    failure = ending.failure(user, job.kind in _PROGRAMS)
    if forward is not None:
        forward.uninstall()
        failure = forward.excuse(Failure("SystemExit", left) if left and failure is None else failure)
    notes = [f"{name} is not installed, and what was run does not use it" for name in load.STUBBED if failure is None]
    if failure is None:
        notes += _observe(job, records, forward or recorder, user, ending, before)
        notes += modules.observe(records, user, forward or REVERSE)
        notes += [f"the program leaves with exit code {left}"] if left else []
    end = {
        "nonce": nonce,
        "failure": None if failure is None else dataclasses.asdict(failure),
        "exit": left,
        "failures": [dataclasses.asdict(each) for each in recorder.failures],
        "reached": sorted(reach.reached()),
        "no_clone_reference": cloning.blind_spot,
        "interpreter": outside.interpreter,
        "notes": notes + outside.notes,
        "unfilled": reads.unfilled,
        "lowered": outside.lowered.seen(records.rows),
        "backwards": recorder.backwards,
        "forward": None if forward is None else dataclasses.asdict(forward.end),
        "data": None if data is None else dataclasses.asdict(data.end),
        "asked_as_leaf": results is not None and results.read,
        "imported": sorted(name for name in sys.modules.keys() - before if name.startswith("torch.")),
    }
    records.write(scratch.out, end)
    del ballast


def _leaves_as(job: Job, recorder: Recorder) -> tuple[AsData | None, AsResult | None]:
    """The modes in which leaves may be written, as far as the job asks for them; installed."""
    data, results = AsData() if job.as_data else None, AsResult() if job.as_result else None
    if data is not None:
        recorder.watchers.append(data.look_at)
        data.install()
    if results is not None:
        results.install()
    if job.one_by_one:
        OneByOne().install()
    return data, results


def _look(job: Job, scratch: Scratch, nonce: str) -> None:
    """Run a job that compares nothing: a search for inputs, or a trace."""
    _prepare(job)
    if job.kind == "find":
        finding.run(job, scratch.out, nonce)
    else:
        traced.leave(traced.run(job), scratch.out, nonce)


def _computed(job: Job, ending: Ending, records: Records, differentiation: Differentiation) -> Ending:
    """Of a probe with made inputs, what the program computed."""
    if job.kind != "made" or ending.error is not None:
        return ending
    return Ending(made.computed(ending.result, records, differentiation))


@dataclasses.dataclass(frozen=True)
class Ending:
    """How the user's code came to its end: with a result, or with an exception."""

    result: object = None
    error: BaseException | None = None

    def failure(self, user: UserCode, script: bool) -> Failure | None:
        """The exception as part of the record; a script may end with `sys.exit`, unless an in-place error is why."""
        if not isinstance(self.error, SystemExit):
            return None if self.error is None else failure_of(self.error, user)
        if not script:
            return Failure("SystemExit", str(self.error.code))
        told = (failure_of(each, user) for each in chain(self.error)) if self.left() else iter(())
        return next((each for each in told if is_inplace(each)), None)

    def left(self) -> str:
        """What a script leaves with, see `failures.exit_of`."""
        return exit_of(self.error)

    def frames(self, user: UserCode) -> Iterator[FrameType]:
        """The user's functions that the exception ended, outermost first."""
        trace = None if self.error is None else self.error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            if user.owns(code.co_filename) and code.co_name != "<module>":
                yield trace.tb_frame
            trace = trace.tb_next


def _prepare(job: Job) -> object:
    torch.set_num_threads(1)
    random.seed(SEED)
    torch.manual_seed(SEED)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(SEED)
    if job.double:
        torch.set_default_dtype(torch.float64)
    if job.no_inference:
        torch.inference_mode = torch.autograd.grad_mode.inference_mode = _without_grad  # type: ignore[assignment,misc]
    if job.unshared:
        unshared.install()
    if job.own_outputs:
        own_outputs.install()
    return _ballast() if job.perturbed else None


def _without_grad(mode: Any = True) -> Any:
    """In place of `torch.inference_mode`, as a context manager and as a decorator: it computes the same values."""
    if callable(mode):
        return torch.no_grad()(mode)
    return torch.no_grad() if mode else torch.enable_grad()


def _ballast() -> object:
    """Objects that use up free places of every size that the allocators tell apart.

    Most of what comes later then lies elsewhere than in the first run, and what a program derives from addresses shows.
    """
    small = [bytes(size) for size in range(1, 480, 16) for _ in range(500)]
    return small, [bytes(size) for size in range(512, 1 << 14, 64) for _ in range(5)]


def _user_code(job: Job, patched: load.Patched, reach: Reach) -> Ending:
    """The only place where the user's code runs; whatever it raises becomes part of the record."""
    try:
        with reach:
            result = load.run(job, patched)
        _join()
    except BaseException as error:
        return Ending(error=error)
    return Ending(result)


def _join() -> None:
    """Wait, as the interpreter does, for threads that are no daemons."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # the program closed or replaced it: nothing is left to flush
            continue


def _observe(
    job: Job, records: Records, gradients: Recorder | Forward, user: UserCode, ending: Ending, before: frozenset[str]
) -> list[str]:
    """Read everything, then take the gradients of what is still tracked; returns notes."""
    gc.disable()
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))
    records.rows += [{"kind": "random", "path": name, "digest": digest} for name, digest in _random_states()]
    setting = f"grad mode {_grad_enabled()}, default dtype {_default_dtype()}"
    records.rows.append({"kind": "setting", "path": "torch settings", "text": setting})
    if job.kind in _PROGRAMS:
        records.rows.append({"kind": "exit", "path": "exit code", "text": ending.left() or "0"})
    observer = Observer(records, user, differentiation=gradients if isinstance(gradients, Forward) else REVERSE)
    if job.kind in _PROGRAMS:
        observer.script(sys.modules["__main__"])
    else:
        observer.result(ending.result, f"{job.name}()")
    own = {os.path.realpath(path) for path in (job.probe_path, *(patch.path for patch in job.texts))}
    folded = {module: os.path.realpath(str(module.__file__)) not in own for module in user.modules(before)}
    for module in sorted(folded, key=folded.__getitem__):  # what is edited first: there is a limit
        observer.module(module, folded[module])
    for frame in ending.frames(user) if isinstance(gradients, Forward) else ():
        observer.variables(dict(frame.f_locals), frame.f_code.co_qualname)
    return observer.notes + gradients.results(observer.tracked, observer.named)


def _random_states() -> list[tuple[str, str]]:
    states: list[tuple[str, bytes]] = [
        ("torch", tensors.read(_torch_state()).data or b""),
        ("python", repr(_python_state()).encode()),
    ]
    if (numpy := sys.modules.get("numpy")) is not None:
        name, keys, *rest = numpy.random.get_state(legacy=True)
        states.append(("numpy", keys.tobytes() + repr((name, rest)).encode()))
    return [(name, hashlib.blake2b(state, digest_size=16).hexdigest()) for name, state in states]
