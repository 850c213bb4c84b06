"""Files worked on by several processes; what comes out does not tell how many there were.

Note [Workers]
    A worker is forked once everything is imported (where there is no fork, it is spawned), takes runs of files that
    follow one another, and sends the result of each file as it is done; results are given out in the order of the
    files.  It ignores the interrupt of a terminal: the parent ends it.  One that dies takes a single file with it, the
    one that it was at, which is reported (FIP904); another takes its place for the rest.  Few files are read without
    any worker.  The collector of cyclic garbage is switched off in between: trees are full of cycles, and it looks for
    them again and again while they are in use; it runs once after so much text.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from fixinplace.commands.inputs import Unit, failed
from fixinplace.model import Problem
from fixinplace.pipeline import Result

Work = Callable[[Unit], Result]
_LEAST = 48 * 1024
"""Bytes of source that are worth a worker: it costs as much as reading a twentieth of that."""
_RUNS = 16
"""Into how many runs of files the share of one worker is divided: the last ones end at about the same time."""
_GARBAGE = 256 * 1024
"""Bytes of source between two collections."""


def results(work: Work, units: Sequence[Unit], jobs: int) -> Iterator[Result]:
    """`work` of every unit, in their order; jobs: how many processes at most, 0 for one on each processor."""
    sizes = [_size(unit) for unit in units]
    count = min(jobs or processors(), len(units), 1 + sum(sizes) // _LEAST)
    if count < 2:
        return _here(work, units, sizes)
    return _Pool(work, units, sizes, count).results()


def processors() -> int:
    """How many processors this process may use."""
    with contextlib.suppress(AttributeError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _size(unit: Unit) -> int:
    with contextlib.suppress(OSError):  # read in its turn, and told then
        return 0 if unit.stdin else Path(unit.path).stat().st_size
    return 0


def _here(work: Work, units: Sequence[Unit], sizes: Sequence[int]) -> Iterator[Result]:
    garbage = _Garbage()
    try:
        for unit, size in zip(units, sizes, strict=True):
            yield work(unit)
            garbage.made(size)
    finally:
        garbage.close()


class _Garbage:
    """Collects seldom; what is alive then is not looked at again."""

    def __init__(self) -> None:
        self._was_on = gc.isenabled()
        self._bytes = 0
        gc.disable()
        gc.freeze()

    def made(self, size: int) -> None:
        self._bytes += size
        if self._bytes >= _GARBAGE:
            self._bytes = 0
            gc.collect()
            gc.freeze()

    def close(self) -> None:
        gc.unfreeze()
        if self._was_on:
            gc.enable()


@dataclass
class _Worker:
    """A process, and the numbers of the files that it was given and has not sent yet, in its order."""

    process: BaseProcess
    pipe: Connection
    given: deque[int]


class _Pool:
    """Hands runs of files to workers and gives their results out in order."""

    def __init__(self, work: Work, units: Sequence[Unit], sizes: Sequence[int], count: int) -> None:
        self._work = work
        self._units = units
        self._sizes = sizes
        self._count = count
        self._runs = deque(_runs(sizes, count * _RUNS))
        self._done: dict[int, Result] = {}
        self._workers: list[_Worker] = []

    def results(self) -> Iterator[Result]:
        """Results in the order of the units; whatever happens, no worker is left behind."""
        try:
            for number in range(len(self._units)):
                while number not in self._done:
                    self._step()
                yield self._done.pop(number)
        finally:
            for worker in self._workers:
                worker.process.terminate()
                worker.pipe.close()
            for worker in self._workers:
                worker.process.join()

    def _step(self) -> None:
        """Wait until some worker has something to say."""
        while self._runs and len(self._workers) < self._count:
            self._start()
        pipes = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(pipes)):
            worker = pipes[pipe]  # type: ignore[index]
            try:
                number, result = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                self._lost(worker)
                continue
            self._done[number] = result
            worker.given.popleft()
            if not worker.given:
                self._give(worker)

    def _start(self) -> None:
        context = _context()
        ours, theirs = context.Pipe()
        inherited = [*(worker.pipe for worker in self._workers), ours] if _forks() else []
        process = context.Process(
            target=_serve,
            args=(self._work, self._units, self._sizes, theirs, inherited, _depth()),
            daemon=True,
        )
        with _uninterrupted():  # between the two, nobody would know of the process
            process.start()
            worker = _Worker(process, ours, deque())
            self._workers.append(worker)
        theirs.close()
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        if self._runs:
            worker.given.extend(self._runs.popleft())
            worker.pipe.send(list(worker.given))

    def _lost(self, worker: _Worker) -> None:
        """Report the file that a worker died at; the rest of its run is for others."""
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        if worker.given:
            number = worker.given.popleft()
            self._done[number] = failed(_died(self._units[number], worker.process.exitcode))
        if worker.given:
            self._runs.appendleft(list(worker.given))


def _died(unit: Unit, code: int | None) -> Problem:
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    again = f"fixinplace check --jobs 1 {unit.path}"
    return Problem("FIP904", unit.path, f"the process that read it ended {how}; reproduce with `{again}`")


def _runs(sizes: Sequence[int], count: int) -> Iterator[list[int]]:
    """The numbers of the files in runs of about the same size."""
    share = max(1, sum(sizes) // count)
    run: list[int] = []
    held = 0
    for number, size in enumerate(sizes):
        run.append(number)
        held += size
        if held >= share:
            yield run
            run, held = [], 0
    if run:
        yield run


def _forks() -> bool:
    return sys.platform.startswith("linux")


def _context() -> ForkContext | SpawnContext:
    return multiprocessing.get_context("fork") if _forks() else multiprocessing.get_context("spawn")


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """An interrupt of the terminal comes after the block; a process that begins in it gets none."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if _forks() else set()
    try:
        yield
    finally:
        if _forks():
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _depth() -> int:
    return sys.getrecursionlimit()


def _serve(work: Work, units: Sequence[Unit], sizes: Sequence[int], pipe: Connection, others: Sequence[Connection],
           depth: int) -> None:  # fmt: skip
    """The life of a worker: it ends when its parent has nothing more to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setrecursionlimit(depth)
    for other in others:
        other.close()  # or the end of the parent could not be told
    garbage = _Garbage()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            for number in pipe.recv():
                pipe.send((number, work(units[number])))
                garbage.made(sizes[number])
