from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from findings import PROGRAM, PROVED, SAFE, fixed, refused, refuted, source_of, unproved

from fixinplace import names
from fixinplace.model import Analysis, Finding, Fix, Problem, Ruling, Verdict
from fixinplace.pipeline import Result
from fixinplace.report import document, glossary, rules, statistics, text
from fixinplace.report.diff import diff
from fixinplace.report.summary import exit_code, summarise
from fixinplace.source import apply, parse


def result(*findings: Finding, written: frozenset[int] = frozenset(), problems: tuple[Problem, ...] = ()) -> Result:
    edits = [e for f in findings if isinstance(f.outcome, Fix) and f.outcome.group in written for e in f.outcome.edits]
    return Result(Analysis("model.py", findings, (), problems), source_of(), apply(PROGRAM, edits), written)


def entry(finding: Finding, **options: object) -> list[str]:
    return list(text.full((result(finding, **options),)))  # type: ignore[arg-type]


def ruled(ruling: Ruling | None, **options: object) -> Finding:
    return fixed(PROGRAM, "h += skip", "h = h + skip", 1, ruling=ruling, **options)  # type: ignore[arg-type]


WRITTEN = frozenset({1})
HEAD = "model.py:5:5  FIP101 augmented-name  `h += skip` overwrites h"


# --- text


def test_a_proof_says_what_it_rests_on():
    assert entry(ruled(PROVED), written=WRITTEN) == [
        HEAD,
        "  proved: 3 values and 14 gradients equal to the reference (largest difference 0); 4 of 5 checks; 6 runs; "
        "isolation landlock",
    ]


def test_notes_of_the_evidence_are_shortened_to_one_line():
    note = "original: RuntimeError: one of the variables needed\nfor gradient " + "x" * 200 + " (model.py:5)"
    evidence = replace(PROVED.evidence[0], notes=(note,))
    finding = ruled(replace(PROVED, evidence=(evidence,)))
    lines = entry(finding, written=WRITTEN)
    twice = list(text.full([result(finding, finding)]))

    assert lines[-1].startswith("  original: RuntimeError: one of the variables needed for gradient xxx")
    assert len(lines[-1]) == 162 and lines[-1].endswith("x… (model.py:5)")
    assert [line.startswith("  original") for line in twice] == [False, False, False, True, False, False, False]


def test_a_refusal_says_its_name_and_its_sentence():
    assert entry(refused(PROGRAM, "h += skip")) == [HEAD, "  refused live-alias: `g` is read on line 9"]


def test_what_is_unproved_says_why_and_what_to_do():
    assert entry(ruled(unproved("not-reached"))) == [
        HEAD,
        "  unproved not-reached: sentence about not-reached",
        "  not written: name a probe that comes to this line",
    ]


def test_a_hidden_caller_shows_all_other_checks():
    lines = entry(ruled(unproved("hidden-caller", PROVED.evidence)))

    nothing = replace(PROVED.evidence[0], values=0, gradients=0)

    assert lines[2].startswith("  otherwise: 3 values and 14 gradients equal")
    assert len(entry(ruled(unproved("hidden-caller", (nothing,))))) == 3


def test_what_is_refuted_says_where_and_how_far():
    assert entry(ruled(refuted("forward-differs"))) == [
        HEAD,
        "  refuted forward-differs: result['w'] differs by 0.5, tolerance 1e-6",
        "  not written: the rewritten code does something else",
    ]


def test_what_still_raises_is_not_called_different():
    assert entry(ruled(refuted("still-raises")))[-1] == (
        "  not written: another write keeps the program failing; `fixinplace repair` finds it"
    )


def test_what_is_proved_and_could_not_be_written_says_so():
    assert entry(ruled(PROVED))[-1] == "  not written: the file could not be replaced"


def test_a_safe_fix_says_what_it_assumes():
    finding = ruled(SAFE)
    assumed = replace(finding, outcome=replace(finding.outcome, assumes=("one dtype",)))

    tried = Ruling(Verdict.SAFE, "timed-out", "the run took 60 s")

    assert entry(assumed, written=WRITTEN)[1:] == ["  safe: exact by construction; assumes one dtype; not run"]
    assert entry(ruled(tried), written=WRITTEN)[1:] == [
        "  safe: exact by construction", "  not proved, timed-out: the run took 60 s"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (ruled(None, safe=True), "  fix: bind the sum to the name (safe)"),
        (ruled(None), "  fix: bind the sum to the name (to be proved by running)"),
        (
            ruled(None, safe=True, parameter="h"),
            "  fix: bind the sum to the name (hidden-caller: a caller may see that `h` is written)",
        ),
    ],
)
def test_check_says_what_follows_from_the_text_alone(finding: Finding, line: str):
    assert entry(finding) == [HEAD, line]


