"""`python -m fixinplace.lsp.analyst FOLDER`: the process that looks at texts for the server; it never runs them.

Note [Looking takes time]
    A long file takes seconds, and Python's threads share one interpreter: the server would answer nobody meanwhile.
    Here every piece of work is a fork of a process that has all modules and catalogues in its memory already: it
    begins at once, does not hinder others, and can be killed the moment that nobody wants its answer any more.
    The fork is safe because this process has one thread and never runs foreign code. What goes through the pipes is
    pickled: both ends are ours, and nothing of it is kept.

Note [Who cleans up]
    The end of standard input means that the server is gone, in whatever way. Then all work is killed, and FOLDER, in
    which the server kept the pages of rules, is removed: a server that is killed cannot do so itself.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fixinplace.lsp.frames import HEAD, Cancel, Done, Order, framed, unframed

_STACK = 256 << 20
"""Bytes of stack for one piece of work, of which only what is used is ever taken: generated code nests deeply."""
_DEEPEST = 10_000
_CHUNK = 1 << 16
_WARMING = "import torch\n\n\ndef warm(a):\n    h = torch.sigmoid(a)\n    h += a\n    return h\n"


def main() -> int:
    """Work until standard input ends."""
    folder = sys.argv[1]
    orders, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal's own business; the server says when to end
        signal.signal(number, signal.SIG_IGN)
    sys.setrecursionlimit(max(_DEEPEST, sys.getrecursionlimit()))
    _warm()
    try:
        _Desk(orders, answers).work()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _warm() -> None:
    """Load what the first analysis would have to load, and keep it out of the garbage collector's way."""
    from fixinplace import config, files, pipeline
    from fixinplace.lsp import resolving  # noqa: F401 - what is asked for stands there
    from fixinplace.verify import processes  # noqa: F401 - for the forks

    pipeline.analyse(files.of_text("-", _WARMING, on_disk=False), config.selected((), ()))
    gc.collect()
    gc.freeze()


@dataclass(slots=True)
class _Piece:
    """Work under way: who does it, and what it has said so far."""

    number: int
    pid: int
    said: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class _Desk:
    """Reads orders, forks, passes answers on; one thread, which never waits for a piece of work."""

    orders: int
    answers: int
    pieces: dict[int, _Piece] = field(default_factory=dict)
    _read: bytearray = field(default_factory=bytearray)

    def work(self) -> None:
        """Until nobody orders any more."""
        try:
            while True:
                ready, _, _ = select.select([self.orders, *self.pieces], [], [])
                for number in ready:
                    chunk = os.read(number, _CHUNK)
                    if number != self.orders:
                        self._heard(number, chunk)
                    elif not chunk:
                        return
                    else:
                        self._read += chunk
                        self._take()
        except BrokenPipeError:  # the server is gone while it is answered
            return
        finally:
            for number in list(self.pieces):
                self._end(number)

    def _take(self) -> None:
        while (message := unframed(self._read)) is not None:
            if isinstance(message, Order):
                self._begin(message)
            elif isinstance(message, Cancel):
                for number in [n for n, piece in self.pieces.items() if piece.number == message.number]:
                    self._end(number)

    def _begin(self, order: Order) -> None:
        reads, writes = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _do(order, writes, parent)
        os.close(writes)
        self.pieces[reads] = _Piece(order.number, pid)

    def _heard(self, number: int, chunk: bytes) -> None:
        piece = self.pieces[number]
        piece.said += chunk
        if chunk:
            return
        code = self._end(number)
        whole = len(piece.said) >= HEAD.size and len(piece.said) == HEAD.size + HEAD.unpack_from(piece.said)[0]
        _write_all(self.answers, bytes(piece.said) if whole else framed(Done(piece.number, lost=code)))

    def _end(self, number: int) -> int:
        """Kill a piece of work if it still goes on; its exit code, negative for a signal."""
        piece = self.pieces.pop(number)
        os.close(number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(piece.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(piece.pid, 0)[1])


def _do(order: Order, writes: int, parent: int) -> None:
    """In the fork: work, answer, leave."""
    from fixinplace.verify.processes import die_with_parent

    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    said: list[bytes] = []
    threading.stack_size(_STACK)
    thread = threading.Thread(target=lambda: said.append(_answer(order)))
    thread.start()
    thread.join()
    if said:
        _write_all(writes, said[0])
    os._exit(0 if said else 1)


def _answer(order: Order) -> bytes:
    try:
        work: Callable[..., Any] = order.work
        return framed(Done(order.number, work(*order.given)))
    except Exception as error:  # goes to whoever asked, and is raised there
        return framed(Done(order.number, error=error))


def _write_all(number: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(number, left) :]


if __name__ == "__main__":
    sys.exit(main())
