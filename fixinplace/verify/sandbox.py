"""What a child may do: limits, an empty environment, no foreign descriptors, no network, writes to the scratch only.

Note [A copy of the tree]
    A program finds its folder as it is and may write into it: folders are made anew, small files are copied, so that
    it can append to a log and replace a checkpoint.  Larger files are data, linked and therefore read-only.  Python
    files are linked, so that their real paths lead to the texts that stand in for them.  Runs in
    place get the folder itself and the user's variables, for programs that need more than a copy of the folder has.

Every function from `enter` on changes the calling process for good; they are called in a freshly forked child, in the
order of `enter`, before any of the user's code is loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import math
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fixinplace.verify import landlock, modes, secrets
from fixinplace.verify.jobs import Limits
from fixinplace.verify.processes import die_with_parent

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x40000000
_MS_RDONLY, _MS_NOSUID_NODEV, _MS_REMOUNT, _MS_BIND, _MS_REC_PRIVATE = 0x1, 0x2 | 0x4, 0x20, 0x1000, 0x4000 | 0x40000
_KEPT_FLAGS = _MS_NOSUID_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME if sys.platform == "linux" else 0
_ENTRIES, _FOLDERS, _SMALL = 2_000, 200, 1 << 20
_WHOLE = frozenset({".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache"})
"""Folders that are linked as a whole."""
_HEADROOM = 512 << 20  # what our own records may take on top of the user's memory


@dataclass(frozen=True, slots=True)
class Scratch:
    """The folders of one run: `work` is the current directory, `home` HOME and TMPDIR, `out` takes the records."""

    root: Path

    @property
    def work(self) -> Path:
        """Current directory of the run."""
        return self.root / "work"

    @property
    def home(self) -> Path:
        """HOME and TMPDIR of the run."""
        return self.root / "home"

    @property
    def out(self) -> Path:
        """Where the run leaves its records."""
        return self.root / "out"

    def create(self, beside: Path, in_place: bool = False) -> None:
        """Make the folders, and lay out the folder `beside` in `work`, or lead there; see Note [A copy of the tree]."""
        for folder in (self.home, self.out):
            folder.mkdir(parents=True)
        if in_place:
            self.work.symlink_to(beside.absolute())
        else:
            lay_out(beside, self.work)


def lay_out(source: Path, target: Path) -> None:
    """Make `target` look like the folder `source`, in `_ENTRIES` entries at most; see Note [A copy of the tree]."""
    left = _ENTRIES
    todo = [(source, target)]
    for folder, copy in todo:  # grows while it is walked: what lies nearest comes first
        copy.mkdir(parents=True)
        try:
            entries = sorted(folder.iterdir())
        except OSError:  # absent, or closed to us: the program will find an empty folder
            continue
        for entry in entries:
            left -= 1
            own = entry.is_dir() and not entry.is_symlink() and entry.name not in _WHOLE
            if own and left > 0 and len(todo) < _FOLDERS:
                todo.append((entry, copy / entry.name))
            elif entry.name != "__pycache__":
                _lay(entry, copy / entry.name)


def _lay(entry: Path, target: Path) -> None:
    """A copy of a small file that a program may want to replace; a link to everything else."""
    try:
        small = entry.suffix != ".py" and entry.is_file() and entry.stat().st_size <= _SMALL
        if small:
            shutil.copyfile(entry, target)
            return
    except OSError:  # not ours to read: a link fails the program where it would fail anyway
        target.unlink(missing_ok=True)
    target.symlink_to(entry)


def enter(
    scratch: Scratch,
    limits: Limits,
    abi: int,
    environment: Mapping[str, str],
    in_place: bool,
    needed: tuple[Path, ...] = (),
) -> None:
    """Turn this forked child into one that can run user code; `abi` 0 leaves landlock out.

    needed: what the program comes from, which is not hidden; see Note [What is hidden] in `secrets.py`.
    """
    private_home = secrets.home()
    known = (*secrets.interpreter(), *needed, scratch.root)
    covered = [] if in_place else [*secrets.hidden(private_home, known), *secrets.sockets()]
    os.setsid()
    die_with_parent(signal.SIGKILL)
    os.nice(5)  # the server must win the processor when it ends a tree that keeps forking
    _streams(scratch.out)
    _environment(scratch.home, environment)
    private = _namespaces(limits.memory, covered, None if abi else scratch)
    os.chdir(scratch.work)
    _limits(limits)
    if abi:
        own = (scratch.work.resolve(),) if in_place else ()
        gpus = _gpus()
        threads = (Path("/proc/self/task"),) if gpus else ()  # the driver names the threads that it starts
        landlock.restrict(abi, (scratch.root, *own, *private, *threads), (Path(os.devnull), *gpus))
        if not in_place:
            modes.leave()


def _gpus() -> tuple[Path, ...]:
    """The device files that CUDA writes to: without them, and `comm` of its threads, it finds no GPU (error 304)."""
    return tuple(path for path in sorted(Path("/dev").glob("nvidia*")) if path.is_char_device())


def _streams(out: Path) -> None:
    """stdin from nowhere, stdout and stderr into files, every other descriptor closed."""
    sources = (Path(os.devnull), out / "stdout", out / "stderr")
    flags = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_APPEND, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, (source, flag) in enumerate(zip(sources, flags, strict=True)):
        descriptor = os.open(source, flag, 0o600)
        os.dup2(descriptor, number)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.FileIO(0, "r", closefd=False), encoding="utf-8")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _writer(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2)  # type: ignore[misc]


def _writer(number: int) -> io.TextIOWrapper:
    raw = io.FileIO(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _environment(home: Path, own: Mapping[str, str]) -> None:
    """Next to nothing, or the user's own variables; what makes runs comparable is set in both."""
    path = os.environ.get("PATH", os.defpath)
    os.environ.clear()
    os.environ.update(own or {"PATH": path, "HOME": str(home)})
    os.environ.update(
        TMPDIR=str(home),
        LANG="C.UTF-8",
        OMP_NUM_THREADS="1",
        PYTHONHASHSEED="0",
        PYTHONDONTWRITEBYTECODE="1",
        TORCHDYNAMO_DISABLE="1",  # what is proved is the program as written, not as compiled
    )
    tempfile.tempdir = None  # the server may have looked it up in its own environment


