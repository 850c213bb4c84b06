"""The server's process tree: orphans come to the server, and all of it can be ended.

Note [Whose orphans]
    A program may start a process that starts its own session and outlives its parent; neither a process group nor a
    session reaches it.  The server is therefore a child subreaper (prctl(2)): an orphan below it becomes its child,
    so that everything a run has started hangs below the server until it is killed and reaped here.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Container
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(number: int) -> None:
    """Have the kernel send this process the signal when its parent ends (Linux only)."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Make this process the parent of every orphan below it (Linux only)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def descendants(root: int, without: Container[int] = ()) -> list[int]:
    """Ids of all processes below `root`, children before grandchildren.

    without: processes that are left out with all below them, also with what they start while this is looked up.
    """
    found = _other(_children(root), without)
    for pid in found:  # grows while it is walked
        found += _other(_children(pid), without)
    return found


def _other(pids: list[int], without: Container[int]) -> list[int]:
    return [pid for pid in pids if pid not in without]


def end_all(root: int) -> None:
    """Kill and reap everything below `root`, which must be the calling process.

    Repeats until nothing is left: a process may have forked between the listing and its death.
    """
    while below := descendants(root):
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if not _reap():
            time.sleep(0.0005)  # they are dying; give them the processor


def _reap() -> int:
    """Number of ended children collected."""
    count = 0
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            count += 1
    except ChildProcessError:
        return count
    return count


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        texts = [(task / "children").read_text() for task in tasks]
    except FileNotFoundError:
        return _children_by_scan(pid) if Path(f"/proc/{pid}").exists() else []
    except ProcessLookupError:
        return []
    return [int(word) for text in texts for word in text.split()]


def _children_by_scan(pid: int) -> list[int]:
    """The same where the kernel was built without the `children` files."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(status.rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found
