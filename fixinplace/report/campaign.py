"""`migrate --report DIR`: pages for people, and the same as JSON lines; one pass, with one page in memory at a time.

`files.jsonl` has a line for each file: what `files` of the JSON document holds, with the `unit` that it was judged in
and its `seconds`.  `campaign.json` says under which options; `merge-reports` makes one report of several.
jinja2 (extra `report`) is imported here and nowhere else, when a page is made.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fixinplace import names
from fixinplace.model import Evidence
from fixinplace.report import glossary, text

if TYPE_CHECKING:
    from jinja2 import Environment

Json = dict[str, Any]

FILES, CAMPAIGN = "files.jsonl", "campaign.json"

_PAGE = 100
_SLOWEST = 15
WRITTEN = ("proved", "safe", "unproved")


class NoJinja(ImportError):
    """jinja2 is not installed; the message says what to do."""


def environment() -> Environment:
    """Templates with autoescape; raises NoJinja."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise NoJinja("--report needs jinja2: pip install 'fixinplace[report]'") from error
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {
        "evidence": _evidence,
        "meaning": _meaning,
        "number": _number,
        "to_do": _to_do,
        "seconds": _seconds,
    }
    made.globals |= {"written": WRITTEN}
    return made


@dataclass
class Totals:
    """Counts over all files.

    examples: reason → path, line and page.
    by_rule: rule → what became of its findings (`written`, `open`, `refused`) → number.
    """

    files: int = 0
    changed: int = 0
    suppressed: int = 0
    untouched: int = 0
    fixed: Counter[str] = field(default_factory=Counter)
    open: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    by_rule: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    costs: Counter[str] = field(default_factory=Counter)
    units: dict[str, tuple[float, int]] = field(default_factory=dict)
    problems: list[tuple[str, Json]] = field(default_factory=list)
    examples: dict[str, list[tuple[str, int, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, row: Json, page: str) -> None:
        """Count one file; page: where what is left of it is told."""
        self.files += 1
        self.changed += bool(row["diff"])
        self.suppressed += len(row["suppressed"])
        self.untouched += len(row["untouched"])
        self.problems += [(row["path"], problem) for problem in row["problems"]]
        for finding in row["findings"]:
            self._finding(row["path"], finding, page)
        self._time(row)

    def _finding(self, path: str, finding: Json, page: str) -> None:
        kind, name = standing(finding["outcome"])
        {"written": self.fixed, "open": self.open, "refused": self.refused}[kind][name] += 1
        self.by_rule[finding["rule"]][kind] += 1
        if kind == "written" and finding["cost"]:
            self.costs[re.sub(r"`[^`]*`", "…", finding["cost"])] += 1
        if kind != "written" and len(self.examples[name]) < 3:
            self.examples[name].append((path, finding["line"], page))

    def _time(self, row: Json) -> None:
        """Keep the slowest units only."""
        seconds, files = self.units.get(row["unit"], (row["seconds"], 0))
        self.units[row["unit"]] = (seconds, files + 1)
        if len(self.units) > 4 * _SLOWEST:
            self.units = dict(self.slowest)

    @property
    def slowest(self) -> list[tuple[str, tuple[float, int]]]:
        """First path, seconds and number of files of the slowest units."""
        return sorted(self.units.items(), key=lambda unit: (-unit[1][0], unit[0]))[:_SLOWEST]

    @property
    def findings(self) -> int:
        """Findings that are the user's business."""
        return self.fixed.total() + self.open.total() + self.refused.total()

    @property
    def outcomes(self) -> list[tuple[str, str, int]]:
        """Class for colour, label and number of each outcome, for the chart of all of them."""
        made = [(name, f"written, {name}", self.fixed[name]) for name in WRITTEN]
        made += [
            ("open", "could be fixed, not written", self.open.total()),
            ("refused", "refused", self.refused.total()),
        ]
        return [each for each in made if each[2]]


def standing(outcome: Json) -> tuple[str, str]:
    """What became of a finding: `written`, `open` or `refused`, and the verdict or reason."""
    if outcome["kind"] == "refused":
        return "refused", outcome["reason"]
    if outcome["written"]:
        return "written", outcome["verdict"]
    told = outcome["verdict"] in ("unproved", "refuted") and outcome["reason"] is not None
    return "open", outcome["reason"] if told else outcome["verdict"]


def write(folder: Path, campaign: Json, rows: Iterable[Json]) -> Totals:
    """Make the report of rows, in their order; raises NoJinja, and OSError where the folder cannot be written."""
    templates = environment()
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("changes-*.html"), *folder.glob("left-*.html")):
        old.unlink()  # of an earlier report, which may have had more pages
    totals = Totals()
    with ExitStack() as stack:
        lines = stack.enter_context((folder / FILES).open("w", encoding="ascii"))
        changes, left = (_Pages(folder, name, templates, campaign) for name in ("changes", "left"))
        for row in rows:
            _line(lines, row)
            kinds = {standing(finding["outcome"])[0] for finding in row["findings"]}
            if row["diff"]:
                changes.add(row)
            if kinds - {"written"} or row["problems"]:
                left.add(row)
            totals.add(row, left.current)
        changes.close()
        left.close()
    (folder / CAMPAIGN).write_text(json.dumps(campaign, indent=2) + "\n", encoding="ascii")
    page = templates.get_template("index.html").render(
        campaign=campaign, totals=totals, changes=changes.index, left=left.index, rules=_rules(totals)
    )
    (folder / "index.html").write_text(page, encoding="utf-8", errors="backslashreplace")
    return totals


def _line(lines: TextIO, row: Json) -> None:
    lines.write(json.dumps(row, allow_nan=False) + "\n")


def _rules(totals: Totals) -> list[tuple[str, str, Counter[str]]]:
    """Code, name and counts of every rule that was found, the most frequent first."""
    ordered = sorted(totals.by_rule.items(), key=lambda item: (-item[1].total(), item[0]))
    return [(code, rule.name if (rule := names.rule(code)) else "", counts) for code, counts in ordered]


class _Pages:
    """Pages of `_PAGE` files; a page is written when it is known whether another follows.

    index: file name, first and last path, number of files of each page.
    """

    def __init__(self, folder: Path, name: str, templates: Environment, campaign: Json) -> None:
        self._folder, self._name, self._campaign = folder, name, campaign
        self._template = templates.get_template(f"{name}.html")
        self._rows: list[Json] = []
        self.index: list[tuple[str, str, str, int]] = []

    def add(self, row: Json) -> None:
        """Put a file on the page."""
        if len(self._rows) == _PAGE:
            self._write(last=False)
        self._rows.append(row)

    @property
    def current(self) -> str:
        """File name of the page that is being filled."""
        return f"{self._name}-{len(self.index) + 1:03}.html"

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._write(last=True)

    def _write(self, *, last: bool) -> None:
        number, file = len(self.index) + 1, self.current
        page = self._template.render(
            campaign=self._campaign, rows=self._rows, number=number, last=last, name=self._name, standing=standing
        )
        (self._folder / file).write_text(page, encoding="utf-8", errors="backslashreplace")
        self.index.append((file, self._rows[0]["path"], self._rows[-1]["path"], len(self._rows)))
        self._rows = []


# --- filters


def _evidence(found: list[Json]) -> str:
    """What was compared, as the text report says it."""
    made = [Evidence(**{**each, "difference": _finite(each["difference"])}) for each in found]
    return text.evidence_line(made) if made else ""


def _finite(difference: float | None) -> float:
    """A document has null where the difference is no finite number."""
    return math.inf if difference is None else difference


def _meaning(reason: str) -> str:
    return glossary.MEANINGS.get(reason, _NOT_WRITTEN.get(reason, ""))


_NOT_WRITTEN = {
    "proved": "the file could not be replaced",
    "safe": "exact by construction; not written, as only proved fixes were asked for or the file could not be replaced",
}


def _to_do(reason: str) -> str:
    return glossary.TO_DO.get(reason, "")


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def read(folder: Path) -> tuple[Json, Iterator[Json]]:
    """The campaign of a report, and its rows one after the other; raises OSError and ValueError."""
    campaign: Json = json.loads((folder / CAMPAIGN).read_text(encoding="ascii"))
    return campaign, _rows(folder / FILES)


def _rows(file: Path) -> Iterator[Json]:
    with file.open(encoding="ascii") as lines:
        for line in lines:
            yield json.loads(line)