def _limits(limits: Limits) -> None:
    """Address space counts only where torch is not built for CUDA, whose driver reserves more than any machine has."""
    seconds = math.ceil(limits.seconds) + 1
    _lower(resource.RLIMIT_CPU, seconds)
    _lower(resource.RLIMIT_FSIZE, limits.file_size)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 1024)
    _lower(resource.RLIMIT_DATA, _used("VmData") + limits.memory + _HEADROOM)
    if "torch" in sys.modules and sys.modules["torch"].version.cuda is None:
        _lower(resource.RLIMIT_AS, _used("VmSize") + limits.memory + _HEADROOM)


def _lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (bound, bound))


def _used(field: str) -> int:
    """Bytes of this process by the name of a line in /proc/self/status; 0 where there is no such file."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    rows = (line.split() for line in status.read_text().splitlines())
    return next((int(row[1]) * 1024 for row in rows if row and row[0] == f"{field}:"), 0)


def _namespaces(memory: int, covered: Sequence[Path] = (), unguarded: Scratch | None = None) -> tuple[Path, ...]:
    """A network without any interface, a private /dev/shm and a covered home, where users may make namespaces.

    unguarded: the run's folders, where no landlock will keep it from the records of other runs beside them.
    Landlock alone refuses TCP only; without an interface UDP is refused as well.  Returns the folders that became
    private and may therefore be written.
    """
    if sys.platform != "linux":
        return ()
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWNS) != 0:
        return ()
    maps = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
    with contextlib.suppress(PermissionError):  # as AppArmor has it: the network is gone, the ids are unknown
        for name, text in maps.items():
            Path("/proc/self", name).write_text(text)
    shared = Path("/dev/shm")
    if not shared.is_dir() or libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None) != 0:
        return ()
    for entry in covered:
        _cover(libc, entry)
    if unguarded is not None:
        _keep_records(libc, unguarded)
    options = f"size={memory}".encode()
    mounted = libc.mount(b"tmpfs", str(shared).encode(), b"tmpfs", _MS_NOSUID_NODEV, options) == 0
    return (shared,) if mounted else ()


def _keep_records(libc: ctypes.CDLL, scratch: Scratch) -> None:
    """Close the server's folder to writes, all but the scratch folder in it, by a read-only mount over itself.

    The flags that the mount has must be named again: dropping one is refused in a namespace of one's own.
    """
    whole, own = str(scratch.root.parent).encode(), str(scratch.root).encode()
    kept = os.statvfs(scratch.root.parent).f_flag & _KEPT_FLAGS
    for place in (whole, own):
        libc.mount(place, place, None, _MS_BIND, None)
    libc.mount(None, whole, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | kept, None)


def _cover(libc: ctypes.CDLL, entry: Path) -> None:
    """Put an empty folder over a folder, nothing over a file; what cannot be covered stays readable."""
    place = str(entry).encode()
    if entry.is_dir():
        libc.mount(b"tmpfs", place, b"tmpfs", _MS_NOSUID_NODEV | _MS_RDONLY, b"size=4k,mode=0555")
    else:
        libc.mount(b"/dev/null", place, None, _MS_BIND, None)
