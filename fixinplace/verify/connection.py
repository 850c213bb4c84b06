"""The server process and the two pipes to it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import IO

from fixinplace.verify import bubblewrap
from fixinplace.verify.jobs import Json

PATIENCE = 60.0
"""Seconds that the server may take to start, and to answer after a run's own deadline."""


class Connection:
    """A server that has been started, in the bubblewrap at the path `program` if there is one."""

    def __init__(self, folder: Path, program: str | None = None) -> None:
        self._log = folder / "server.log"
        requests, ours = os.pipe()
        theirs, replies = os.pipe()
        command = [sys.executable, "-P", "-m", "fixinplace.verify.server", str(folder), str(requests), str(replies)]
        if program is not None:
            command = bubblewrap.inside(program, folder, command)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=_environment(),
                pass_fds=(requests, replies),
                start_new_session=True,
            )
        os.close(requests)
        os.close(replies)
        self._requests: IO[str] = os.fdopen(ours, "w")
        self._replies: IO[str] = os.fdopen(theirs, "r")

    def hello(self) -> Json:
        """The first line of the server: what it can do."""
        return self._read(PATIENCE)

    def ask(self, request: Json, seconds: float) -> Json:
        """Send one request and wait for its answer; raises OSError, EOFError or ValueError if the server is gone."""
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        return self._read(seconds)

    def _read(self, seconds: float) -> Json:
        ready, _, _ = select.select([self._replies], [], [], seconds)
        if not ready:
            self._process.kill()
            raise EOFError(f"no answer for {seconds:g} s")
        line = self._replies.readline()
        if not line:
            log = self._log.read_text(errors="backslashreplace").strip().splitlines() if self._log.exists() else []
            raise EOFError(log[-1] if log else "no reply")
        answer: Json = json.loads(line)
        return answer

    def close(self) -> None:
        """Close the pipe, which ends the server and whatever it runs."""
        with contextlib.suppress(OSError):  # a request that can no longer be delivered
            self._requests.close()
        self._replies.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    kept["TORCHDYNAMO_DISABLE"] = "1"  # read when torch._dynamo is imported, here or in a child
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
    package = str(Path(__file__).parents[2])
    if package not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        kept["PYTHONPATH"] = package
    return {**kept, **threads, "PYTHONHASHSEED": "0", "LANG": "C.UTF-8"}
