"""Worker processes on this machine: one unit each at a time, under limits of time and memory.

Note [Guards]
    A worker whose resident memory passes the limit, or whose unit passes its time, is killed; so the unit is known that
    was too much, which the kernel's own choice would not tell.  Memory is looked at ten times a second, by /proc; where
    there is none, only time is guarded.  What a unit runs has limits of its own, in the sandbox.  A worker says when it
    is ready, and a unit's time begins then: starting up is not its fault.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

Json = dict[str, Any]

_TICK = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PATIENCE = 120.0
"""Seconds that a worker may take to start."""
_UNITS = 2_000
"""A worker is replaced after so many units, and when it has come to half the memory that it may take."""


class NoWorker(RuntimeError):
    """A worker ended before it was ready: no unit's fault, and no other worker would fare better."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Limits of one unit: seconds for each of its files, and bytes of its worker."""

    seconds: float = 900.0
    memory: int = 2 << 30


@dataclass(frozen=True, slots=True)
class Died:
    """How a worker ended at its unit, in one sentence that begins with `it`."""

    how: str


@dataclass(frozen=True, slots=True)
class Done:
    """A unit's key with the answer, or with how its worker ended, and the seconds that it took."""

    key: int
    answer: Json | Died
    seconds: float


@dataclass(frozen=True, slots=True)
class Task:
    """A unit as the pool takes it: a key, the request, and for how many files' time it may run."""

    key: int
    request: Json
    files: int = 1


def command() -> list[str]:
    """The worker program; `-P`: nothing in the current folder stands in for a module.

    It finds this very package without a variable of the environment, which the user's programs would inherit.
    """
    package = str(Path(__file__).parents[2])
    installed = package in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    there = "" if installed else f"import sys; sys.path.insert(0, {package!r}); "
    start = f"{there}from fixinplace.campaign.worker import main; main()"
    return [sys.executable, "-P", "-c", start, str(os.getpid())]


class Pool:
    """Workers that start when there is work for them; a context manager that leaves none behind."""

    def __init__(self, jobs: int, setup: Json, guard: Guard, program: Callable[[], Sequence[str]] = command) -> None:
        self._jobs, self._setup, self._guard, self._program = jobs, setup, guard, program
        self._selector = selectors.DefaultSelector()
        self._idle: list[_Worker] = []
        self._busy: dict[int, _Worker] = {}
        self.largest = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for worker in (*self._idle, *self._busy.values()):
            worker.end(at_once=kind is not None or worker.answers in self._busy)
        self._selector.close()

    def run(
        self, tasks: Iterator[Task], again: Callable[[Task, Died], bool], tick: Callable[[], None]
    ) -> Iterator[Done]:
        """Results as they come, in no order; tasks are drawn when a worker is free.  Raises NoWorker.

        again: told of every worker that died; True to try its task once more. tick: called some times a second.
        """
        retry: list[Task] = []
        while True:
            while len(self._busy) < self._jobs and (task := retry.pop() if retry else next(tasks, None)) is not None:
                self._give(task)
            if not self._busy:
                return
            for done, task in self._wait():
                if isinstance(done.answer, Died) and again(task, done.answer):
                    retry.append(task)
                else:
                    yield done
            tick()

    def _give(self, task: Task) -> None:
        while True:
            worker = self._idle.pop() if self._idle else _Worker(self._program(), self._setup)
            if worker.give(task):
                break
            worker.end()  # it ended while it had nothing to do
        self._busy[worker.answers] = worker
        self._selector.register(worker.answers, selectors.EVENT_READ, worker)

    def _wait(self) -> list[tuple[Done, Task]]:
        found = []
        for key, _ in self._selector.select(_TICK):
            worker: _Worker = key.data
            answer = worker.read()
            if answer is not None:
                found.append(self._take(worker, answer))
        for worker in list(self._busy.values()):
            if (how := self._excess(worker)) is not None:
                found.append(self._take(worker, Died(how)))
        return found

    def _take(self, worker: _Worker, answer: Json | Died) -> tuple[Done, Task]:
        self._selector.unregister(worker.answers)
        del self._busy[worker.answers]
        task = worker.task
        assert task is not None
        if isinstance(answer, Died) and not worker.ready:
            worker.end()
            raise NoWorker(f"a worker does not start: {answer.how}")
        done = Done(task.key, answer, time.monotonic() - worker.since)
        size = worker.size()
        self.largest = max(self.largest, size)
        if isinstance(answer, Died) or worker.units >= _UNITS or size > self._guard.memory // 2:
            worker.end(at_once=isinstance(answer, Died))
        else:
            self._idle.append(worker)
        return done, task

    def _excess(self, worker: _Worker) -> str | None:
        assert worker.task is not None
        if not worker.ready:
            return f"it did not start in {_PATIENCE:g} s" if time.monotonic() - worker.since > _PATIENCE else None
        seconds = self._guard.seconds * worker.task.files
        if time.monotonic() - worker.since > seconds:
            return f"it took more than {seconds:g} s (--unit-timeout)"
        if worker.size() > self._guard.memory:
            return f"it took more than {self._guard.memory >> 20} MB of memory (--max-memory)"
        return None


class _Worker:
    """One process with its pipes."""

    def __init__(self, program: Sequence[str], setup: Json) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self.answers = self._answers.fileno()
        self._setup = setup
        self._pieces: list[bytes] = []
        self.ready = False
        self.task: Task | None = None
        self.since = 0.0
        self.units = 0

    def give(self, task: Task) -> bool:
        """Hand over a unit; False if the process has ended."""
        text = json.dumps(task.request) + "\n"
        if not self.units:
            text = json.dumps(self._setup) + "\n" + text
        try:
            self._requests.write(text.encode())
            self._requests.flush()
        except BrokenPipeError:
            return not self.ready  # why it has not even started is told when its answer is read
        finally:
            self.task, self.since, self.units = task, time.monotonic(), self.units + 1
        return True

    def read(self) -> Json | Died | None:
        """What has come: an answer, its end, or nothing whole yet."""
        piece = os.read(self.answers, 1 << 20)
        if not piece:
            return Died(self._how())
        self._pieces.append(piece)
        if not piece.endswith(b"\n"):
            return None
        lines = b"".join(self._pieces).splitlines()
        self._pieces.clear()
        if not self.ready:
            self.ready, self.since = True, time.monotonic()
            del lines[0]
        answer: Json | None = json.loads(lines[0]) if lines else None
        return answer

    def size(self) -> int:
        """Bytes of resident memory; 0 where the system does not tell."""
        try:
            return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    def _how(self) -> str:
        code = self._process.wait()
        self._log.seek(0)
        lines = self._log.read()[-4_000:].decode(errors="backslashreplace").strip().splitlines()
        how = f"it was killed by signal {-code}" if code < 0 else f"it ended with exit code {code}"
        return f"{how}: {lines[-1]}" if lines else how

    def end(self, at_once: bool = True) -> None:
        """End the process: killed, or as it does by itself when nothing is asked any more."""
        if at_once:
            self._process.kill()
        for pipe in (self._requests, self._answers):
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # what it was sent it will not read
        self._process.wait()
        self._log.close()
