"""`migrate --report` and `merge-reports`."""

from __future__ import annotations

import builtins
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from campaigns import run, tree

from fixinplace.commands.console import Console
from fixinplace.commands.merging import merge_reports
from fixinplace.commands.migrate import Going, Target
from fixinplace.config import BadConfig
from fixinplace.report import campaign as report

EVIDENCE = {
    "probe": "train.py", "values": 3, "gradients": 2, "difference": None, "checks": ["forward"], "checks_not_run": [],
    "runs": 4, "seeds": [0], "isolation": "landlock", "framework": "torch 2", "notes": [],
}  # fmt: skip
OPTIONS = {"paths": ["pkg"], "mode": "auto", "unsafe": False, "shard": [1, 1], "tool": "0"}
ABOUT = {"version": 1, "options": OPTIONS, "dry": False, "left": 0}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def fix(target: str, verdict: str | None = "proved", written: bool = True, reason: str | None = None) -> dict[str, Any]:
    outcome = {
        "kind": "fix", "group": 0, "rewrite": "r", "title": f"{target} = {target} + 1", "safe": False,
        "parameter": None, "doubts": [], "assumes": [], "edits": [], "written": written,
        "verdict": verdict, "reason": reason,
        "sentence": "because", "evidence": [EVIDENCE] if verdict == "proved" else [],
    }  # fmt: skip
    return finding(target, outcome)


def refusal(target: str, reason: str) -> dict[str, Any]:
    return finding(target, {"kind": "refused", "reason": reason, "class": "x", "sentence": "somebody looks"})


def finding(target: str, outcome: dict[str, Any]) -> dict[str, Any]:
    return {
        "rule": "FIP101", "name": "augmented-name", "line": 7, "column": 5, "end": {"line": 7, "column": 9},
        "target": target, "op": "add", "function": "f", "certainty": "typed", "message": f"writes `{target}`",
        "cost": f"one copy of `{target}`", "related": [], "outcome": outcome,
    }  # fmt: skip


def row(path: str, *findings: dict[str, Any], diff: str = "", **more: Any) -> dict[str, Any]:
    base = {
        "path": path,
        "digest": "d",
        "untouched": [],
        "suppressed": [],
        "problems": [],
        "unit": path,
        "seconds": 1.5,
    }
    return {**base, "findings": list(findings), "diff": diff, **more}


class Balance(HTMLParser):
    """Fails for tags that do not match, and collects what a page asks for from elsewhere."""

    VOID = frozenset(("meta", "br", "link", "img", "input", "hr"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [value for name, value in attrs if name in ("src", "href") and "//" in (value or "")]  # type: ignore[misc]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def pages(folder: Path) -> dict[str, str]:
    found = {path.name: path.read_text() for path in folder.glob("*.html")}
    for text in found.values():
        balance = Balance()
        balance.feed(text)
        assert balance.open == []
        assert balance.outside == []
        assert not {"script", "link", "img"} & set(balance.tags)
        assert "url(" not in text
    return found


def plain(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.partition("<body>")[2])).split())


def test_a_page_says_what_was_converted_and_what_was_not():
    slow = {"rule": "FIP906", "name": "quarantined", "line": 1, "column": 1, "message": "too slow"}
    diff = "--- a\n+++ b\n@@ x\n-h += 1\n+h = h\n"
    rows = [
        row("pkg/a.py", fix("h"), fix("k", "unproved", False, "hidden-caller"), diff=diff),
        row("pkg/b.py", refusal("t", "live-alias"), fix("z", "refuted", False, "gradient-differs"), unit="pkg/a.py"),
        row("pkg/c.py", problems=[slow]),
        row("pkg/d.py"),
    ]  # fmt: skip

    totals = report.write(Path("out"), ABOUT, iter(rows))

    assert (totals.files, totals.changed, totals.findings) == (4, 1, 4)
    assert totals.units == {"pkg/a.py": (1.5, 2), "pkg/c.py": (1.5, 1), "pkg/d.py": (1.5, 1)}
    found = pages(Path("out"))
    assert sorted(found) == ["changes-001.html", "index.html", "left-001.html"]
    index = plain(found["index.html"])
    for said in (
        "Migration of pkg", "4 findings", "1 written, in 1 file", "2 could be fixed, not written", "1 refused",
        "Converted: 1", "Not converted: 3", "hidden-caller", "gradient-differs", "live-alias", "pkg/b.py:7",
        "pkg/c.py:1 FIP906 quarantined: too slow", "one copy of … 1", "FIP101 augmented-name 4 1 2 1", "1.50 s",
    ):  # fmt: skip
        assert said in index
    changes = plain(found["changes-001.html"])
    assert "3 values and 2 gradients equal to the reference (largest difference inf)" in changes
    assert "train.py, torch 2" in changes
    assert '<span class="del">-h += 1</span><span class="add">+h = h</span>' in found["changes-001.html"]
    left = plain(found["left-001.html"])
    assert "live-alias 7:5 FIP101 augmented-name · writes `t` somebody looks" in left
    assert "judged together with pkg/a.py" in left
    assert "pkg/d.py" not in left


