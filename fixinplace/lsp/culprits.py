"""What a run told: who wrote, who had saved, who needed; kept for the texts that ran."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file: 1-based lines and code-point columns, the end exclusive as far as it is known."""

    path: Path
    line: int
    column: int
    end_line: int
    end_column: int
    message: str


@dataclass(frozen=True, slots=True)
class Culprit:
    """What wrote, under a rule, with what else explains it."""

    rule: str
    message: str
    spot: Spot
    related: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The culprits of one file, which hold while its text is what ran."""

    text: str
    culprits: tuple[Culprit, ...]


def read(document: Json, folder: Path) -> list[Culprit]:
    """The culprits in the document that `repair` prints, whose paths are relative to `folder`."""
    found = []
    for each in document["culprits"]:
        spot = _spot(each["culprit"], folder, each["message"])
        if spot is None:
            continue
        others = (
            _spot(each["save"], folder, "saved here for backward"),
            _spot(each["backward"], folder, "needed here"),
        )
        related = tuple(other for other in others if other is not None)
        found.append(Culprit(each["rule"], each["message"], spot, related))
    return found


def _spot(data: Json | None, folder: Path, message: str) -> Spot | None:
    if data is None:
        return None
    line, column, end = data["line"], data["column"] or 1, data["end"]
    end_line, end_column = end["line"] or line, end["column"] or column
    return Spot((folder / data["file"]).absolute(), line, column, end_line, end_column, message)


_FRAME = re.compile(
    r'^\s*(?:\[rank\d+\]:\s*)?(?:#\s*)?File "(?P<file>[^"\n]+)", line \d+, in (?P<name>\S+)', re.MULTILINE
)
_HEAD = "Traceback (most recent call last)"


def script_of(text: str) -> str | None:
    """The script that a traceback began in, None for a text that is none.

    That is the outermost frame of a module's own level in a real file: `python -m` and `runpy` have frozen ones above.
    A selection may have left out the head line, and launchers put a mark before each (`[rank0]: `).
    """
    _, head, rest = text.partition(_HEAD)
    frames = [(match["file"], match["name"]) for match in _FRAME.finditer(rest if head else text)]
    real = [(file, name) for file, name in frames if not file.startswith("<")]
    return next((file for file, name in real if name == "<module>"), real[0][0] if real else None)


def summary(document: Json, culprits: list[Culprit]) -> str:
    """One or two sentences about a run, for a message."""
    if not culprits:
        status = {"clean": "it ran, and no backward met an overwritten tensor"}.get(
            document["status"], "no culprit found"
        )
        failure = f"; the program failed: {document['failure']}" if document["failure"] else ""
        return f"{document['target']}: {status}{failure}"
    first = culprits[0]
    where = "; ".join(f"{each.message}: {each.path.name}:{each.line}" for each in first.related)
    more = f" (and {len(culprits) - 1} more)" if len(culprits) > 1 else ""
    return f"{first.spot.path.name}:{first.spot.line} {first.message}; {where}{more}"


def by_file(culprits: list[Culprit]) -> Mapping[Path, tuple[Culprit, ...]]:
    """The culprits of each file."""
    return {path: tuple(c for c in culprits if c.spot.path == path) for path in {c.spot.path for c in culprits}}
