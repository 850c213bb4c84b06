"""`fixinplace fix`: rewrite, prove, write."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fixinplace import files, pipeline
from fixinplace.commands import together, workers
from fixinplace.commands.console import Console
from fixinplace.commands.inputs import Input, Selection, Unit, inputs, units
from fixinplace.commands.making import shown
from fixinplace.commands.proving import Provers, Proving
from fixinplace.commands.reporting import Reporter, Reporting
from fixinplace.commands.scope import Scope, broken
from fixinplace.model import Problem
from fixinplace.pipeline import Policy, Result
from fixinplace.report.diff import diff
from fixinplace.source import Source


@dataclass(frozen=True, slots=True)
class Writing:
    """What becomes of the rewritten text; `dry` shows a diff instead of writing."""

    policy: Policy
    dry: bool = False


def fix(
    selection: Selection,
    reporting: Reporting,
    writing: Writing,
    proving: Proving,
    console: Console,
    show: bool = False,
    jobs: int = 1,
    scope: Scope = Scope.TRACKED,
) -> int:
    """Fix and report every file; the exit code.  Raises BadConfig.

    show: print the probes that were made.  jobs: how many processes work on files where no code is run.
    scope: which writes are offered.
    """
    reporter = Reporter("fix", reporting, console, writing.dry)
    if not writing.policy.runs:
        return reporter.close(list(_unproved(selection, writing, reporter, jobs)))
    results: list[Result] = []
    items = list(inputs(selection))
    sources = [item.source for item in items if isinstance(item, Input)]
    with contextlib.closing(Provers(proving, sources)) as provers:
        gone = provers.recorded((item.source.path, item.config) for item in items if isinstance(item, Input))
        if scope is Scope.BROKEN:
            items = broken(items, provers)
        joint = together.joint([item for item in items if isinstance(item, Input)], writing.policy, provers)
        for item in items:
            if isinstance(item, Result):
                result = item
            else:
                prover = provers.prover(item.source, item.config)
                result = joint.get(item.source.path) or pipeline.fix(
                    item.source, item.enabled, writing.policy, prover, item.narrowed
                )
                result = _deliver(result, selection, writing, reporter)
            results.append(result)
            reporter.one(result)
        skipped = dict.fromkeys([*gone, *provers.unused])
        console.lines((f"fixinplace: {line}" for line in skipped), to_error=True)
        if show:
            console.lines(shown(provers.made), to_error=True)
    return reporter.close(results)


def _unproved(selection: Selection, writing: Writing, reporter: Reporter, jobs: int) -> Iterator[Result]:
    """Results of a call that runs no code."""
    found, failed = units(selection)
    made = workers.results(functools.partial(_planned, policy=writing.policy), found, jobs)
    for result in itertools.chain(failed, made):
        done = _deliver(result, selection, writing, reporter) if result.source is not None else result
        reporter.one(done)
        yield done


def _planned(unit: Unit, policy: Policy) -> Result:
    item = unit.read()
    return item if isinstance(item, Result) else pipeline.fix(item.source, item.enabled, policy, None)


def _deliver(result: Result, selection: Selection, writing: Writing, reporter: Reporter) -> Result:
    """Show, print or write the new text; the result says what could not be written."""
    if writing.dry:
        if not reporter.json:
            reporter.console.data(diff(result))
    elif selection.stdin:
        if not reporter.json:
            reporter.console.data(result.data)
    elif result.changed and result.source is not None:
        return _written(result, result.source)
    return result


def _written(result: Result, source: Source) -> Result:
    try:
        files.write([files.Change(source.path, source.digest, result.data)])
    except files.NotWritten as error:
        problem = Problem("FIP905", source.path, str(error))
        analysis = replace(result.analysis, problems=(*result.analysis.problems, problem))
        return Result(analysis, source, source.part.text)
    return result
