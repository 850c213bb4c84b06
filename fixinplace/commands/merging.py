"""`fixinplace merge-reports`: the reports of several shards as one."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fixinplace.campaign import rows
from fixinplace.commands.console import Console
from fixinplace.commands.migrate import told
from fixinplace.config import BadConfig
from fixinplace.report import campaign as report
from fixinplace.report import text
from fixinplace.report.summary import code

Json = dict[str, Any]


def merge_reports(out: str, folders: Sequence[str], console: Console, exit_zero: bool = False) -> int:
    """One report of several, in the order of the paths; the exit code that all of it earns.  Raises BadConfig."""
    if Path(out).resolve() in [Path(folder).resolve() for folder in folders]:
        raise BadConfig(f"{out}: a merged report needs a folder of its own")
    read = [_read(folder) for folder in folders]
    about, missing = _agreed([about for about, _ in read], folders)
    try:
        report.write(Path(out), about, _merged(read, folders))
    except report.NoJinja as error:
        raise BadConfig(str(error)) from error
    except (OSError, ValueError, KeyError) as error:
        raise BadConfig(f"{out}: {error}") from error
    summary = rows.count(told(report.read(Path(out))[1], console))
    console.lines(text.fix_summary(summary, dry=about["dry"]), to_error=True)
    console.lines((f"shard {each} is missing" for each in missing), to_error=True)
    console.lines([f"report {Path(out) / 'index.html'}"], to_error=True)
    return max(
        code(summary, dry=about["dry"], exit_zero=exit_zero), int(bool(missing or about["left"]) and not exit_zero)
    )


def _read(folder: str) -> tuple[Json, Iterator[Json]]:
    try:
        about, found = report.read(Path(folder))
        about["options"]["shard"], about["left"], about["dry"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadConfig(f"{folder}: no report of `fixinplace migrate --report` lies there ({error})") from error
    return about, found


def _agreed(abouts: Sequence[Json], folders: Sequence[str]) -> tuple[Json, list[str]]:
    """What is said about the whole campaign, and the shards that are missing."""
    first = {**abouts[0]["options"], "shard": None}
    of: dict[tuple[int, int], str] = {}
    for about, folder in zip(abouts, folders, strict=True):
        if {**about["options"], "shard": None} != first or about["dry"] != abouts[0]["dry"]:
            raise BadConfig(f"{folders[0]} and {folder} come from campaigns with different options")
        shard = tuple(about["options"]["shard"])
        if shard in of:
            raise BadConfig(f"{of[shard]} and {folder} are the same shard, {shard[0]}/{shard[1]}")
        of[shard] = folder
    total = abouts[0]["options"]["shard"][1]
    if any(shard[1] != total for shard in of):
        raise BadConfig("the reports come from campaigns that were divided differently")
    missing = [f"{number}/{total}" for number in range(1, total + 1) if (number, total) not in of]
    about = {**abouts[0], "options": {**first, "shard": [1, 1]}, "left": sum(each["left"] for each in abouts)}
    return about, missing


def _merged(read: Sequence[tuple[Json, Iterator[Json]]], folders: Sequence[str]) -> Iterator[Json]:
    def of(folder: str, found: Iterable[Json]) -> Iterator[tuple[tuple[str, ...], str, Json]]:
        return ((Path(row["path"]).parts, folder, row) for row in found)

    streams = (of(folder, found) for (_, found), folder in zip(read, folders, strict=True))
    last: tuple[tuple[str, ...], str] | None = None
    for parts, folder, row in heapq.merge(*streams, key=lambda each: each[0]):
        if last is not None and last[0] == parts:
            raise BadConfig(f"{row['path']} is in {last[1]} and in {folder}")
        last = parts, folder
        yield row
