"""`fixinplace check`: static only, nothing is run."""

from __future__ import annotations

from fixinplace import pipeline
from fixinplace.commands import workers
from fixinplace.commands.console import Console
from fixinplace.commands.inputs import Selection, Unit, units
from fixinplace.commands.reporting import Reporter, Reporting
from fixinplace.pipeline import Result


def check(selection: Selection, reporting: Reporting, console: Console, jobs: int = 1) -> int:
    """Analyse and report every file; the exit code.  Raises BadConfig."""
    reporter = Reporter("check", reporting, console)
    found, results = units(selection)
    for result in results:
        reporter.one(result)
    for result in workers.results(analysed, found, jobs):
        results.append(result)
        reporter.one(result)
    return reporter.close(results)


def analysed(unit: Unit) -> Result:
    """The findings of one file."""
    item = unit.read()
    if isinstance(item, Result):
        return item
    return Result(pipeline.analyse(item.source, item.enabled), item.source, item.source.part.text)
