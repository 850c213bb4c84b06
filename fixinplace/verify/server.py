"""The fork server: torch imported and never used, one request at a time, every run and every comparison in a child.

Note [Why nothing is computed here]
    A process that has run a backward on several threads cannot be forked safely, and state that one run leaves would
    reach the next.  The server only reads a line, forks, waits, cleans up and answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import gc
import importlib
import json
import os
import secrets
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TextIO

import torch

from fixinplace.verify import child, compare, derivatives, gradients, landlock
from fixinplace.verify.jobs import TRACING_FACTOR, Job, Json, Limits, Status, load
from fixinplace.verify.processes import adopt_orphans, descendants, die_with_parent, end_all
from fixinplace.verify.sandbox import Scratch, enter

_POLL_SECONDS = 0.02
_DECOMPOSITIONS = "torch._decomp.decompositions_for_jvp"  # what forward mode loads at its first use
_FAKES = "torch._dynamo"  # what fake tensors load at their first use
_exit = os._exit  # user code may patch it in the child


@dataclasses.dataclass(frozen=True)
class Server:
    """The server's side of the pipe; `root` holds the scratch folder and what runs leave."""

    root: Path
    requests: TextIO
    replies: TextIO

    def greet(self) -> None:
        """Say what this system and this torch offer."""
        _freeze()
        hello = {
            "framework": f"torch {torch.__version__}",
            "landlock": landlock.abi(),
            "missing": gradients.missing_hook(),
        }
        self._reply(hello)

    def serve(self) -> None:
        """Answer requests until the other end is closed."""
        while line := self.requests.readline():
            request = json.loads(line)
            self._reply(self.run(request) if request["do"] == "run" else self.read(request))
        self.leave()

    def _reply(self, answer: Json) -> None:
        self.replies.write(json.dumps(answer) + "\n")
        self.replies.flush()

    def run(self, request: Json) -> Json:
        """One run of a job in a sandboxed child; its records are moved to `request["folder"]`."""
        job, limits, nonce = load(request["job"]), Limits(**request["limits"]), secrets.token_hex(8)
        if job.regions is not None:
            limits = dataclasses.replace(limits, seconds=limits.seconds * TRACING_FACTOR)
        if job.forward is not None and _DECOMPOSITIONS not in sys.modules:
            importlib.import_module(_DECOMPOSITIONS)
            _freeze()
        if job.kind == "find" and _FAKES not in sys.modules:
            importlib.import_module(_FAKES)
            _freeze()
        scratch = Scratch(self.root / "scratch")
        _remove(scratch.root)
        scratch.create(Path(job.folder or Path(job.texts[0].path).parent), job.in_place)
        pid = os.fork()
        if pid == 0:
            _child(lambda: _run_job(job, scratch, limits, request["landlock"], nonce))
        status, detail = self._wait(pid, limits)
        end_all(os.getpid())
        folder = Path(request["folder"])
        if scratch.out.is_dir():  # the program may have removed it
            scratch.out.rename(folder)
        else:
            folder.mkdir()
        _remove(scratch.root)
        if not (folder / "end.json").exists():
            status = Status.DIED if status is Status.ENDED else status
            detail = detail or _tail(folder / "stderr")
        else:
            _learn(folder / "end.json")
        return {"status": status, "detail": detail, "nonce": nonce}

    def read(self, request: Json) -> Json:
        """Compare two runs, or take derivatives from them, in a child that has run nothing else."""
        target = self.root / "comparison.json"
        target.unlink(missing_ok=True)
        pid = os.fork()
        if pid == 0:
            _child(lambda: _compare(request, target))
        status, detail = self._wait(pid, Limits(**request["limits"]))
        end_all(os.getpid())
        if not target.exists():
            return {"failed": detail or str(status)}
        return {"result": json.loads(target.read_text())}

    def leave(self) -> NoReturn:
        """End everything below this process, remove what is left of the runs, and go: nobody is there to ask again."""
        end_all(os.getpid())
        _remove_all(self.root)
        _exit(0)

    def _wait(self, pid: int, limits: Limits) -> tuple[Status, str]:
        """Wait for a child until its deadline; ends the server if the other end of the pipe has gone."""
        deadline = time.monotonic() + limits.seconds
        with _ending(pid) as ending:
            while True:
                watched: list[int | TextIO] = [self.requests, *ending]
                ready, _, _ = select.select(watched, [], [], _POLL_SECONDS)
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    return _ended(status)
                if self.requests in ready:
                    self.leave()
                if time.monotonic() > deadline:
                    return Status.TIMED_OUT, f"stopped after {limits.seconds:g} s"
                if len(descendants(os.getpid())) > limits.processes:
                    return Status.TOO_MANY_PROCESSES, f"more than {limits.processes} processes at once"


