"""The server's side of its analyst: asks for work, and takes it back; see Note [Looking takes time] in `analyst.py`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

from fixinplace.lsp.frames import Cancel, Done, Order, framed, unframed
from fixinplace.lsp.surroundings import environment

P = ParamSpec("P")
T = TypeVar("T")

_CHUNK = 1 << 16
_TRIES = 2


class Lost(Exception):
    """A piece of work ended without an answer; the message is one sentence."""


class _Gone(Exception):
    """The analyst itself ended."""


@dataclass
class _Analyst:
    """One process, a thread that writes to it and one that reads from it: neither pipe may hold up the server."""

    process: subprocess.Popen[bytes]
    loop: asyncio.AbstractEventLoop | None = None
    waiting: dict[int, asyncio.Future[Done]] = field(default_factory=dict)
    _outgoing: queue.SimpleQueue[bytes | None] = field(default_factory=queue.SimpleQueue)
    gone: bool = False

    def __post_init__(self) -> None:
        threading.Thread(target=self._write, daemon=True).start()

    def send(self, message: Order | Cancel) -> None:
        """Send without waiting."""
        self._outgoing.put(framed(message))

    def listen(self) -> None:
        """Take answers, from now on, into the running event loop."""
        if self.loop is None:
            self.loop = asyncio.get_running_loop()
            threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Tell it to end."""
        self._outgoing.put(None)

    def _write(self) -> None:
        stdin = self.process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):  # it is gone, which the reader notices
            while (data := self._outgoing.get()) is not None:
                stdin.write(data)
                stdin.flush()
        with contextlib.suppress(OSError):
            stdin.close()

    def _listen(self) -> None:
        assert self.loop is not None and self.process.stdout is not None
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so does everything
            for done in _messages(self.process.stdout):
                self.loop.call_soon_threadsafe(self._heard, done)
            self.process.stdout.close()
            self.process.wait()
            self.loop.call_soon_threadsafe(self._lost)

    def _heard(self, done: Done) -> None:
        future = self.waiting.pop(done.number, None)
        if future is not None and not future.done():
            future.set_result(done)

    def _lost(self) -> None:
        self.gone = True
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(_Gone())
        self.waiting.clear()


def _messages(stream: IO[bytes]) -> Iterator[Done]:
    read = bytearray()
    while chunk := os.read(stream.fileno(), _CHUNK):
        read += chunk
        while (done := unframed(read)) is not None:
            yield done


@dataclass
class Analysts:
    """Has work done beside the server. `start` may be called before there is an event loop; `close` ends everything.

    folder: removed when the analyst ends, see Note [Who cleans up].
    """

    folder: Path
    _analyst: _Analyst | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    closed: bool = False

    @property
    def pids(self) -> set[int]:
        """The process that is there, if any."""
        return set() if self._analyst is None or self._analyst.gone else {self._analyst.process.pid}

    def start(self) -> None:
        """Start the process, which loads what it needs while the server does the same."""
        if not self.closed and (self._analyst is None or self._analyst.gone):
            command = [sys.executable, "-P", "-m", "fixinplace.lsp.analyst", str(self.folder)]
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, env=environment(), start_new_session=True
            )  # stderr: ours
            self._analyst = _Analyst(process)

    async def ask(self, work: Callable[P, T], *given: P.args, **_: P.kwargs) -> T:
        """What a module's own function gives or raises; cancelling the call kills the work. Raises Lost."""
        for _try in range(_TRIES):
            self.start()
            if self.closed or self._analyst is None:
                break
            with contextlib.suppress(_Gone):
                return await self._asked(self._analyst, Order(next(self._numbers), work, given))
        raise Lost("the process that looks at texts has ended")

    async def _asked(self, analyst: _Analyst, order: Order) -> T:
        analyst.listen()
        future = analyst.waiting[order.number] = asyncio.get_running_loop().create_future()
        analyst.send(order)
        try:
            done = await future
        except asyncio.CancelledError:
            analyst.waiting.pop(order.number, None)
            analyst.send(Cancel(order.number))
            raise
        if done.error is not None:
            raise done.error
        if done.lost is not None:
            raise Lost(f"the process that looked at it ended with code {done.lost}, without an answer")
        value: T = done.value
        return value

    def close(self) -> None:
        """End it, now and for ever."""
        self.closed = True
        if self._analyst is not None:
            self._analyst.close()
