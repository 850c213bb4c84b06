from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product

import pytest
from findings import PROGRAM, PROVED, SAFE, fixed, refused, refuted, source_of, unproved

from fixinplace import config, detect, pipeline, rewrite
from fixinplace.model import Analysis, Edit, Finding, Fix, Refused, Ruling, Span, Verdict
from fixinplace.pipeline import Mode, Policy
from fixinplace.source import parse

ALL = config.selected((), ())
SUM = fixed(PROGRAM, "h += skip", "h = h + skip", 1)
PRODUCT = fixed(PROGRAM, "h.mul_(2)", "h = h.mul(2)", 2, rule="FIP104")


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch):
    """Lets a test say what detection and rewrites find."""

    def say(*findings: Finding) -> None:
        monkeypatch.setattr(detect, "scan", lambda part, tree, imported: ())
        monkeypatch.setattr(rewrite, "plan", lambda part, found, run: findings)

    return say


@dataclass(frozen=True)
class Proof:
    rulings: Mapping[int, Ruling]
    written: frozenset[int]


class Prover:
    """Answers with fixed rulings and notes which groups were run together."""

    def __init__(self, rulings: dict[int, Ruling]) -> None:
        self.rulings, self.asked = rulings, list[tuple[int, ...]]()

    def __call__(self, source: object, fixes: Iterable[Fix]) -> Proof:
        groups = tuple(fix.group for fix in fixes)
        self.asked.append(groups)
        rulings = {group: self.rulings[group] for group in groups}
        return Proof(rulings, frozenset(g for g in groups if rulings[g].verdict in (Verdict.PROVED, Verdict.SAFE)))


def safe(finding: Finding) -> Finding:
    assert isinstance(finding.outcome, Fix)
    return replace(finding, outcome=replace(finding.outcome, safe=True))


def hidden(finding: Finding) -> Finding:
    assert isinstance(finding.outcome, Fix)
    return replace(finding, outcome=replace(finding.outcome, parameter="h"))


def verdicts(analysis: Analysis) -> list[tuple[str, str | None]]:
    rulings = [finding.outcome.ruling for finding in analysis.findings if isinstance(finding.outcome, Fix)]
    return [(ruling.verdict.value, ruling.reason) for ruling in rulings if ruling is not None]


def proved(findings: Iterable[Finding], prover: Prover | None, policy: Policy) -> Analysis:
    return pipeline.prove(source_of(), Analysis("model.py", tuple(findings)), policy, prover)


# --- analysis


def test_findings_come_in_the_order_of_the_text(plan):
    plan(PRODUCT, SUM)

    assert pipeline.analyse(source_of(), ALL).findings == (SUM, PRODUCT)


def test_rules_that_are_off_are_not_reported(plan):
    plan(SUM, PRODUCT)

    assert pipeline.analyse(source_of(), ALL - {"FIP101"}).findings == (PRODUCT,)


def test_a_comment_suppresses(plan):
    text = PROGRAM.replace("skip\n ", "skip  # fixinplace: ignore[augmented-name]\n ")
    finding = fixed(text, "h += skip", "h = h + skip")
    plan(finding)

    analysis = pipeline.analyse(source_of(text), ALL)

    assert (analysis.findings, analysis.suppressed, analysis.problems) == ((), (finding,), ())


@pytest.mark.parametrize("how", ["ignored by a comment", "not selected"])
def test_a_fix_without_its_partner_becomes_a_refusal(plan, how: str):
    text = PROGRAM.replace("h.mul_(2)", "h.mul_(2)  # fixinplace: ignore") if how.startswith("ignored") else PROGRAM
    partner = fixed(text, "h.mul_(2)", "h = h.mul(2)", 1, rule="FIP104")
    plan(fixed(text, "h += skip", "h = h + skip", 1), partner)

    analysis = pipeline.analyse(source_of(text), ALL if how.startswith("ignored") else ALL - {"FIP104"})

    assert [finding.outcome.refusal for finding in analysis.findings] == ["partner-ignored"]


def test_what_is_not_ours_stays_and_is_never_called_unused_work(plan):
    text = PROGRAM.replace("h.mul_(2)", "h.mul_(2)  # fixinplace: ignore")
    plan(refused(text, "h.mul_(2)", "no-grad", rule="FIP104"))

    analysis = pipeline.analyse(source_of(text), ALL)

    assert [finding.outcome.refusal for finding in analysis.findings] == ["no-grad"]
    assert [problem.rule for problem in analysis.problems] == ["FIP903"]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("x = 1\ny = (2\n", 2, 5, "'(' was never closed"),
        ("if True:\nx = 1\n", 2, 1, "expected an indented block"),
        ("print 'x'\n", 1, 1, "Missing parentheses"),
        ("x = " + "(" * 5000 + ")" * 5000, 1, 205, "too many nested parentheses"),
        ("x = " + "-" * 100_000 + "1", 1, 1, "nested too deeply"),
    ],
)
def test_a_syntax_error_is_a_problem_with_its_place(text: str, line: int, column: int, message: str):
    (problem,) = pipeline.analyse(source_of(text), ALL).problems

    assert (problem.rule, problem.line, problem.column) == ("FIP901", line, column)
    assert message in problem.message


def test_warnings_about_the_users_file_are_not_ours(plan):
    plan()

    assert pipeline.analyse(source_of("x = '\\d'\nassert (x, 1)\n"), ALL).problems == ()


def test_a_crash_is_reported_with_how_to_reproduce_it(monkeypatch: pytest.MonkeyPatch):
    def crash(part: object, tree: object, imported: bool) -> None:
        raise KeyError("no such\nnode")

    monkeypatch.setattr(detect, "scan", crash)
    analysis = pipeline.analyse(source_of(), ALL)

    (problem,) = analysis.problems
    assert analysis.findings == ()
    assert problem.rule == "FIP904"
    assert "KeyError: 'no such\\nnode'" in problem.message
    assert "fixinplace check --select ALL model.py" in problem.message


