"""What `check` printed for a tree that has not changed since: told again before anything else is imported.

Note [What a run has read]
    The output of `check` depends on its words, on the folder, encoding and user that it runs under, on the Python that
    parses, on our own files, and on what it met on the disk: the folders that it walked, the files that it read (also
    those near by, for their imports), ignore and configuration files, and on some of these not being there.  Each of
    them is kept with what the system tells of it (device, inode, size, times of contents and of the inode), or that
    it is absent.  If one differs, everything is read again; nothing is kept of a run that met something younger than
    `FRESH`, which may change once more without a sign, and nothing of one that failed.  An entry is one file of JSON,
    put in place whole, so that runs at the same time do no harm; those that have not been used for long are removed.
"""

from __future__ import annotations

import os
import sys

FRESH = 2_000_000_000
"""Nanoseconds within which two changes may leave the same times, on the coarsest of file systems."""
_KEPT = 64
"""Entries that are kept, those used last."""
_MOST = 500
"""The same figure as in `files.py`, where the imports of folders are read."""
_PASSED_OVER = frozenset(("__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".git"))
"""Folders that come and go with the use of tools, and that hold no modules."""
_FIELDS = ("st_dev", "st_ino", "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns")
_VERSION = 1

Sign = list[int | str] | None
"""What the system tells of a path, and of a folder its list as well, last; None if there is nothing."""
Told = list[tuple[bool, str]]
"""Texts that were printed, and whether to standard error."""


def folder() -> str:
    """Where caches are kept: `$FIXINPLACE_CACHE_DIR`, else `$XDG_CACHE_HOME/fixinplace`, else `~/.cache/fixinplace`."""
    own = os.environ.get("FIXINPLACE_CACHE_DIR")
    if own:
        return own
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH118
    return os.path.join(home, "fixinplace")  # noqa: PTH118 - `pathlib` would cost as much as all the rest


def sign(path: str) -> Sign:
    """What changes with whatever happens to a file or folder; git's own folder need only be there."""
    try:
        told = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    if path.endswith("/.git"):
        return [told.st_mode]
    return [getattr(told, name) for name in _FIELDS]


def _listed(path: str) -> str:
    """The folders and modules in a folder; all of it where there is so much that not all of it is looked at."""
    with os.scandir(path) as entries:
        found = list(entries)
    counted = found if len(found) > _MOST else [each for each in found if each.name.endswith(".py") or each.is_dir()]
    return "\0".join(sorted(each.name for each in counted if each.name not in _PASSED_OVER))


def _is_same(path: str, seen: Sign) -> bool:
    """True for a path as it was; a folder may have got what does not matter, such as a cache."""
    now = sign(path)
    if now is None or seen is None or len(seen) <= len(_FIELDS):
        return now == seen
    return now[:3] == seen[:3] and (now == seen[:-1] or _listed(path) == seen[-1])


def is_kept(words: list[str]) -> bool:
    """True for a command line whose output is kept: `check` of what lies on the disk."""
    return words[:1] == ["check"] and not {"-", "--no-cache", "--help"} & set(words)


def again(words: list[str]) -> int | None:
    """Print what this command line printed last time and return its exit code; None if anything may differ."""
    if not is_kept(words):
        return None
    import json

    file = _file(words)
    try:
        with open(file, encoding="utf-8") as stream:  # noqa: PTH123
            entry = json.load(stream)
        if entry["version"] != _VERSION or not all(_is_same(path, seen) for path, seen in entry["read"]):
            return None
        told, code = [(bool(to_error), str(text)) for to_error, text in entry["told"]], int(entry["code"])
        os.utime(file)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for to_error, text in told:
        _print(text, to_error=to_error)
    return code


def keep(words: list[str], began: int, read: list[str], told: Told, code: int) -> None:
    """Keep what a run printed that began at so many nanoseconds; a cache that cannot be written costs time, no more."""
    import contextlib

    with contextlib.suppress(OSError):
        signs = _signs([*read, *_own()], began)
        if signs is not None:
            _put(_file(words), {"version": _VERSION, "read": signs, "told": told, "code": code})


def _signs(paths: list[str], began: int) -> list[tuple[str, Sign]] | None:
    """The signs of all paths; None if a file is so young that it may change once more without one."""
    signs: list[tuple[str, Sign]] = []
    for path in sorted(set(paths)):
        seen = sign(path)
        young = seen is not None and any(int(time) > began - FRESH for time in seen[4:])
        if seen is not None and os.path.isdir(path) and not path.endswith("/.git"):  # noqa: PTH112
            seen = [*seen[:4], *([0, 0] if young else seen[4:]), _listed(path)]
        elif young:
            return None
        signs.append((path, seen))
    return signs


def _put(file: str, entry: dict[str, object]) -> None:
    import json
    import tempfile

    home = os.path.dirname(file)  # noqa: PTH120
    os.makedirs(home, exist_ok=True)  # noqa: PTH103
    handle, name = tempfile.mkstemp(dir=home, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(entry, stream)
    os.replace(name, file)  # noqa: PTH105
    _tidy(home)


def _tidy(home: str) -> None:
    """Remove all but the entries used last, and what runs that were killed left behind."""
    with os.scandir(home) as entries:
        by_use = sorted(entries, key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in by_use[_KEPT:]:
        os.unlink(entry.path)  # noqa: PTH108


def _file(words: list[str]) -> str:
    """The file of an entry, by all that decides on the output but does not lie on the disk."""
    import hashlib

    user = os.getuid() if hasattr(os, "getuid") else 0
    places = [os.path.realpath(word) for word in words if not word.startswith("-")]
    settings = [*places, os.getcwd(), sys.version, sys.stdout.encoding, str(user), *_homes()]  # noqa: PTH109
    key = "\0".join([*words, "", *settings]).encode("utf-8", "surrogateescape")
    return os.path.join(folder(), "runs", hashlib.sha256(key).hexdigest() + ".json")  # noqa: PTH118


def _homes() -> list[str]:
    """The folders that packages are imported from, our own first."""
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    return [os.path.dirname(os.path.abspath(__file__)), *packages]  # noqa: PTH100, PTH120


def _own() -> list[str]:
    """Our own files, and the folders of packages, whose times change when one is installed."""
    home, *packages = _homes()
    found = list(packages)
    for root, folders, files in os.walk(home):
        folders[:] = [name for name in folders if name != "__pycache__"]
        found += [os.path.join(root, name) for name in files]  # noqa: PTH118
    return found


def _print(text: str, *, to_error: bool) -> None:
    stream = sys.stderr if to_error else sys.stdout
    try:
        stream.buffer.write(text.encode("latin-1"))
        stream.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
