"""What a program need not see: in its user's home keys, tokens, histories; sockets on which somebody listens.

Note [What is hidden]
    A run gets a home of its own, so nothing that it does in good faith reads the real one.  There, everything whose
    name begins with a dot, and every file that lies directly in it, is covered; folders with ordinary names may hold
    data that the program is meant to read, and stay.  So does whatever the interpreter and the program come from.

Note [Sockets in the file system]
    Whoever may write to a socket that lies in a folder may ask whoever listens there: a container engine to run
    something as root, an agent to sign.  Neither a network namespace nor landlock is in the way.  So what the system
    lists is covered like a private file; what begins to listen later is not.
"""

from __future__ import annotations

import itertools
import os
import pwd
import sys
from collections.abc import Iterable
from pathlib import Path


def home() -> Path:
    """The real home of the user, whatever the environment says."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def hidden(folder: Path, needed: Iterable[Path]) -> list[Path]:
    """Entries of a home to be covered; `needed`: paths that must stay as they are, with all above and below them."""
    kept = {path for each in needed for path in (each.absolute(), each.resolve())}
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []  # no home, or one that is closed: nothing to cover
    found = []
    for entry in entries:
        private = entry.name.startswith(".") or entry.is_file()
        used = any(path.is_relative_to(entry) for path in kept)
        if private and not used and not entry.is_symlink():
            found.append(entry)
    return found


def sockets() -> list[Path]:
    """Sockets that lie in the file system and that this process sees; see Note [Sockets in the file system]."""
    try:
        rows = Path("/proc/net/unix").read_text(encoding="utf-8", errors="surrogateescape").splitlines()[1:]
    except OSError:
        return []
    named = (row.split(maxsplit=_COLUMNS - 1) for row in rows)
    paths = dict.fromkeys(Path(row[-1]) for row in named if len(row) == _COLUMNS and row[-1].startswith("/"))
    return [path for path in itertools.islice(paths, _SOCKETS) if _is_socket(path)]


_COLUMNS, _SOCKETS = 8, 256


def _is_socket(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:
        return False  # in a folder that is closed to us, and then to the program


def interpreter() -> tuple[Path, ...]:
    """Where this interpreter and everything that it imports from lie."""
    places = (sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path)
    return tuple(Path(each) for each in places if each)