def test_what_is_not_ours_is_not_printed():
    assert entry(refused(PROGRAM, "h += skip", "no-grad")) == []
    assert list(text.concise([result(refused(PROGRAM, "h += skip", "finished"))])) == []


def test_concise_is_one_line_per_finding():
    findings = (ruled(PROVED), refused(PROGRAM, "h.mul_(2)", rule="FIP104"))
    problem = Problem("FIP903", "model.py", "unused", 3, 9)

    assert list(text.concise([result(*findings, problems=(problem,))])) == [
        "model.py:3:9: FIP903 unused",
        "model.py:5:5: FIP101 [proved] `h += skip` overwrites h",
        "model.py:6:5: FIP104 [refused: live-alias] `h.mul_(2)` overwrites h",
    ]
    (line,) = text.concise([result(ruled(unproved("not-reached")))])
    assert line == "model.py:5:5: FIP101 [unproved: not-reached] `h += skip` overwrites h"


def test_columns_count_code_points():
    program = "é = '😀'; h += 1\n"
    finding = fixed(program, "h += 1", "h = h + 1")

    (line, *_) = text.full([Result(Analysis("m.py", (finding,)), parse("m.py", program.encode()), program)])
    assert line.startswith("m.py:1:10  ")


# --- summary and exit code


FINDINGS = (
    fixed(PROGRAM, "h += skip", "h = h + skip", 1, ruling=PROVED),
    fixed(PROGRAM, "h.mul_(2)", "h = h.mul(2)", 2, ruling=unproved("not-reached"), rule="FIP104"),
    refused(PROGRAM, "return h"),
    refused(PROGRAM, "import torch", "no-grad"),
    refused(PROGRAM, "import torch", "finished"),
)


def test_the_summary_of_fix_counts_every_site():
    summary = summarise([result(*FINDINGS, written=WRITTEN)])

    assert list(text.fix_summary(summary, dry=False)) == [
        "fixed 1 (proved 1, safe 0, unproved 0) in 1 of 1 file · not written 1 (not-reached 1) · "
        "refused 1 (live-alias 1)",
        "untouched 1 (no-grad 1) · suppressed 0",
    ]
    assert next(iter(text.fix_summary(summary, dry=True))).startswith("would fix 1 ")


def test_the_summary_of_check_counts_what_can_be_fixed():
    findings = (ruled(None, safe=True), fixed(PROGRAM, "h.mul_(2)", "h = h.mul(2)", 2), FINDINGS[2])

    assert list(text.check_summary(summarise([result(*findings)]))) == [
        "3 findings in 1 file: 2 can be fixed (needs-a-run 1, safe 1), refused 1 (live-alias 1)"
    ]
    assert list(text.check_summary(summarise([result()]))) == ["no findings in 1 file"]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        pytest.param(result(), 0, id="nothing found"),
        pytest.param(result(FINDINGS[3], FINDINGS[4]), 0, id="nothing of ours"),
        pytest.param(result(FINDINGS[0], written=WRITTEN), 0, id="everything fixed"),
        pytest.param(result(FINDINGS[0]), 1, id="a fix that is not written"),
        pytest.param(result(FINDINGS[2]), 1, id="a refusal"),
        pytest.param(result(problems=(Problem("FIP903", "m.py", "unused"),)), 1, id="an unused comment"),
        *(
            pytest.param(result(problems=(Problem(rule, "m.py", "x"),)), 2, id=rule)
            for rule in ("FIP901", "FIP902", "FIP904", "FIP905")
        ),
    ],
)
def test_exit_codes(outcome: Result, code: int):
    assert exit_code([result(), outcome]) == code
    assert exit_code([outcome], exit_zero=True) == (2 if code == 2 else 0)


def test_a_dry_run_that_would_change_something_is_not_nothing():
    assert exit_code([result(FINDINGS[0], written=WRITTEN)], dry=True) == 1


def test_statistics_are_by_frequency_and_without_what_is_not_ours():
    again = refused(PROGRAM, "return h")

    assert list(statistics.lines([result(*FINDINGS, again)])) == [
        "3  FIP101  augmented-name  (1 with a fix)",
        "1  FIP104  underscore-method  (1 with a fix)",
    ]
    assert list(statistics.lines([])) == []
    assert json.loads(statistics.document([result(FINDINGS[0])])) == [
        {"code": "FIP101", "name": "augmented-name", "count": 1, "fixable": 1}
    ]


