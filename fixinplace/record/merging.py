"""What the processes of a run have left, put together, in an order that no scheduler changes.

Note [Which calls are kept]
    Of each function `MOST` calls, since each of them is run in several ways for every proof.  First come those of
    training mode and of evaluation mode in turn, among them small ones first: small calls prove as much and cost less,
    and size and text of a call depend neither on threads nor on how the work was divided.  A file over `LARGEST`
    characters keeps half as many of each, and so on.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fixinplace.record.hook.bounds import shape, tensors, widen
from fixinplace.record.plan import Plan
from fixinplace.record.store import Recording, text

Json = dict[str, Any]
MOST, LARGEST = 8, 1_000_000


def left(folder: Path) -> tuple[list[Json], list[str]]:
    """Every line that the processes of a run have left in a folder, and what went wrong in the recorder itself."""
    lines: list[Json] = []
    for part in sorted(folder.glob("*.jsonl")):
        for line in part.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):  # the last one of a process that was killed may be cut
                lines.append(json.loads(line))
    troubles = sorted({each["trouble"] for each in lines if "trouble" in each})
    return [each for each in lines if "trouble" not in each], troubles


def merged(plan: Plan, lines: Iterable[Json], path: Path, old: Recording | None = None) -> Recording:
    """The recording that is to stand in `path`; old: what it is added to."""
    found: dict[tuple[str, str], dict[str, Json]] = {}
    reasons: dict[tuple[str, str], dict[str, int]] = {}
    imported: dict[str, str] = {}
    for line in itertools.chain(_lines_of(old), lines):
        file, name = line["function"]
        if "left_out" in line:
            counts = reasons.setdefault((file, name), {})
            counts[line["left_out"]] = counts.get(line["left_out"], 0) + line.get("times", 1)
            continue
        imported |= line["imported"]
        call = line["call"]
        known = found.setdefault((file, name), {}).setdefault(shape(call), call)
        if known is not call:
            widen(known, call)
    recording = Recording(plan.root, imported)
    for file in sorted({file for file, _ in (*found, *reasons)}):
        for table, counted in ((recording.calls, found), (recording.left_out, reasons)):
            own = {name: counted[file, name] for name in _names(plan, file, counted)}
            if own:
                table[file] = own  # type: ignore[assignment]
    return _bounded(recording, path)


def _names(plan: Plan, file: str, table: Iterable[tuple[str, str]]) -> list[str]:
    """The names that a table has of a file, in the order of the source."""
    watched = plan.files[file].names if file in plan.files else ()
    here = [name for each, name in table if each == file]
    return sorted(here, key=lambda name: (watched.index(name) if name in watched else len(watched), name))


def _lines_of(old: Recording | None) -> Iterator[Json]:
    if old is None:
        return
    for file, names in old.calls.items():
        for name, calls in names.items():
            yield from ({"function": (file, name), "call": call, "imported": old.imported} for call in calls)
    for file, reasons in old.left_out.items():
        for name, counts in reasons.items():
            yield from ({"function": (file, name), "left_out": why, "times": times} for why, times in counts.items())


def _bounded(recording: Recording, path: Path) -> Recording:
    every = {file: {name: _ordered(calls.values()) for name, calls in names.items()}  # type: ignore[attr-defined]
             for file, names in recording.calls.items()}  # fmt: skip
    most = MOST
    while True:
        recording.calls = {file: {name: calls[:most] for name, calls in names.items()} for file, names in every.items()}
        if most == 1 or len(text(recording, path)) <= LARGEST:
            return recording
        most //= 2


def _ordered(calls: Iterable[Json]) -> list[Json]:
    """See Note [Which calls are kept]."""
    ranked = sorted(calls, key=lambda call: (_size(call), json.dumps(call, sort_keys=True)))
    modes = [[call for call in ranked if call.get("training", True) is mode] for mode in (True, False)]
    turns = itertools.zip_longest(*modes)
    return [call for turn in turns for call in turn if call is not None]


def _size(call: Json) -> int:
    """Elements of all tensors of a call."""
    return sum(math.prod(each["tensor"]) for each in tensors(call))
