"""`fixinplace check`: static only, nothing is run."""

from __future__ import annotations

from fixinplace import pipeline
from fixinplace.commands.console import Console
from fixinplace.commands.inputs import Selection, inputs
from fixinplace.commands.reporting import Reporter, Reporting
from fixinplace.pipeline import Result


def check(selection: Selection, reporting: Reporting, console: Console) -> int:
    """Analyse and report every file; the exit code.  Raises BadConfig."""
    reporter = Reporter("check", reporting, console)
    results: list[Result] = []
    for item in inputs(selection):
        if isinstance(item, Result):
            result = item
        else:
            result = Result(pipeline.analyse(item.source, item.enabled), item.source, item.source.part.text)
        results.append(result)
        reporter.one(result)
    return reporter.close(results)
