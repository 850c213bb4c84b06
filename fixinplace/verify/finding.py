"""The search for inputs, in a sandboxed child: guess, run, read the error, mend, run again; then once for real.

Note [Fake first]
    On fake tensors a module of any size is built and called without memory and almost without time.  What depends on
    values, converts to numpy or is not known to them fails there, and is tried for real.  Only what has come to its
    end for real is handed on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import heapq
import itertools
import json
import os
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from fixinplace.inputs import mend, snippet
from fixinplace.inputs.situation import Fault, Situation
from fixinplace.inputs.snippet import Variant
from fixinplace.inputs.values import Recipe
from fixinplace.verify import load
from fixinplace.verify.errors import is_inplace
from fixinplace.verify.failures import failure_of
from fixinplace.verify.faults import fault_of
from fixinplace.verify.jobs import FOUND_FILE, Failure, Find, Found, Job, Json, Unit
from fixinplace.verify.observe import UserCode
from fixinplace.verify.reach import Reach
from fixinplace.verify.sound import unsound
from fixinplace.verify.starting import Subject, subject
from fixinplace.verify.varying import variants

_SLICE = 2.0
"""Seconds that one try may take."""
_TRIES = 400
_REAL_TRIES = 60
_FLIPS = 60


class OutOfTime(BaseException):
    """One try has taken too long; no `except Exception` of the program's catches it."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What came of running a recipe: the error if there was one, how far it got, and the regions that ran."""

    error: BaseException | None
    depth: tuple[int, ...]
    reached: frozenset[int]
    result: object = None
    model: object = None


def run(job: Job, out: Path, nonce: str) -> None:
    """Look for inputs for every unit of the job's request; one line of FOUND_FILE each, as soon as it is known."""
    find = Find.read(job.text)
    reach = Reach([patch.text for patch in job.texts], job.regions)
    user = UserCode(*(patch.path for patch in job.texts))
    failure: Failure | None = None
    module: ModuleType | None = None
    try:
        with reach:
            module = load.imported(job, load.Patched(job.texts, reach.seen))
    except BaseException as error:
        failure = failure_of(error, user)
    if module is not None:
        with (out / FOUND_FILE).open("w", encoding="utf-8") as file:
            for unit in find.units:
                found = Search(module, unit, reach, user, job.texts[0].text, find.seconds).run()
                file.write(json.dumps(dataclasses.asdict(found)) + "\n")
                file.flush()
    _leave(out, nonce, failure)


def _leave(out: Path, nonce: str, failure: Failure | None) -> None:
    end: Json = {"nonce": nonce, "failure": None if failure is None else dataclasses.asdict(failure), "exit": "",
           "failures": [], "reached": [], "no_clone_reference": "", "interpreter": "", "notes": [], "unfilled": False,
           "forward": None, "data": None, "imported": []}  # fmt: skip
    (out / "end.json").write_text(json.dumps(end), encoding="utf-8")


