"""Analyses of files by what they were made from, in the user's cache folder: what `check` need not work out again.

Note [What an analysis is made from]
    An analysis is a pure function of the file's bytes, the rules that are on, and whether a file near by imports it
    (`Source.imported`); of our own code, the Python that parses and the package that edits.  All of these make the key,
    and nothing else does: the path stands in reports only.  Each entry is a file of JSON, put in place whole.
    What met a failure of ours is not kept.  Entries that were not used for a month are removed, once a day.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from fixinplace.model import (
    Analysis,
    Certainty,
    Edit,
    Finding,
    Fix,
    Keeper,
    Problem,
    Refused,
    Related,
    Site,
    Span,
)
from fixinplace.source import Source

_DAY = 24 * 3600.0
_MONTH = 30 * _DAY
_FAILED = "FIP904"


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of analyses; `tool` says which code made them."""

    folder: Path
    tool: str

    def get(self, source: Source, enabled: frozenset[str]) -> Analysis | None:
        """The analysis of a source under these rules; None if it is not there whole."""
        file = self._file(source, enabled)
        try:
            found = analysis(json.loads(file.read_text(encoding="utf-8")), source.path)
            os.utime(file)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found

    def put(self, source: Source, enabled: frozenset[str], made: Analysis) -> None:
        """Keep an analysis; a cache that cannot be written costs time, nothing else."""
        if any(problem.rule == _FAILED for problem in made.problems):
            return
        file = self._file(source, enabled)
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(asdict(made), stream)
            Path(name).replace(file)

    def tidy(self) -> None:
        """Remove what was not used for a month, at most once a day."""
        stamp = self.folder / "tidied"
        with contextlib.suppress(OSError):
            if stamp.exists() and time.time() - stamp.stat().st_mtime < _DAY:
                return
            self.folder.mkdir(parents=True, exist_ok=True)
            stamp.touch()
            for file in self.folder.glob("??/*"):
                if time.time() - file.stat().st_mtime > _MONTH:
                    file.unlink()

    def _file(self, source: Source, enabled: frozenset[str]) -> Path:
        said = "\0".join([self.tool, str(source.imported), *sorted(enabled), ""]).encode()
        key = hashlib.sha256(said + source.data).hexdigest()
        return self.folder / key[:2] / f"{key[2:]}.json"


def kept(folder: Path) -> Kept:
    """The analyses that the code at hand has made, or may make."""
    digest = hashlib.sha256()
    for file in sorted(_code()):
        digest.update(file.read_bytes())
    with contextlib.suppress(metadata.PackageNotFoundError):
        digest.update(metadata.version("libcst").encode())
    return Kept(folder / "files", f"{digest.hexdigest()} {sys.version}")


def _code() -> Iterator[Path]:
    """Our own files: code, and tables that it reads."""
    for root, folders, files in os.walk(Path(__file__).parent.parent):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(root, name) for name in files)


# --- from JSON


def analysis(data: dict[str, Any], path: str) -> Analysis:
    """An analysis from what `asdict` made of it; raises KeyError or TypeError for anything else."""
    problems = tuple(replace(Problem(**each), path=path) for each in data["problems"])
    findings, suppressed = (tuple(map(_finding, data[name])) for name in ("findings", "suppressed"))
    return Analysis(path, findings, suppressed, problems)


def _finding(data: dict[str, Any]) -> Finding:
    site, outcome = data["site"], data["outcome"]
    place = replace(
        Site(**site),
        span=Span(**site["span"]),
        statement=Span(**site["statement"]),
        certainty=Certainty(site["certainty"]),
    )
    related = tuple(Related(**{**each, "span": Span(**each["span"])}) for each in data["related"])
    decided = _fix(outcome) if "edits" in outcome else Refused(**outcome)
    return Finding(**{**data, "site": place, "outcome": decided, "related": related})


def _fix(data: dict[str, Any]) -> Fix:
    if data["ruling"] is not None:
        raise TypeError("an analysis holds no verdicts")
    texts = {name: tuple(data[name]) for name in ("doubts", "assumes", "excused")}
    edits = tuple(Edit(Span(**each["span"]), each["text"]) for each in data["edits"])
    keepers = tuple(Keeper(**{**each, "at": Span(**each["at"])}) for each in data["keepers"])
    return Fix(**{**data, **texts, "edits": edits, "keepers": keepers})
