"""`fixinplace check`: static only, nothing is run."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from pathlib import Path

from fixinplace import files, pipeline, warm
from fixinplace.commands import cache, kept, workers
from fixinplace.commands.console import Console
from fixinplace.commands.inputs import Selection, Unit, units
from fixinplace.commands.kept import Kept
from fixinplace.commands.reporting import Reporter, Reporting
from fixinplace.pipeline import Result

_PASSING = ("FIP902", "FIP904")
"""Problems that may be gone when the same files are read again."""


def check(
    selection: Selection, reporting: Reporting, console: Console, jobs: int = 1, words: list[str] | None = None
) -> int:
    """Analyse and report every file; the exit code.  Raises BadConfig.

    words: the command line under which what is printed is kept, see Note [What a run has read]; None keeps nothing.
    """
    began = time.time_ns()
    console.recorded = None if words is None else []
    reporter = Reporter("check", reporting, console)
    walked: list[Path] = []
    found, results = units(selection, walked)
    for result in results:
        reporter.one(result)
    store = kept.kept(cache.default()) if words is not None else None
    for result in workers.results(functools.partial(analysed, store=store), found, jobs):
        results.append(result)
        reporter.one(result)
    code = reporter.close(results)
    if store is not None:
        store.tidy()
    passing = any(problem.rule in _PASSING for result in results for problem in result.analysis.problems)
    if words is not None and console.recorded is not None and not passing:
        warm.keep(words, began, sorted(_read(selection, found, walked)), console.recorded, code)
    return code


def analysed(unit: Unit, store: Kept | None) -> Result:
    """The findings of one file, worked out or kept since they were."""
    item = unit.read()
    if isinstance(item, Result):
        return item
    source, worth = item.source, store is not None and "torch" in item.source.part.text
    found = store.get(source, item.enabled) if store is not None and worth else None
    if found is None:
        found = pipeline.analyse(source, item.enabled)
        if store is not None and worth:
            store.put(source, item.enabled, found)
    return Result(found, source, source.part.text)


def _read(selection: Selection, found: Sequence[Unit], walked: Sequence[Path]) -> set[str]:
    """Every path that had a say in what was printed, or would have had if it existed."""
    named = [Path(path) for path in selection.paths]
    paths = {*named, *walked, *(Path(unit.path) for unit in found)}
    if selection.config is not None:
        paths.add(Path(selection.config))
    homes = {Path(unit.path).absolute().parent for unit in found}
    near = {folder for home in homes for folder in files.near(home / "_.py")}
    paths |= near | {file for folder in near for file in folder.glob("*.py")}
    folders = {path.resolve() for path in (*named, *walked, *homes)}
    folders |= {above for folder in folders for above in folder.parents}
    paths |= {folder / name for folder in folders for name in files.DECIDING}
    return {str(path.absolute()) for path in paths}
