"""`fixinplace record -- COMMAND`: run the user's command, and keep the calls that come by in-place writes."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fixinplace import config, files
from fixinplace.commands import cache, kept, own_tests, workers
from fixinplace.commands.check import analysed
from fixinplace.commands.console import Console
from fixinplace.commands.inputs import Selection, units
from fixinplace.config import BadConfig
from fixinplace.record import merging, running, store
from fixinplace.record.plan import Plan, Watched
from fixinplace.record.store import Recording


@dataclass(frozen=True, slots=True)
class Recorded:
    """The options of `record`: the file that is written, the folder of the project, the configuration.

    append: keep what the file holds already.
    """

    output: str | None = None
    root: str | None = None
    config: str | None = None
    append: bool = False


def record(words: Sequence[str], options: Recorded, console: Console) -> int:
    """Record one command; its exit code.  Raises BadConfig where there is no command, or no file to write to."""
    root = Path(options.root) if options.root is not None else own_tests.project(Path.cwd() / NAME)
    if not root.is_dir():
        raise BadConfig(f"--root {options.root}: there is no such folder")
    path = _place(options, root)
    try:
        command = running.words_of(words)
        old = store.load(path) if path.exists() else None  # what is no recording is not overwritten
    except (running.NoCommand, store.BadRecording) as error:
        raise BadConfig(str(error)) from error
    plan = _plan(root, options.config)
    with tempfile.TemporaryDirectory(prefix="fixinplace-") as folder:
        try:
            code = running.run(command, plan, Path(folder))
        except running.NoCommand as error:
            raise BadConfig(str(error)) from error
        lines, troubles = merging.left(Path(folder))
    made = merging.merged(plan, lines, path, old if options.append else None)
    written = _write(made, path) if made.calls else ""
    console.lines([f"fixinplace: {line}" for line in (*_told(plan, made, path), *troubles)], to_error=True)
    if written:
        raise BadConfig(written)
    return code


NAME = store.NAME


def _place(options: Recorded, root: Path) -> Path:
    """Where the recording goes: what is named, else what the configuration names, else the project's folder."""
    if options.output is not None:
        return Path(options.output)
    nearest = config.Nearest(options.config)(root / NAME)
    return nearest.root / nearest.recorded if nearest.recorded else root / NAME


def _plan(root: Path, named: str | None) -> Plan:
    found, _ = units(Selection((str(root),), config=named))
    plan = Plan(root.absolute())
    work = functools.partial(analysed, store=kept.kept(cache.default()))
    for result in workers.results(work, found, 0):
        if result.source is not None:
            plan.add(result.source, result.analysis.findings)
    return plan


def _write(made: Recording, path: Path) -> str:
    try:
        store.write(made, path)
    except files.NotWritten as error:
        return str(error)
    return ""


def _told(plan: Plan, made: Recording, path: Path) -> list[str]:
    """What came of it, in a few lines."""
    if not plan.files:
        return [f"no in-place write with a fix lies below {files.shown(plan.root)}: nothing was recorded"]
    lines = [
        f"left out {times} of `{name}` in {file}: {why}"
        for file, names in made.left_out.items()
        for name, counts in names.items()
        for why, times in sorted(counts.items())
    ]
    missed = [f"`{name}`" for file, each in plan.files.items() for name in _missed(each, file, made)]
    if missed:
        lines.append(f"not called: {_some(missed)}")
    count = sum(len(calls) for names in made.calls.values() for calls in names.values())
    if not count:
        return [*lines, "nothing was recorded"]
    names = [f"`{name}`" for table in made.calls.values() for name in table]
    return [*lines, f"recorded {count} call{'' if count == 1 else 's'} in {files.shown(path)}: of {_some(names)}"]


def _missed(watched: Watched, file: str, made: Recording) -> list[str]:
    """What was watched and not seen; the `forward` of a module is seen with its class."""
    seen = {*made.calls.get(file, {}), *made.left_out.get(file, {})}
    covered = {f"{name}.{method}" for name in seen for method in ("forward", "__call__")}
    covered |= {name.rpartition(".")[0] for name in seen} | seen
    inside = {name for name in watched.classes if any(each.startswith(f"{name}.") for each in watched.functions)}
    return [name for name in watched.names if name not in covered | (inside - seen)]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


_NAMED = 6
