"""Which files are the user's and which the interpreter's or installed, by their paths alone; without torch."""

from __future__ import annotations

import sysconfig
from pathlib import Path

_NAMES = ("stdlib", "platstdlib", "purelib", "platlib")
FOREIGN = tuple({f"{sysconfig.get_path(name)}/" for name in _NAMES} | {f"{Path(__file__).parents[1]}/", "<"})


def is_foreign(path: str) -> bool:
    """True for code of the interpreter, of installed packages (also of an environment inside a project), and ours."""
    return path.startswith(FOREIGN) or "/site-packages/" in path or "/dist-packages/" in path
