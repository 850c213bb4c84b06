"""The file of recorded calls: JSON that a person can read and a diff can show, written whole, checked when read.

JSON, not TOML: arguments nest, and hold None, neither of which TOML can say; and Python writes it as well as reads it.
Paths in it are relative to its root, which is relative to the file, so that a clone elsewhere reads the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fixinplace import files
from fixinplace.record import schema

Json = dict[str, Any]
NAME = "fixinplace-calls.json"
_MARK, _VERSION = "recorded calls", 1
_WIDTH = 110
_ABOUT = (
    "Written by `fixinplace record`: shapes, dtypes, scalars and constructors of calls that reach in-place writes, for "
    "`fixinplace fix` to replay. No value of a tensor is in here, but the smallest and largest of integer ones."
)
_IDENTIFIERS = ("imported", "calls", "left_out")


class BadRecording(ValueError):
    """A file that is no recording, or none that this version can read; the message is one line."""


@dataclass(slots=True)
class Recording:
    """root: the folder that paths are relative to. imported: the module as which the run had a file, "" for a script.

    calls: by file and name of what holds a site, the calls of it. left_out: likewise, how often for which reason.
    """

    root: Path
    imported: dict[str, str] = field(default_factory=dict)
    calls: dict[str, dict[str, list[Json]]] = field(default_factory=dict)
    left_out: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)

    def shown(self, path: Path) -> str:
        """A file as the recording names it."""
        return Path(os.path.relpath(os.path.realpath(path), os.path.realpath(self.root))).as_posix()

    def import_path(self, file: str) -> Path:
        """The folder from which the run imported a file of the project."""
        place, module = self.root / file, self.module(file)
        steps = module.count(".") + (place.name == "__init__.py")
        return place.parents[steps]

    def module(self, file: str) -> str:
        """The name by which a file is imported: the run's, if the path has it, else by the packages around it."""
        parts = list(Path(file).with_suffix("").parts)
        parts = parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
        named = self.imported.get(file, "").split(".")
        return ".".join(named) if parts[-len(named) :] == named else parts[-1]

    def import_paths(self) -> tuple[str, ...]:
        """All of these folders."""
        known = dict.fromkeys([*self.imported, *self.calls])
        return tuple(dict.fromkeys(str(self.import_path(file)) for file in known))


def load(path: Path) -> Recording:
    """Read a file; raises BadRecording."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRecording(f"{files.shown(path)}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError) as error:
        raise BadRecording(f"{files.shown(path)}: no recording: it is not valid JSON ({error}){_AGAIN}") from error
    if not isinstance(data, dict) or data.get("fixinplace") != _MARK:
        raise BadRecording(f"{files.shown(path)}: no recording of `fixinplace record`: name another file, or remove it")
    if data.get("version") != _VERSION:
        version = f"{data.get('version')}, and this one reads {_VERSION}"
        raise BadRecording(f"{files.shown(path)}: written in version {version}{_AGAIN}")
    try:
        return _checked(path, data)
    except schema.Wrong as error:
        raise BadRecording(f"{files.shown(path)}: damaged: it holds {error}{_AGAIN}") from error


_AGAIN = "; run `fixinplace record` again"


def _checked(path: Path, data: Json) -> Recording:
    texts = {key: data.get(key, {}) for key in _IDENTIFIERS}
    root = data.get("root")
    if not isinstance(root, str) or not all(isinstance(each, dict) for each in texts.values()):
        raise schema.Wrong("no table of calls")
    if not all(file.endswith(".py") for file in (*texts["imported"], *texts["calls"])):
        raise schema.Wrong("a file that is no Python")
    for module in texts["imported"].values():
        if not isinstance(module, str) or not all(each.isidentifier() for each in module.split(".") if module):
            raise schema.Wrong("a module that is none")
    for names in texts["calls"].values():
        if not isinstance(names, dict) or not all(isinstance(each, list) for each in names.values()):
            raise schema.Wrong("a file without a table of calls")
        for name, calls in names.items():
            if not all(each.isidentifier() for each in name.split(".")):
                raise schema.Wrong(f"`{name}`, which names nothing")
            for call in calls:
                schema.check_call(call)
    _check_reasons(texts["left_out"])
    home = Path(os.path.normpath(path.absolute().parent / root))
    return Recording(home, texts["imported"], texts["calls"], texts["left_out"])


def _check_reasons(files: Json) -> None:
    for names in files.values():
        for counts in names.values() if isinstance(names, dict) else (None,):
            if not isinstance(counts, dict) or not all(type(each) is int for each in counts.values()):
                raise schema.Wrong("reasons that are none")


# --- writing


def write(recording: Recording, path: Path) -> None:
    """Put the file in place whole; raises files.NotWritten."""
    files.put(path, text(recording, path).encode())


def text(recording: Recording, path: Path) -> str:
    """The file's text: what fits on a line stands on one, everything in a fixed order."""
    root = Path(os.path.relpath(recording.root.absolute(), path.absolute().parent)).as_posix()
    document = {
        "fixinplace": _MARK,
        "version": _VERSION,
        "about": _ABOUT,
        "root": root,
        "imported": dict(sorted(recording.imported.items())),
        "calls": recording.calls,
        "left_out": recording.left_out,
    }
    return "\n".join(_lines(document, "", "", 4)) + "\n"


def _lines(value: Any, before: str, after: str, opened: int) -> Iterator[str]:
    """A value with what stands before and behind it; opened: how many levels are never put on one line."""
    whole = json.dumps(value, ensure_ascii=False)
    indent = before[: len(before) - len(before.lstrip())]
    if not value or not isinstance(value, dict | list) or (opened <= 0 and len(before + whole + after) <= _WIDTH):
        yield before + whole + after
        return
    keys = [f"{json.dumps(key, ensure_ascii=False)}: " for key in value] if isinstance(value, dict) else []
    items = list(value.values()) if isinstance(value, dict) else value
    yield before + ("{" if keys else "[")
    for number, each in enumerate(items, start=1):
        comma = "," if number < len(items) else ""
        yield from _lines(each, indent + " " + (keys[number - 1] if keys else ""), comma, opened - 1)
    yield indent + ("}" if keys else "]") + after