@contextlib.contextmanager
def _ending(pid: int) -> Iterator[list[int]]:
    """A descriptor that becomes readable when the child ends; none where the system has no such thing."""
    found = [os.pidfd_open(pid)] if hasattr(os, "pidfd_open") else []
    try:
        yield found
    finally:
        for descriptor in found:
            os.close(descriptor)


def _ended(status: int) -> tuple[Status, str]:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU:
            return Status.TIMED_OUT, "the processor time was used up"
        return Status.DIED, f"killed by {signal.Signals(number).name}"
    code = os.waitstatus_to_exitcode(status)
    return (Status.ENDED, "") if code == 0 else (Status.DIED, f"ended with exit code {code}")


def _child(work: Callable[[], None]) -> NoReturn:
    """Run `work` in a freshly forked child and end it without the parent's exit handlers."""
    code = 0
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        code = 70
    finally:
        _exit(code)


def _run_job(job: Job, scratch: Scratch, limits: Limits, abi: int, nonce: str) -> None:
    paths = (job.probe_path, job.folder, *job.import_paths, *(patch.path for patch in job.texts))
    needed = tuple(Path(path) for path in paths if path)
    enter(scratch, limits, abi, dict(job.environment), job.in_place, needed)
    child.run(job, scratch, limits.file_size, nonce)


def _learn(end: Path) -> None:
    """Import the parts of torch that the program made torch load, so that the next run finds them loaded.

    The first use of an optimizer alone costs more than all the rest of a small run.
    """
    for name in json.loads(end.read_text())["imported"]:
        if name == "torch._dynamo":
            importlib.import_module(name)
            _freeze()


def _freeze() -> None:
    """Leave nothing for the children to collect: their memory stays shared, and laid out as the job asks."""
    gc.collect()
    gc.freeze()


def _compare(request: Json, target: Path) -> None:
    die_with_parent(signal.SIGKILL)
    torch.set_num_threads(1)
    paths = Path(request["reference"]), Path(request["candidate"])
    if request["do"] == "slopes":
        found = derivatives.slopes(*paths, request["number"])
        target.write_text(json.dumps([dataclasses.asdict(each) for each in found]))
        return
    rough = Path(request["rough"]) if request["rough"] else None
    result = compare.compare(*paths, frozenset(request["excluded"]), request["exact"], rough)
    target.write_text(json.dumps(dataclasses.asdict(result)))


def _tail(path: Path) -> str:
    """The last line that the child wrote to its stderr."""
    lines = path.read_text(errors="backslashreplace").strip().splitlines() if path.exists() else []
    return lines[-1] if lines else ""


def _remove(folder: Path) -> None:
    """Remove a tree in which a program may have taken its own rights away."""

    def retry(function: object, path: str, error: object) -> None:
        os.chmod(Path(path).parent, 0o700)  # noqa: PTH101
        os.chmod(path, 0o700)  # noqa: PTH101
        shutil.rmtree(path) if Path(path).is_dir() else os.unlink(path)  # noqa: PTH108

    if folder.exists():
        shutil.rmtree(folder, onerror=retry)


def _remove_all(root: Path) -> None:
    """Remove the server's folder, or, as Note [Who removes the folder] in `bubblewrap` has it, what is in it."""
    if not root.exists():
        return
    for entry in root.iterdir():
        _remove(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    try:
        root.rmdir()
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EROFS):  # what a mount point below a read-only folder answers
            raise


def main() -> None:
    """`python -m fixinplace.verify.server ROOT REQUESTS REPLIES`: the folder and the two descriptors to talk over."""
    root, requests, replies = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    server = Server(root, os.fdopen(requests, "r"), os.fdopen(replies, "w"))
    signal.signal(signal.SIGTERM, lambda number, frame: server.leave())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller decides what an interrupt means
    die_with_parent(signal.SIGTERM)
    adopt_orphans()
    server.greet()
    server.serve()


if __name__ == "__main__":
    main()
