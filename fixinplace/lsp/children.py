"""Child processes that run the user's code for the editor: one at a time, told to end, and ended for certain.

Note [Whoever goes first]
    A child ends what its program has started, also in sessions of their own, since it adopts orphans (see
    `verify/processes.py`); it does so when its standard input ends, be it that we close it or that we are gone. Should
    the child itself be killed, its orphans come to this process, which adopts them in turn and kills them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fixinplace.lsp.surroundings import environment
from fixinplace.verify import processes

Json = dict[str, Any]

_LINE = 1 << 28
"""Bytes of an answer at most."""
_PATIENCE = 5.0
"""Seconds that a child gets to end what it has started, once its standard input is closed."""


_POLLS = 50
"""How often it is looked, in as much time again, for what a child has left."""


class ChildFailed(Exception):
    """A child did not answer; the message is one sentence."""


@dataclass
class Children:
    """Asks children; `close` ends all of them. spared: processes below the server that are none of theirs."""

    spared: Callable[[], set[int]] = set
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who starts a child, until it is known as ours, and by who kills what is not."""
    _running: list[asyncio.subprocess.Process] = field(default_factory=list)
    _leaving: list[asyncio.subprocess.Process] = field(default_factory=list)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)
    closed: bool = False

    async def ask(self, request: Json, folder: Path, told: Callable[[str], None]) -> Json:
        """What a child answers; raises ChildFailed. Cancelling the call ends the child.

        told: called with what the child is at.
        """
        async with self._busy:
            if self.closed:
                raise ChildFailed("the server is being shut down")
            process = await self._start(folder)
            try:
                return await self._talk(process, request, told)
            finally:
                self._end(process)

    async def _start(self, folder: Path) -> asyncio.subprocess.Process:
        processes.adopt_orphans()
        async with self._starting:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "fixinplace.lsp.child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=folder if folder.is_dir() else None,
                env=environment(),
                start_new_session=True,
                limit=_LINE,
            )
            self._running.append(process)
        return process

    async def _talk(self, process: asyncio.subprocess.Process, request: Json, told: Callable[[str], None]) -> Json:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # a child that is gone already says so below
            await process.stdin.drain()
        while line := await process.stdout.readline():
            answer: Json = json.loads(line)
            if "progress" in answer:
                told(str(answer["progress"]))
            elif "failed" in answer:
                raise ChildFailed(str(answer["failed"]))
            else:
                return answer
        raise ChildFailed(_how(await process.wait()))

    def _end(self, process: asyncio.subprocess.Process) -> None:
        if process in self._leaving:
            return
        self._leaving.append(process)
        if process.stdin is not None:
            process.stdin.close()  # which tells the child to end
        task = asyncio.ensure_future(self._reap(process))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _reap(self, process: asyncio.subprocess.Process) -> None:
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _PATIENCE)
        finally:
            _kill(process)
            self._running.remove(process)
            self._leaving.remove(process)
            for _ in range(_POLLS):
                if not self._left():
                    break
                await asyncio.sleep(_PATIENCE / _POLLS)
            async with self._starting:
                self._sweep()
                self._left()

    def _left(self) -> list[int]:
        """What ended children have left to us and still runs."""
        ours = {process.pid for process in self._running} | self.spared()
        return [pid for pid in processes.descendants(os.getpid(), without=ours) if not _has_ended(pid)]

    def _sweep(self) -> None:
        """Kill what an ended child has left to us, and has not ended by itself (a fork server cleans up first)."""
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def close(self) -> None:
        """End every child, and wait until they are gone."""
        self.closed = True
        for process in list(self._running):
            self._end(process)
        if self._ending:
            await asyncio.wait(self._ending)


def _has_ended(pid: int) -> bool:
    """True for a process of ours that has ended, which is then collected."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # below another one, with which it comes to us or goes
        return False


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill a child's session: what it started in the same session goes too, also if the child itself is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _how(code: int) -> str:
    if code < 0:
        return f"the child process was killed by {signal.Signals(-code).name}"
    return f"the child process left without an answer (exit code {code})"
