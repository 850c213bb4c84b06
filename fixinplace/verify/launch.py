"""The first run of `repair`: the user's command as it is, in their environment and folder, under the tracer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fixinplace.trace import events
from fixinplace.trace.events import Trace
from fixinplace.verify.jobs import Failure, Job, dump
from fixinplace.verify.probes import Probe

_PATIENCE = 20.0
"""Seconds that a program gets to end after it was interrupted."""


@dataclass(frozen=True)
class FirstRun:
    """What the run told.

    problem: why nothing was run, or was traced, one line. interrupted: it was stopped at its time limit.
    """

    trace: Trace
    failure: Failure | None = None
    problem: str = ""
    interrupted: bool = False


def first_run(probe: Probe, seconds: float) -> FirstRun:
    """Run the command with our standard error as its output, so that standard output stays ours."""
    job = Job(probe.kind, probe.path, probe.name, (), probe.arguments, probe.folder, import_paths=())
    with tempfile.TemporaryDirectory(prefix="fixinplace-") as folder:
        asked, reply = Path(folder) / "job.json", Path(folder) / "reply.json"
        asked.write_text(json.dumps(dump(job)), encoding="utf-8")
        sys.stderr.flush()
        process = start([str(asked), str(reply)], probe.folder)
        interrupted = _wait(process, seconds)
        if not reply.exists():
            return FirstRun(Trace(), problem=_how(process.returncode, seconds, interrupted), interrupted=interrupted)
        answer = json.loads(reply.read_text(encoding="utf-8"))
    failure = None if answer["failure"] is None else Failure(**answer["failure"])
    if interrupted and failure is not None and failure.type == "KeyboardInterrupt":
        failure = None
    return FirstRun(events.load(answer["trace"]), failure, answer["problem"], interrupted)


def start(arguments: list[str], folder: str) -> subprocess.Popen[bytes]:
    """A process of its own for `traced`; folder: where it runs, "" for the current one."""
    command = [sys.executable, "-P", "-m", "fixinplace.verify.traced", *arguments]
    return subprocess.Popen(command, stdout=2, cwd=folder or None, env=environment())


def environment() -> dict[str, str]:
    """The user's own, and where this package lies."""
    package = str(Path(__file__).parents[2])
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, package])}


def _wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end; True if the program had to be interrupted."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    except KeyboardInterrupt:
        process.wait()
        raise
    else:
        return False
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return True


def _how(code: int, seconds: float, interrupted: bool) -> str:
    if interrupted:
        return f"the command did not end within {seconds:g} s, nor when it was interrupted"
    if code < 0:
        return f"the command was killed by {signal.Signals(-code).name}"
    return f"the command left without a word (exit code {code})"
