"""Unified diffs that `git apply` takes, as bytes: whatever the file's encoding, newlines and byte order mark."""

from __future__ import annotations

import difflib
import re
from pathlib import PurePosixPath

from fixinplace.pipeline import Result

_MISSING_NEWLINE = "\n\\ No newline at end of file\n"


def diff(result: Result) -> bytes:
    """The change of one file, empty if there is none; paths carry the prefixes `a/` and `b/`."""
    if result.source is None or not result.changed:
        return b""
    return between(result.analysis.path, result.source.data, result.data)


def between(path: str, old: bytes, new: bytes) -> bytes:
    """The change of a file from some bytes to others."""
    # Latin-1 maps every byte to one character and back: lines are compared and printed as the bytes they are.
    before, after = (data.decode("latin-1") for data in (old, new))
    name = PurePosixPath(path).as_posix().lstrip("/")
    lines = difflib.unified_diff(_lines(before), _lines(after), _header("a", name), _header("b", name))
    return "".join(line if line.endswith("\n") else line + _MISSING_NEWLINE for line in lines).encode("latin-1")


def diff_text(result: Result) -> str:
    """The same as text, for a document that holds text."""
    encoding = result.source.encoding if result.source is not None else "utf-8"
    return diff(result).decode(encoding, errors="replace")


def _lines(text: str) -> list[str]:
    """Lines as git counts them: only a line feed ends one (`str.splitlines` knows eight more)."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _header(prefix: str, name: str) -> str:
    """A path as git reads it: quoted where it holds what would end the line, closed by a tab where it has blanks."""
    raw = f"{prefix}/{name}".encode("utf-8", "surrogateescape").decode("latin-1")
    if any(mark < " " or mark in '"\\' for mark in raw):
        return '"' + "".join(f"\\{ord(m):03o}" if m < " " or m in '"\\' else m for m in raw) + '"'
    return raw + "\t" * (" " in raw)