def test_names_from_the_code_are_no_html():
    evil = "<script>alert(1)</script>&\"'"

    report.write(Path("out"), ABOUT, [row(f"{evil}.py", fix(evil), refusal(evil, "closure"), diff=f"a\nb\n+{evil}\n")])

    for page in pages(Path("out")).values():
        assert evil not in page
        assert evil in html.unescape(page)


def test_many_changes_are_divided_into_pages_that_lead_to_each_other():
    rows = [row(f"pkg/m{n:04}.py", fix("h"), refusal("t", "closure"), diff="a\nb\n+x\n") for n in range(250)]

    report.write(Path("out"), ABOUT, rows)

    found = pages(Path("out"))
    assert sorted(found) == [
        *(f"changes-00{n}.html" for n in (1, 2, 3)), "index.html", *(f"left-00{n}.html" for n in (1, 2, 3)),
    ]  # fmt: skip
    for name, page in found.items():
        links = re.findall(r'href="([^"#]+)', page)
        assert [link for link in links if not Path("out", link).exists()] == []
        assert ("changes-001.html" in links) == (name in ("index.html", "changes-002.html"))
    report.write(Path("out"), ABOUT, rows[:2])
    assert sorted(pages(Path("out"))) == ["changes-001.html", "index.html", "left-001.html"]


def test_a_campaign_without_findings_has_a_report_too():
    report.write(Path("out"), ABOUT, [])

    assert "Nothing was found" in pages(Path("out"))["index.html"]


def test_migrate_leaves_a_report_whose_lines_are_the_files(folder: Path, capsys):
    tree(folder)

    assert run(going=Going(report="out")) == 2

    rows = [json.loads(line) for line in Path("out/files.jsonl").read_text().splitlines()]
    assert [each["path"] for each in rows] == sorted((each["path"] for each in rows), key=lambda path: Path(path).parts)
    assert len(rows) == 15
    assert all(each["diff"].startswith("--- a/pkg/part0/m00.py") for each in rows if each["path"] == "pkg/part0/m00.py")
    assert capsys.readouterr().err.endswith("report out/index.html\n")
    index = plain(pages(Path("out"))["index.html"])
    assert "12 written, in 12 files" in index
    assert "FIP901" in index


def without_times(folder: str) -> list[dict[str, Any]]:
    return [{**json.loads(line), "seconds": 0} for line in Path(folder, "files.jsonl").read_text().splitlines()]


def test_shards_merge_to_the_report_of_the_whole(folder: Path, capsys):
    tree(folder)
    target = Target(diff=True)
    run(going=Going(report="whole"), target=target)
    summary = capsys.readouterr().err.splitlines()[:-1]
    for number in (3, 1, 2):
        run(going=Going(report=f"part{number}", shard=f"{number}/3"), target=target)
    capsys.readouterr()

    code = merge_reports("merged", ["part3", "part1", "part2"], Console())

    assert code == 2
    assert without_times("merged") == without_times("whole")
    told = capsys.readouterr().err.splitlines()
    assert told == [*(line for line in summary if "--resume" not in line), "report merged/index.html"]
    index, whole = (plain(pages(Path(name))["index.html"]).partition("Slowest")[0] for name in ("merged", "whole"))
    assert index == whole


def test_what_cannot_be_merged_is_told(folder: Path, capsys):
    other = {**ABOUT, "options": {**OPTIONS, "unsafe": True}}
    half = {**ABOUT, "options": {**OPTIONS, "shard": [1, 2]}}
    for name, about in (("a", ABOUT), ("b", ABOUT), ("other", other), ("half", half)):
        report.write(Path(name), about, [row("x.py")])
    report.write(Path("rest"), {**half, "options": {**OPTIONS, "shard": [2, 2]}}, [row("x.py")])

    for folders, message in (
        (["a", "b"], "a and b are the same shard, 1/1"),
        (["a", "other"], "different options"),
        (["a", "half"], "divided differently"),
        (["half", "rest"], "x.py is in half and in rest"),
        (["nothing"], "nothing: no report"),
        (["a", "out"], "a folder of its own"),
    ):
        with pytest.raises(BadConfig, match=re.escape(message)):
            merge_reports("out", folders, Console())
    assert merge_reports("out", ["half"], Console()) == 1
    assert "shard 2/2 is missing" in capsys.readouterr().err


def test_without_jinja_it_says_so_before_anything_is_done(folder: Path, monkeypatch):
    tree(folder)
    real = builtins.__import__

    def missing(name: str, *words: Any) -> Any:
        if name == "jinja2":
            raise ImportError(name)
        return real(name, *words)

    monkeypatch.setattr(builtins, "__import__", missing)

    with pytest.raises(BadConfig, match=r"pip install 'fixinplace\[report\]'"):
        run(going=Going(report="out"))
    assert not Path(".fixinplace").exists()
