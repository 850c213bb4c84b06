"""Recorded calls that hold for a file: where their file is, what of it is still there, and how they are replayed."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fixinplace import files
from fixinplace.config import BadConfig, Config
from fixinplace.record import store
from fixinplace.record.store import BadRecording, Recording
from fixinplace.source import Source

if TYPE_CHECKING:
    from fixinplace.verify.jobs import Replay


class Recordings:
    """Files of recorded calls, each read once."""

    def __init__(self) -> None:
        self._known: dict[Path, Recording] = {}
        self._near: dict[Path, Path | None] = {}

    def of(self, path: Path, config: Config) -> Recording | None:
        """What was recorded around a file; raises BadConfig for a file that is no recording.

        It is the one that the configuration names, which must be there, or else the nearest of the usual name upward.
        """
        place = config.root / config.recorded if config.recorded else self._nearest(path.absolute().parent)
        if place is None:
            return None
        if place not in self._known:
            try:
                self._known[place] = store.load(place)
            except BadRecording as error:
                raise BadConfig(str(error)) from error
        return self._known[place]

    def _nearest(self, folder: Path) -> Path | None:
        if folder not in self._near:
            here = folder / store.NAME
            above = self._nearest(folder.parent) if folder != folder.parent else None
            self._near[folder] = here if os.path.isfile(here) else above  # noqa: PTH113 - no error for a closed folder
        return self._near[folder]

    def check(self, inputs: Iterable[tuple[str, Config]]) -> list[str]:
        """Read the recordings of all these files before anything is done; raises BadConfig.

        Returns a sentence for every class or function that is recorded and no longer there.
        """
        gone: list[str] = []
        for path, config in inputs:
            recording = self.of(Path(path), config) if path != "-" else None
            if recording is not None:
                gone += _gone(path, recording)
        return gone


def _gone(path: str, recording: Recording) -> Iterator[str]:
    calls = recording.calls.get(recording.shown(Path(path)), {})
    source = files.read(path) if calls else None
    if not isinstance(source, Source):
        return
    try:
        known = set(_defined(ast.parse(source.part.text), ""))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # its own report says so
    for name, found in calls.items():
        if name not in known:
            count = f"{len(found)} recorded call{'s' if len(found) > 1 else ''}"
            yield f"{files.shown(path)}: {count} of `{name}` skipped: it is no longer there; record again"


def _defined(tree: ast.AST, prefix: str) -> Iterator[str]:
    """Qualified names of classes, functions and methods."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _defined(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.If | ast.Try):
            yield from _defined(node, prefix)


def replays(recording: Recording | None, path: Path) -> list[Replay]:
    """The recorded calls of a file, ready to be run; none where nothing was recorded."""
    from fixinplace.record import replay
    from fixinplace.verify.jobs import Replay

    if recording is None:
        return []
    file = recording.shown(path)
    return [
        Replay(name, *replay.bodies(replay.Called(recording, file, name, call)))
        for name, calls in recording.calls.get(file, {}).items()
        for call in calls
    ]
