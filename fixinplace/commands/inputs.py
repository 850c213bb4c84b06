"""Which files a command works on, under which configuration and rules."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fixinplace import config, files
from fixinplace.config import BadConfig, Config
from fixinplace.model import Analysis, Problem
from fixinplace.pipeline import Narrowing, Result, analyse, whole
from fixinplace.source import Source


@dataclass(frozen=True, slots=True)
class Selection:
    """The options that every command shares: what to look at, and for what."""

    paths: tuple[str, ...] = (".",)
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    config: str | None = None
    stdin_filename: str | None = None

    @property
    def stdin(self) -> bool:
        """True if the source comes from standard input."""
        return self.paths == ("-",)


@dataclass(frozen=True, slots=True)
class Unit:
    """One file that is to be read, with what holds for it."""

    path: str
    config: Config
    enabled: frozenset[str]
    stdin: bool = False

    def read(self) -> Input | Result:
        """The source; the result at once where it cannot be read."""
        source = files.read_stdin(self.path) if self.stdin else files.read(self.path)
        return failed(source) if isinstance(source, Problem) else Input(source, self.config, self.enabled)


@dataclass(frozen=True, slots=True)
class Input:
    """One source with what holds for it; narrowed: which of its findings are offered."""

    source: Source
    config: Config
    enabled: frozenset[str]
    narrowed: Narrowing = whole

    def analysis(self) -> Analysis:
        """Its findings, as they are offered."""
        return self.narrowed(analyse(self.source, self.enabled))


def inputs(selection: Selection) -> Iterator[Input | Result]:
    """Every source in order; for a path that cannot be read, its result at once.  Raises BadConfig before the first."""
    found, unwalked = units(selection)
    return itertools.chain(unwalked, (unit.read() for unit in found))


def units(selection: Selection, walked: list[Path] | None = None) -> tuple[list[Unit], list[Result]]:
    """Every file in order, not yet read, and the results of what cannot be walked.  Raises BadConfig.

    walked: gets the folders that were looked into.
    """
    if "-" in selection.paths and not selection.stdin:
        raise BadConfig("`-` (standard input) stands alone: leave out the other paths")
    if selection.stdin_filename is not None and not selection.stdin:
        raise BadConfig("--stdin-filename needs `-` as the path")
    config.selected(selection.select, selection.ignore)
    nearest = config.Nearest(selection.config)
    if selection.stdin:
        name = selection.stdin_filename or "-"
        found, problems = [name], list[Problem]()
    else:
        found, problems = files.discover(selection.paths, nearest.excludes, walked)
    configs = [(path, nearest(path)) for path in found]
    known = {id(each): enabled(selection, each) for _, each in configs}
    made = [Unit(path, each, known[id(each)], selection.stdin) for path, each in configs]
    return made, [failed(problem) for problem in problems]


def enabled(selection: Selection, nearest: Config) -> frozenset[str]:
    """As with Ruff, `--select` on the command line starts afresh and `--ignore` adds to what is ignored."""
    if selection.select:
        return config.selected(selection.select, selection.ignore)
    return config.selected(nearest.select, (*nearest.ignore, *selection.ignore))


def failed(problem: Problem) -> Result:
    """The result of a file that could not be read."""
    return Result(Analysis(problem.path, problems=(problem,)))
