"""Fork servers that start at once: torch is imported by one process for all tests of a worker, which forks them.

Note [A server that is forked]
    A fork server costs some three seconds of processor time before its first run, nearly all of it the import of torch,
    and most tests of the command line start one.  Here the import happens once; what is forked has computed nothing,
    as a server that was started has not.  The tests of the servers themselves, of the sandbox and of other processes
    (`migrate`, the editor, `python -m fixinplace`) start theirs as users do.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fixinplace.verify import connection

_MESSAGE = 1 << 20


class Forked:
    """A process of the nursery, of which this one is not the parent; what a connection asks of a `Popen`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)

    def kill(self) -> None:
        if not self._ended(0):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> None:
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired("server", timeout or 0)

    def _ended(self, seconds: float | None) -> bool:
        return bool(select.select([self._descriptor], [], [], seconds)[0])


class Nursery:
    """Starts the process that forks; `server` stands in for `Connection` where no bubblewrap is asked for."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, "-P", __file__, str(theirs.fileno())]
        self._process = subprocess.Popen(command, env=connection._environment(), pass_fds=(theirs.fileno(),))
        theirs.close()

    def close(self) -> None:
        self._socket.close()
        self._process.wait()

    def fork(self, folder: Path, log: int, requests: int, replies: int) -> Forked:
        asked = json.dumps({"folder": str(folder), "environment": connection._environment()}).encode()
        socket.send_fds(self._socket, [asked], [requests, replies, log])
        _, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
        return Forked(*descriptors)

    def server(self, folder: Path, program: str | None = None) -> connection.Connection:
        return connection.Connection(folder, program) if program is not None else _Warm(folder, self)


class _Warm(connection.Connection):
    def __init__(self, folder: Path, nursery: Nursery) -> None:
        self._log = folder / "server.log"
        requests, ours = os.pipe()
        theirs, replies = os.pipe()
        with self._log.open("wb") as log:
            self._process = nursery.fork(folder, log.fileno(), requests, replies)
        os.close(requests)
        os.close(replies)
        self._requests, self._replies = os.fdopen(ours, "w"), os.fdopen(theirs, "r")


@contextmanager
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    try:
        yield made
    finally:
        made.close()


def main() -> None:
    """Fork a server for each message; end when the tests have gone."""
    from fixinplace.verify import server
    from fixinplace.verify.processes import die_with_parent

    die_with_parent(signal.SIGKILL)
    for name in (server._DECOMPOSITIONS, server._FAKES):  # what a server loads when a program first needs it
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    asking = socket.socket(fileno=int(sys.argv[1]))
    while True:
        text, descriptors, _, _ = socket.recv_fds(asking, _MESSAGE, 3)
        if not text:
            return
        pid = os.fork()
        if pid == 0:
            asking.close()
            _become(server, json.loads(text), *descriptors)
        pidfd = os.pidfd_open(pid)
        socket.send_fds(asking, [b"."], [pidfd])
        for each in (pidfd, *descriptors):
            os.close(each)
        while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG) is not None:
            pass


def _become(server: object, asked: dict, requests: int, replies: int, log: int) -> None:
    """A server as `Connection` starts one: its folder, session, variables and descriptors."""
    os.setsid()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.argv = ["server", asked["folder"], str(requests), str(replies)]
    server.main()


if __name__ == "__main__":
    main()
