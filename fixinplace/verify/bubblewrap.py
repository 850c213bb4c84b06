"""Bubblewrap: the fork server and all below it see a machine of which one folder may be written.

Note [One bubblewrap for all runs]
    What starts inside is the server, once; the children that it forks go on to make namespaces of their own, to obey
    landlock and limits, and to cover the home, as without.  On two busy cores, in turn: a server in bubblewrap is ready
    in 1.7 to 2.2 s, one without in 1.8 to 2.5 s (torch's import; bubblewrap's own share is 0.01 to 0.03 s); a run takes
    0.045 s at best in either, and 0.085 s in the median of 117; the trial takes 0.04 s, once per process.

Note [What bubblewrap adds to landlock]
    Process ids: whatever a program has started ends with the server, and no other process can even be named.
    Devices: null, zero, full, random, tty and the GPU's are all there is.  The network: landlock knows TCP only, and a
    namespace of the child's own may be refused.  And kernels without landlock get a sandbox at all.  Sockets that lie
    in the file system are covered here already: inside, the list of the system's sockets is that of another network.

Note [Root in bubblewrap]
    Without `--unshare-user` and `--cap-drop`, bubblewrap leaves root its capabilities, and one remount makes everything
    writable again.  Kept is CAP_SETFCAP: without it the kernel (5.12 and later) lets no child map the user 0 in a
    namespace of its own.  Others than root keep none anyway, and a bubblewrap that is setuid refuses them the options.

Note [Who removes the folder]
    The folder of the server is a mount point inside, which cannot be removed from inside.  When its caller is gone the
    server empties it and ends with 0; the shell that waits outside then removes what is an empty folder, nothing else.
    The shell dies with nobody: where it is killed, `--die-with-parent` takes bubblewrap and the server along.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fixinplace.verify import secrets

_PATIENCE = 10.0
"""Seconds that the trial may take; a machine under load needs more than the 0.05 s."""

_SHELL = ("/bin/sh", "-c", '"$@" && rmdir -- "$0"')
_TRIAL = """
import os, socket
def closed(path):
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
inside = closed("/") and closed("/dev") and not closed(".") and len(socket.if_nameindex()) == 1 and os.getppid() == 1
raise SystemExit(not inside)
"""
"""Ends with 0 where writes, network and processes are confined; a program that only bears the name is found out."""


def find() -> str | None:
    """Path of a bubblewrap that confines what it runs on this machine; None where there is none."""
    found = shutil.which("bwrap") if sys.platform == "linux" else None
    return found if found is not None and _works(str(Path(found).absolute())) else None


def inside(program: str, folder: Path, command: Sequence[str]) -> list[str]:
    """The command in a bubblewrap in which `folder` alone may be written; see Note [Who removes the folder]."""
    return [*_SHELL, str(folder), *_confined(program, folder.resolve()), *command]


def _confined(program: str, folder: Path) -> list[str]:
    gpus = [word for path in sorted(Path("/dev").glob("nvidia*")) for word in ("--dev-bind", str(path), str(path))]
    capabilities = ["--cap-drop", "ALL", "--cap-add", "CAP_SETFCAP"] if os.getuid() == 0 else []
    return [
        program,
        *("--ro-bind", "/", "/", "--dev", "/dev", *gpus, "--proc", "/proc"),
        *(word for path in secrets.sockets() for word in ("--ro-bind", os.devnull, str(path))),
        *("--bind", str(folder), str(folder), "--remount-ro", "/dev"),  # the folder may lie in /dev/shm
        *("--unshare-user", "--unshare-net", "--unshare-pid", "--unshare-ipc", *capabilities),
        *("--die-with-parent", "--new-session", "--"),
    ]


@functools.cache
def _works(program: str) -> bool:
    """Try it with the options of the server and this interpreter."""
    with tempfile.TemporaryDirectory(prefix="fixinplace-") as folder:
        command = [*_confined(program, Path(folder).resolve()), sys.executable, "-I", "-S", "-c", _TRIAL]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                start_new_session=True,
            )
        except OSError:  # a file that the system cannot execute
            return False
        try:
            return process.wait(_PATIENCE) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
