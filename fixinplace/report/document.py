"""The JSON document; its shape is a contract, told by `version`.

Lines and columns are 1-based and count code points; `end` is where the span stops, exclusive.
Positions are those of the text that was read, before any fix.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fixinplace import __version__, names
from fixinplace.model import Evidence, Finding, Fix, Problem, Refused, Ruling, Span
from fixinplace.pipeline import Result, counts
from fixinplace.report.branches import branches
from fixinplace.report.diff import diff_text
from fixinplace.report.summary import Summary, summarise
from fixinplace.source import Text

VERSION = 1

Json = dict[str, Any]


def document(command: str, results: Sequence[Result]) -> str:
    """All results as one JSON document."""
    summary = summarise(results)
    data = {
        "version": VERSION,
        "tool": {"name": "fixinplace", "version": __version__},
        "command": command,
        "files": [file(result) for result in results],
        "summary": totals(summary),
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def file(result: Result) -> Json:
    """Everything about one file: what `files` of the document holds."""
    analysis = result.analysis
    ours = [finding for finding in analysis.findings if counts(finding)]
    untouched = [finding for finding in analysis.findings if not counts(finding)]
    return {
        "path": analysis.path,
        "digest": result.source.digest if result.source is not None else None,
        "findings": [_finding(result, finding) for finding in ours],
        "untouched": [_finding(result, finding) for finding in untouched],
        "suppressed": [_finding(result, finding) for finding in analysis.suppressed],
        "problems": [_problem(problem) for problem in analysis.problems],
        "diff": diff_text(result),
    }


def _finding(result: Result, finding: Finding) -> Json:
    site = finding.site
    return {
        "rule": finding.rule,
        "name": _name(finding.rule),
        **_position(result, site.span),
        "target": site.target,
        "op": site.op,
        "function": site.function,
        "branch": [{"line": line, "text": text} for line, text in branches(_part(result), site.span)],
        "certainty": site.certainty.value,
        "message": finding.message,
        "cost": finding.cost,
        "related": [{"message": other.message, **_position(result, other.span)} for other in finding.related],
        "outcome": _outcome(result, finding.outcome),
    }


def _part(result: Result) -> Text:
    assert result.source is not None
    return result.source.part


def _position(result: Result, span: Span) -> Json:
    part = _part(result)
    (line, column), (end_line, end_column) = part.position(span.start), part.position(span.end)
    return {"line": line, "column": column, "end": {"line": end_line, "column": end_column}}


def _outcome(result: Result, outcome: Fix | Refused) -> Json:
    if isinstance(outcome, Refused):
        kind = names.REFUSALS[outcome.refusal].value
        return {"kind": "refused", "reason": outcome.refusal, "class": kind, "sentence": outcome.sentence}
    return {
        "kind": "fix",
        "group": outcome.group,
        "rewrite": outcome.rewrite,
        "title": outcome.title,
        "safe": outcome.safe,
        "parameter": outcome.parameter,
        "doubts": list(outcome.doubts),
        "assumes": list(outcome.assumes),
        "edits": [{**_position(result, edit.span), "text": edit.text} for edit in outcome.edits],
        "written": outcome.group in result.written,
        **ruling(outcome.ruling),
    }


def ruling(given: Ruling | None) -> Json:
    """A verdict as JSON-able data; nulls where nothing was ruled."""
    if given is None:
        return {"verdict": None, "reason": None, "sentence": "", "evidence": []}
    return {
        "verdict": given.verdict.value,
        "reason": given.reason,
        "sentence": given.sentence,
        "evidence": [_evidence(evidence) for evidence in given.evidence],
    }


def _evidence(evidence: Evidence) -> Json:
    """`difference` is null where it is no finite number, which JSON cannot say."""
    difference = evidence.difference if math.isfinite(evidence.difference) else None
    return {**asdict(evidence), "difference": difference}


def _problem(problem: Problem) -> Json:
    return {
        "rule": problem.rule,
        "name": _name(problem.rule),
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
    }


def _name(code: str) -> str | None:
    rule = names.rule(code)
    return rule.name if rule is not None else None


def totals(summary: Summary) -> Json:
    """The counts as JSON-able data."""
    return {
        "files": summary.files,
        "changed": summary.changed,
        "findings": summary.findings,
        "fixed": {verdict: summary.fixed[verdict] for verdict in ("proved", "safe", "unproved")},
        "open": dict(sorted(summary.open.items())),
        "refused": dict(sorted(summary.refused.items())),
        "untouched": dict(sorted(summary.untouched.items())),
        "suppressed": summary.suppressed,
        "problems": dict(sorted(summary.problems.items())),
    }