class Search:
    """Looks for recipes under which one unit runs to its end and reaches its regions."""

    def __init__(self, module: ModuleType, unit: Unit, reach: Reach, user: UserCode, text: str, seconds: float) -> None:
        self._module = module
        self._unit = unit
        self._reach = reach
        self._user = user
        self._text = text
        self._deadline = time.monotonic() + seconds
        self._order = itertools.count()
        self._seen: set[tuple[Recipe, bool]] = set()
        self._tries = 0
        self._last = ""
        self._began = time.monotonic()

    def run(self) -> Found:
        """The unit's recipes as texts; without any, the last error."""
        subjects = list(self._subjects())
        if not subjects:
            return Found(
                self._unit.name, error=self._last or f"the module has no {self._unit.name} when it is imported"
            )
        wanted, kept = set(self._unit.regions), list[tuple[Recipe, Subject]]()
        for each in subjects:
            for recipe, reached in self._recipes(each, frozenset(wanted)):
                if not kept or reached & wanted:
                    kept = kept if reached or not self._unit.regions else []
                    kept.append((recipe, each))
                wanted -= reached
                if not wanted:
                    break
            if kept and not wanted:
                break
        return self._found(kept, frozenset(self._unit.regions) - wanted)

    def _found(self, kept: list[tuple[Recipe, Subject]], reached: frozenset[int]) -> Found:
        calls: list[tuple[Recipe, Variant]] = []
        for recipe, _ in kept if reached or not self._unit.regions else []:
            calls += self._variants(recipe)
        error = "" if calls else (self._last or "no try came to its end")
        if kept and not reached and self._unit.regions:
            error = "it runs, but no try ran the code that is edited"
        broken = any(self._is_broken(recipe) for recipe, _ in kept)
        bodies = tuple(snippet.body(recipe, variant) for recipe, variant in calls)
        seconds = round(time.monotonic() - self._began, 2)
        return Found(self._unit.name, bodies, tuple(sorted(reached)), self._tries, error, broken, seconds)

    # --- one subject: the class itself, one of its methods, another class that uses it

    def _subjects(self) -> Iterator[Subject]:
        for name, method in self._unit.ways:
            made = subject(self._module, self._text, name, method, frozenset(self._unit.lines))
            if isinstance(made, str):
                self._last = self._last or made
            else:
                yield made

    def _recipes(self, each: Subject, wanted: frozenset[int]) -> Iterator[tuple[Recipe, frozenset[int]]]:
        """Recipes that came to their end for real, and the regions that they reach; at most three."""
        count = 0
        for start in each.starts:
            found = self._working(each, start)
            if found is None:
                continue
            recipe, reached = found
            yield recipe, reached
            wanted = wanted - reached
            for other, more in self._elsewhere(each, recipe, wanted) if wanted else ():
                yield other, more
                wanted = wanted - more
                count += 1
                if not wanted or count >= 2:
                    return
            if not wanted:
                return

    def _elsewhere(
        self, each: Subject, recipe: Recipe, wanted: frozenset[int]
    ) -> Iterator[tuple[Recipe, frozenset[int]]]:
        """Recipes that reach what a working one does not, by turning its switches."""
        fault = Fault("", "")
        situation = Situation(recipe, fault, each.knowledge, each.init, each.call)
        for turned in mend.alternatives(situation)[:_FLIPS]:
            if self._over():
                return
            attempt = self._attempt(turned, fake=True, traced=True)
            if attempt.error is not None and wanted & attempt.reached:
                found = self._working(each, turned, tries=40)
            elif attempt.error is None and wanted & attempt.reached:
                found = self._working(each, turned, tries=10)
            elif attempt.error is not None:
                found = self._working(each, turned, tries=8)
            else:
                continue
            if found is not None and wanted & found[1]:
                yield found
                wanted = wanted - found[1]
                if not wanted:
                    return

    # --- guess, run, mend

    def _working(self, each: Subject, start: Recipe, tries: int = _TRIES) -> tuple[Recipe, frozenset[int]] | None:
        """The recipe that came to its end for real, and what it reached; None if none does within the budget."""
        queue: list[tuple[tuple[int, ...], int, int, Recipe, bool]] = [((), 0, next(self._order), start, True)]
        count = 0
        while queue and count < tries and not self._over():
            _, steps, _, recipe, fake = heapq.heappop(queue)
            if (recipe, fake) in self._seen:
                continue
            self._seen.add((recipe, fake))
            count += 1
            attempt = self._attempt(recipe, fake)
            if attempt.error is None or self._broken_by_write(attempt.error):
                if not fake:
                    return recipe, attempt.reached
                heapq.heappush(queue, ((-(1 << 30),), steps, next(self._order), recipe, False))
                continue
            fault = fault_of(attempt.error, self._module, attempt.model)
            if fake and _is_fake_trouble(attempt.error):
                heapq.heappush(queue, ((-(1 << 29),), steps, next(self._order), recipe, False))
                continue
            self._last = failure_of(attempt.error, self._user).sentence
            situation = Situation(recipe, fault, each.knowledge, each.init, each.call)
            rank = tuple(-number for number in attempt.depth)
            for index, other in enumerate((*each.hinted(recipe, attempt.model), *mend.mended(situation))[:40]):
                if (other, fake) not in self._seen:
                    heapq.heappush(queue, (rank, steps + 1 + index // 3, next(self._order), other, fake))
            if fake and count % 12 == 0:
                heapq.heappush(queue, (rank, steps, next(self._order), recipe, False))
        return None

    def _broken_by_write(self, error: BaseException) -> bool:
        """Autograd refuses a write of the program's: what is looked for, not an obstacle."""
        return is_inplace(failure_of(error))

    def _over(self) -> bool:
        return time.monotonic() > self._deadline

    def _attempt(self, recipe: Recipe, fake: bool, variant: Variant | None = None, traced: bool = False) -> Attempt:
        self._tries += 1
        self._reach.forget()
        scope: dict[str, Any] = {"target": self._module}
        code = compile(snippet.text([snippet.body(recipe, variant or Variant())]), load.MADE, "exec", dont_inherit=True)
        error: BaseException | None = None
        result: object = None
        try:
            with _within(min(_SLICE, max(self._deadline - time.monotonic(), 0.1))), _quietly(), _mode(fake):
                exec(code, scope)
                with self._reach if traced or not fake else contextlib.nullcontext():
                    result = scope["probe"]()
        except BaseException as raised:
            if isinstance(raised, MemoryError):
                raised.__traceback__ = None
            error = raised
        reached = frozenset(self._unit.regions) & self._reach.reached()
        return Attempt(error, _depth(error), reached, result, _model_in(error, result))

    # --- more than one way to run it

    def _variants(self, recipe: Recipe) -> list[tuple[Recipe, Variant]]:
        """The recipe in other shapes, modes and dtypes, each of which came to its end for real and says something."""
        kept: list[tuple[Recipe, Variant]] = []
        for other, variant in variants(recipe):
            if kept and self._over():
                break
            attempt = self._attempt(other, False, variant)
            if attempt.error is not None and not self._broken_by_write(attempt.error):
                continue
            if attempt.error is None and (why := unsound(attempt.result)):
                self._last = why
                continue
            kept.append((other, variant))
        return kept

    def _is_broken(self, recipe: Recipe) -> bool:
        """The plain run dies of a write: it may take nothing else along."""
        attempt = self._attempt(recipe, False)
        if attempt.error is not None:
            return True
        return bool(unsound(attempt.result, plain=True))


def _depth(error: BaseException | None) -> tuple[int, ...]:
    """Line numbers along the traceback from the snippet on: how far a run got."""
    lines, trace, inside = [], error.__traceback__ if error is not None else None, False
    while trace is not None:
        inside = inside or trace.tb_frame.f_code.co_filename == load.MADE
        if inside:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return tuple(lines[1:])


def _model_in(error: BaseException | None, result: object) -> object:
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == load.MADE and "model" in trace.tb_frame.f_locals:
            return trace.tb_frame.f_locals["model"]
        trace = trace.tb_next
    return None


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raises OutOfTime in the main thread when the time is over."""

    def ring(number: int, frame: object) -> None:
        raise OutOfTime(f"stopped after {seconds:.1f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Leaves the process as it was: default dtype, grad mode, random state, current folder; warnings unseen."""
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

    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


_FAKE_WORDS = (
    "FakeTensor", "fake tensor", "data-dependent", "DataDependent", "numel() on tensor with symbolic",
    "tensor subclass",
    "Could not guard", "meta tensor", "Meta tensor", "device meta", "aten.", "torch.compile", "TorchDynamo", "numpy",
    "_local_scalar_dense", "Cannot access data pointer", "doesn't have storage", "invalid python storage", "SymInt",
    "torch.jit", "is_fake", "unrealized",
)  # fmt: skip


def _is_fake_trouble(error: BaseException) -> bool:
    """True for what may go well on real tensors."""
    text = f"{type(error).__name__}: {error}"
    return any(word in text for word in _FAKE_WORDS) or isinstance(error, (torch.jit.Error, NotImplementedError))