# --- JSON


def test_the_document_holds_everything():
    problem = Problem("FIP903", "model.py", "unused", 4, 2)
    data = json.loads(document.document("fix", [result(*FINDINGS, written=WRITTEN, problems=(problem,))]))

    assert data["version"] == 1
    assert data["summary"]["fixed"] == {"proved": 1, "safe": 0, "unproved": 0}
    assert data["summary"]["untouched"] == {"finished": 1, "no-grad": 1}
    (file,) = data["files"]
    assert [finding["outcome"]["kind"] for finding in file["findings"]] == ["fix", "fix", "refused"]
    assert [finding["outcome"]["reason"] for finding in file["untouched"]] == ["no-grad", "finished"]
    assert file["diff"].startswith("--- a/model.py\n+++ b/model.py\n")
    assert file["problems"] == [
        {"rule": "FIP903", "name": "unused-suppression", "line": 4, "column": 2, "message": "unused"}
    ]
    first = file["findings"][0]
    assert (first["line"], first["column"], first["end"]) == (5, 5, {"line": 5, "column": 14})
    assert (first["name"], first["target"], first["op"]) == ("augmented-name", "h", "Tensor.__iadd__")
    assert (first["certainty"], first["function"]) == ("typed", "forward")
    outcome = first["outcome"]
    assert (outcome["verdict"], outcome["written"]) == ("proved", True)
    assert outcome["evidence"][0]["gradients"] == 14
    assert outcome["edits"] == [{"line": 5, "column": 5, "end": {"line": 5, "column": 14}, "text": "h = h + skip"}]


def test_a_difference_that_is_no_number_is_null():
    evidence = replace(PROVED.evidence[0], difference=float("inf"))
    finding = ruled(replace(refuted("forward-differs"), evidence=(evidence,)))

    data = json.loads(document.document("fix", [result(finding)]))

    assert data["files"][0]["findings"][0]["outcome"]["evidence"][0]["difference"] is None


# --- diff


def changed(before: bytes, old: str, new: str, path: str = "model.py") -> Result:
    source = parse(path, before)
    return Result(Analysis(path), source, source.part.text.replace(old, new))


@pytest.mark.parametrize(
    ("before", "path"),
    [
        pytest.param(b"a = 1\nh += 1\nb = 2\n", "model.py", id="plain"),
        pytest.param(b"a = 1\r\nh += 1\r\nb = 2\r\n", "model.py", id="CRLF"),
        pytest.param(b"a = 1\nh += 1", "model.py", id="no final newline"),
        pytest.param(b"h += 1\nb = 2", "model.py", id="context without final newline"),
        pytest.param(b"a = '\x0c'\rh += 1\rb = 2", "model.py", id="CR and a form feed"),
        pytest.param(b"\xef\xbb\xbfh += 1\n", "model.py", id="byte order mark"),
        pytest.param("# coding: latin-1\nh += 1  # é\n".encode("latin-1"), "model.py", id="latin-1"),
        pytest.param("h += 1  # é\x85\u2028x\n".encode(), "model.py", id="line ends that are none"),
        pytest.param(b"h += 1\n", "sub dir/mödel.py", id="blank and umlaut in the path"),
        pytest.param(b"h += 1\n", 'we"ird\t.py', id="quote and tab in the path"),
    ],
)
def test_git_applies_the_diff_and_gets_our_bytes(before: bytes, path: str, tmp_path: Path):
    outcome = changed(before, "h += 1", "h = h + 1", path)
    target = tmp_path / path
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(before)

    applied = subprocess.run(
        ["git", "-c", "core.autocrlf=false", "apply", "-"],
        input=diff(outcome), cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip

    assert applied.returncode == 0, applied.stderr.decode()
    assert target.read_bytes() == outcome.data != before


def test_no_change_is_no_diff():
    assert diff(result(FINDINGS[0])) == b""


# --- documentation


def test_every_name_is_explained():
    assert set(glossary.REFUSALS) == set(names.REFUSALS)
    assert set(glossary.UNPROVED) == set(names.UNPROVED)
    assert set(glossary.TO_DO) == {*names.UNPROVED, "still-raises"}
    assert set(glossary.REFUTED) == set(names.REFUTED)
    assert set(rules.PAGES) == {rule.code for rule in names.RULES}
