"""`fixinplace fix`: rewrite, prove, write."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fixinplace import files, pipeline
from fixinplace.commands import together
from fixinplace.commands.console import Console
from fixinplace.commands.inputs import Input, Selection, inputs
from fixinplace.commands.making import shown
from fixinplace.commands.proving import Provers, Proving
from fixinplace.commands.reporting import Reporter, Reporting
from fixinplace.model import Problem
from fixinplace.pipeline import Policy, Result
from fixinplace.report.diff import diff


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
) -> int:
    """Fix and report every file; the exit code.  Raises BadConfig.  show: print the probes that were made."""
    reporter = Reporter("fix", reporting, console, writing.dry)
    results: list[Result] = []
    items = list(inputs(selection))
    sources = [item.source for item in items if isinstance(item, Input)]
    with contextlib.closing(Provers(proving, sources)) as provers:
        joint = _together([item for item in items if isinstance(item, Input)], writing.policy, provers)
        for item in items:
            if isinstance(item, Result):
                result = item
            else:
                prover = provers.prover(item.source, item.config) if writing.policy.runs else None
                result = joint.get(item.source.path) or pipeline.fix(item.source, item.enabled, writing.policy, prover)
                result = _deliver(item, result, selection, writing, reporter)
            results.append(result)
            reporter.one(result)
        if show:
            console.lines(shown(provers.made), to_error=True)
    return reporter.close(results)


def _together(items: Sequence[Input], policy: Policy, provers: Provers) -> dict[str, Result]:
    """Results, by path, of the files that have to be proved in company; see Note [In company] in `together.py`."""
    if not policy.runs or len(items) < 2:
        return {}
    results: dict[str, Result] = {}
    for group in together.groups(items, lambda item: provers.probes(item.source, item.config)):
        made = together.fix(group, policy, lambda item, company: provers.prover(item.source, item.config, company))
        results |= {result.analysis.path: result for result in made or ()}
    return results


def _deliver(item: Input, result: Result, selection: Selection, writing: Writing, reporter: Reporter) -> Result:
    """Show, print or write the new text; the result says what could not be written."""
    if writing.dry:
        if not reporter.json:
            reporter.console.data(diff(result))
    elif selection.stdin:
        if not reporter.json:
            reporter.console.data(result.data)
    elif result.changed:
        return _written(item, result)
    return result


def _written(item: Input, result: Result) -> Result:
    try:
        files.write([files.Change(item.source.path, item.source.digest, result.data)])
    except files.NotWritten as error:
        problem = Problem("FIP905", item.source.path, str(error))
        analysis = replace(result.analysis, problems=(*result.analysis.problems, problem))
        return Result(analysis, item.source, item.source.part.text)
    return result