# --- verdicts


def test_without_a_probe_what_is_safe_stays_safe():
    analysis = proved([safe(SUM), PRODUCT], None, Policy())

    assert verdicts(analysis) == [("safe", None), ("unproved", "no-probe")]


def test_with_verify_off_nothing_is_run():
    prover = Prover({})
    analysis = proved([safe(SUM), PRODUCT], prover, Policy(Mode.OFF))

    assert verdicts(analysis) == [("safe", None), ("unproved", "verify-off")]
    assert prover.asked == []


def test_all_fixes_are_run_together_once_when_all_are_proved():
    prover = Prover({1: PROVED, 2: PROVED})

    assert verdicts(proved([SUM, PRODUCT], prover, Policy())) == [("proved", None), ("proved", None)]
    assert prover.asked == [(1, 2)]


@pytest.mark.parametrize("ruling", [unproved("not-reached"), refuted("forward-differs")])
def test_what_the_prover_left_out_itself_is_not_run_again(ruling: Ruling):
    prover = Prover({1: PROVED, 2: ruling})

    assert verdicts(proved([SUM, PRODUCT], prover, Policy())) == [
        ("proved", None), (ruling.verdict.value, ruling.reason)
    ]  # fmt: skip
    assert prover.asked == [(1, 2)]


def test_what_is_only_safe_is_run_as_part_of_what_is_written():
    prover = Prover({1: PROVED, 2: SAFE})

    assert verdicts(proved([SUM, PRODUCT], prover, Policy())) == [("proved", None), ("safe", None)]
    assert prover.asked == [(1, 2)]


def test_where_only_what_is_proved_is_written_it_is_proved_without_the_rest():
    prover = Prover({1: PROVED, 2: SAFE})

    assert verdicts(proved([SUM, PRODUCT], prover, Policy(Mode.REQUIRE))) == [("proved", None), ("safe", None)]
    assert prover.asked == [(1, 2), (1,)]


@pytest.mark.parametrize("mode", Mode)
def test_a_hidden_caller_is_never_safe_without_a_run(mode: Mode):
    assert verdicts(proved([hidden(safe(SUM))], None, Policy(mode))) == [("unproved", "hidden-caller")]


# --- what is written


@pytest.mark.parametrize(("mode", "unsafe"), list(product(Mode, [False, True])))
def test_what_the_policy_writes(mode: Mode, unsafe: bool):
    writes = {r.verdict for r in (PROVED, SAFE, unproved("x"), refuted("x")) if Policy(mode, unsafe).writes(r)}

    expected = {Verdict.PROVED} | ({Verdict.SAFE} if mode is not Mode.REQUIRE else set())
    assert writes == expected | ({Verdict.UNPROVED} if unsafe else set())


def test_the_text_has_the_chosen_edits_and_nothing_else(plan):
    plan(SUM, safe(PRODUCT))

    result = pipeline.fix(source_of(), ALL, Policy(), None)

    assert result.text == PROGRAM.replace("h.mul_(2)", "h = h.mul(2)")
    assert result.written == {2}
    assert result.changed


def test_a_group_of_two_findings_is_written_once(plan):
    first, second = (Edit(f.site.span, f.outcome.edits[0].text) for f in (SUM, PRODUCT))
    together = Fix(7, "chain", "both", (first, second), safe=True)
    plan(replace(SUM, outcome=together), replace(PRODUCT, outcome=together))

    result = pipeline.fix(source_of(), ALL, Policy(), None)

    assert result.text == PROGRAM.replace("h.mul_(2)", "h = h.mul(2)").replace("h += skip", "h = h + skip")


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param((Edit(SUM.site.span, "h = ("),), id="a rewrite that does not parse"),
        pytest.param((Edit(Span(0, 20), "x"), Edit(Span(5, 9), "y")), id="edits that overlap"),
        pytest.param((Edit(SUM.site.span, "global h; h = 1"),), id="a rewrite that does not compile"),
    ],
)
def test_a_failure_of_ours_leaves_the_file_as_it_is(plan, edits: tuple[Edit, ...]):
    plan(replace(SUM, outcome=Fix(1, "broken", "broken", edits, safe=True)))

    result = pipeline.fix(source_of(), ALL, Policy(), None)

    assert not result.changed
    assert result.written == frozenset()
    assert [problem.rule for problem in result.analysis.problems] == ["FIP904"]


def test_a_crash_of_the_prover_leaves_the_file_as_it_is(plan):
    plan(SUM)

    def crash(source: object, fixes: object) -> Proof:
        raise OSError("fork server lost")

    result = pipeline.fix(source_of(), ALL, Policy(), crash)

    assert not result.changed
    assert "fork server lost" in result.analysis.problems[0].message


def test_bytes_keep_encoding_and_newlines(plan):
    text = PROGRAM.replace("\n", "\r\n").replace("import torch", "# coding: latin-1\r\nimport torch  # é")
    source = parse("m.py", text.encode("latin-1"))
    plan(fixed(text, "h += skip", "h = h + skip", safe=True))

    result = pipeline.fix(source, ALL, Policy(), None)

    assert result.data == text.replace("h += skip", "h = h + skip").encode("latin-1")


def test_refusals_change_nothing(plan):
    plan(refused(PROGRAM, "h += skip"))

    result = pipeline.fix(source_of(), ALL, Policy(unsafe=True), None)

    assert not result.changed
    assert result.analysis.findings[0].outcome == Refused("live-alias", "`g` is read on line 9")
