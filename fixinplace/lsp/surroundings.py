"""What processes of the server find around them."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path


def environment() -> dict[str, str]:
    """The editor's own, and where this package lies."""
    package = str(Path(__file__).parents[2])
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != package]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, package])}


def own_folder() -> Path:
    """The name of a folder for the pages of rules that no other server has."""
    return Path(tempfile.gettempdir(), f"fixinplace-rules-{secrets.token_hex(8)}")


def is_running(pid: int) -> bool:
    """True if there is such a process, be it ours or somebody else's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
