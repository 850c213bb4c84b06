"""The processes of a server, by the kernel's own lists."""

from __future__ import annotations

import time
from pathlib import Path

from editing import Editor

from fixinplace.verify.processes import descendants as below


def descendants(pid: int) -> list[int]:
    """Processes below one, by the kernel's own list, but for those that only look at texts."""
    looking = analysts(pid)
    return [each for each in below(pid) if each not in looking]


def analysts(pid: int) -> list[int]:
    """The processes below a server that look at texts."""
    return [each for each in below(pid) if b"fixinplace.lsp.analyst" in _command(each)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def running(client: Editor, count: int = 3) -> list[int]:
    """The processes that run a program, once there are so many: the child, its fork server, the program."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        client.pump(0.1)
        if len(found := descendants(client.process.pid)) >= count:
            return found
    raise TimeoutError(str(found))


def ends(pids: list[int], seconds: float = 20) -> bool:
    """True once none of the processes is there any more."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not [pid for pid in pids if _lives(pid)]:
            return True
        time.sleep(0.05)
    return False


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
