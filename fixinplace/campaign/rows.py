"""What is said about one file of a campaign, as JSON: the document of `fix`, counted and corrected without the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from fixinplace.model import Analysis, Problem
from fixinplace.pipeline import Result
from fixinplace.report import document
from fixinplace.report.campaign import standing
from fixinplace.report.summary import Summary

Json = dict[str, Any]


def failed(path: str, digest: str | None, rule: str, message: str) -> Json:
    """The document of a file that came to no judgement."""
    return {**document.file(Result(Analysis(path, problems=(Problem(rule, path, message),)))), "digest": digest}


def unwritten(row: Json, message: str) -> Json:
    """The document of a file whose change was made ready and could not be written."""
    problem = {"rule": "FIP905", "name": "unwritable", "line": 1, "column": 1, "message": message}
    findings = [
        {**each, "outcome": {**each["outcome"], "written": False}} if each["outcome"]["kind"] == "fix" else each
        for each in row["findings"]
    ]
    return {**row, "findings": findings, "problems": [*row["problems"], problem], "diff": ""}


def count(rows: Iterable[Json]) -> Summary:
    """The same counts that `fix` makes of its results."""
    files = changed = suppressed = 0
    counters: dict[str, Counter[str]] = {
        key: Counter() for key in ("fixed", "open", "refused", "untouched", "problems")
    }
    for row in rows:
        files, changed, suppressed = files + 1, changed + bool(row["diff"]), suppressed + len(row["suppressed"])
        for key, name in standings(row):
            counters[key][name] += 1
    return Summary(files, suppressed=suppressed, changed=changed, **counters)


def standings(row: Json) -> Iterator[tuple[str, str]]:
    """What every finding and problem of a file counts as: a counter of `Summary`, and the name in it."""
    for finding in row["findings"]:
        kind, name = standing(finding["outcome"])
        yield "fixed" if kind == "written" else kind, name
    yield from (("untouched", finding["outcome"]["reason"]) for finding in row["untouched"])
    yield from (("problems", problem["rule"]) for problem in row["problems"])
