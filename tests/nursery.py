"""Processes that start at once: torch is imported by two for all tests of a worker, and forked for each.

Note [A server that is forked]
    A fork server costs some three seconds of processor time before its first run, nearly all of it the import of torch,
    and most tests of the command line start one.  Here the import happens once; what is forked has computed nothing,
    as a server that was started has not.  The first run of `repair` comes from another process: it sees the user's
    variables, which the server does not.  The tests of the servers themselves, of the sandbox and of other processes
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
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fixinplace.verify import connection, launch

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


class Started:
    """A first run, whose parent tells its end; what `launch` asks of a `Popen`."""

    def __init__(self, told: int) -> None:
        self._told = os.fdopen(told, "rb", buffering=0)  # `select` must see what has not been read
        self._pid = int(self._told.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> None:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("traced", timeout or 0)
            self.returncode = int(self._told.readline())
            self._told.close()

    def send_signal(self, number: int) -> None:
        os.kill(self._pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """Starts the process that forks; `server` stands in for `Connection` where no bubblewrap is asked for."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, "-P", __file__, str(theirs.fileno())]
        given = connection._environment() if environment is None else environment
        self._process = subprocess.Popen(command, env=given, pass_fds=(theirs.fileno(),))
        theirs.close()

    def close(self) -> None:
        self._socket.close()
        self._process.wait()

    def fork(self, folder: Path, log: int, requests: int, replies: int) -> Forked:
        asked = json.dumps({"folder": str(folder), "environment": connection._environment()}).encode()
        socket.send_fds(self._socket, [asked], [requests, replies, log])
        _, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
        return Forked(*descriptors)

    def traced(self, arguments: list[str], folder: str) -> Started:
        """What `launch.start` does, from a nursery that has the user's variables."""
        told, theirs = os.pipe()
        asked = {"folder": folder or str(Path.cwd()), "environment": launch.environment(), "arguments": arguments}
        socket.send_fds(self._socket, [json.dumps(asked).encode()], [theirs, 2])
        os.close(theirs)
        return Started(told)

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
def nursery(environment: dict[str, str] | None = None) -> Iterator[Nursery]:
    made = Nursery(environment)
    try:
        yield made
    finally:
        made.close()


def main() -> None:
    """Fork a server for each message; end when the tests have gone."""
    from fixinplace.verify import server, traced
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
        asked = json.loads(text)
        pid = os.fork()
        if pid == 0:
            asking.close()
            _run(traced, asked, *descriptors) if "arguments" in asked else _become(server, asked, *descriptors)
        if "arguments" not in asked:
            pidfd = os.pidfd_open(pid)
            socket.send_fds(asking, [b"."], [pidfd])
            os.close(pidfd)
        for each in descriptors:
            os.close(each)
        while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG) is not None:
            pass


def _run(traced: object, asked: dict, told: int, output: int) -> None:
    """A first run as `launch.start` starts one, below a process that tells its id and then its exit code."""
    pid = os.fork()
    if pid:
        os.write(told, f"{pid}\n".encode())
        os.write(told, f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())
        os._exit(0)
    os.close(told)
    os.chdir(asked["folder"])
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.path[:] = os.environ["PYTHONPATH"].split(os.pathsep) + [each for each in sys.path if each not in before]
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    sys.argv = ["traced", *asked["arguments"]]
    code = 1
    try:
        traced.main()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


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
