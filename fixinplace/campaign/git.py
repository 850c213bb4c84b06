"""What git says about the files of a campaign; nothing is changed, and a folder without git is none of its business."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path


class Repositories:
    """Finds the working tree that a file lies in; asks git once per folder."""

    def __init__(self) -> None:
        self._tops: dict[Path, Path | None] = {}

    def top(self, path: str | Path) -> Path | None:
        """Root of the working tree that holds the file, None outside of any and where there is no git."""
        folder = Path(path).absolute().parent
        if folder not in self._tops:
            known = next((self._tops[each] for each in folder.parents if each in self._tops), None)
            nested = (folder / ".git").exists()
            self._tops[folder] = known if known is not None and not nested else _top(folder)
        return self._tops[folder]


def _top(folder: Path) -> Path | None:
    answer = _git(folder, "rev-parse", "--show-toplevel")
    return Path(answer.decode(errors="surrogateescape").rstrip("\n")) if answer else None


def dirt(paths: Iterable[str], repositories: Repositories) -> list[Path]:
    """Files that git could not bring back: changed tracked files of every tree involved, and untracked ones of `paths`.

    A change that the campaign does not touch counts as well: in review the two could not be told apart.
    """
    ours: dict[Path, set[Path]] = {}
    for path in paths:
        top = repositories.top(path)
        if top is not None:
            ours.setdefault(top, set()).add(Path(path).resolve())
    return [path for top, files in ours.items() for path in _changed(top, files)]


def _changed(top: Path, files: set[Path]) -> list[Path]:
    """Entries of `git status --porcelain=v2 -z`; a renamed file (`2`) is followed by its former name."""
    entries = iter(_git(top, "status", "--porcelain=v2", "-z", "--untracked-files=all").split(b"\0"))
    found: list[Path] = []
    for entry in entries:
        kind, fields = entry[:1], {b"1": 8, b"2": 9, b"u": 10, b"?": 1}.get(entry[:1], 0)
        if not fields:
            continue
        path = top / entry.split(b" ", fields)[fields].decode(errors="surrogateescape")
        if kind == b"2":
            next(entries, None)
        if kind != b"?" or path.resolve() in files:
            found.append(path)
    return found


def _git(folder: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=False)
    except OSError:  # no git on this machine: then nothing here is under its care
        return b""
    return done.stdout if done.returncode == 0 else b""
