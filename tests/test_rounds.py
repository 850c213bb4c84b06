from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from findings import PROGRAM, PROVED, fixed, refused, source_of

from fixinplace import config, detect, pipeline, rewrite, rounds
from fixinplace.model import Analysis, Edit, Finding, Fix, Span
from fixinplace.pipeline import Mode, Policy
from fixinplace.source import Text, apply

ALL = config.selected((), ())
STATIC = Policy(Mode.OFF)


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch):
    def say(findings: Callable[[str], list[Finding]]) -> None:
        monkeypatch.setattr(detect, "scan", lambda part, tree, imported: ())
        monkeypatch.setattr(rewrite, "plan", lambda part, found, run: tuple(findings(part.text)))

    return say


def one_makes_room_for_the_other(text: str) -> list[Finding]:
    """The product can be rewritten once the sum is."""
    if "h += skip" in text:
        return [fixed(text, "h += skip", "h = torch.add(h, skip)", safe=True), refused(text, "h.mul_(2)", "live-alias")]
    return [fixed(text, "h.mul_(2)", "h = h.mul(2)", safe=True, rule="FIP101")] if "h.mul_(2)" in text else []


def test_what_a_fix_reveals_is_fixed_with_it(plan):
    plan(one_makes_room_for_the_other)

    result = pipeline.fix(source_of(), ALL, STATIC, None)

    assert result.text == PROGRAM.replace("h += skip", "h = torch.add(h, skip)").replace("h.mul_(2)", "h = h.mul(2)")
    assert [PROGRAM[f.site.span.start : f.site.span.end] for f in result.analysis.findings] == [
        "h += skip",
        "h.mul_(2)",
    ]
    assert not pipeline.fix(replace(source_of(), part=Text(result.text)), ALL, STATIC, None).changed


def test_everything_is_ruled_on_together_against_the_original(plan):
    plan(one_makes_room_for_the_other)
    asked: list[list[str]] = []

    def prover(source, fixes):
        assert source.part.text == PROGRAM
        asked.append([PROGRAM[edit.span.start : edit.span.end] for fix in fixes for edit in fix.edits])
        rulings = {fix.group: PROVED for fix in fixes}
        return SimpleNamespace(rulings=rulings, written=frozenset(rulings))

    result = pipeline.fix(source_of(), ALL, Policy(), prover)

    assert len(result.written) == 2
    assert asked == [["h += skip"], ["h += skip", "h.mul_(2)"]]


def test_what_is_revealed_and_not_written_leaves_the_first_result(plan):
    def unsafe(text: str) -> list[Finding]:
        return [
            replace(f, outcome=replace(f.outcome, safe="skip" in f.message))
            for f in one_makes_room_for_the_other(text)
            if isinstance(f.outcome, Fix)
        ]

    plan(unsafe)
    result = pipeline.fix(source_of(), ALL, STATIC, None)

    assert result.text == PROGRAM.replace("h += skip", "h = torch.add(h, skip)")
    assert len(result.analysis.findings) == 1


def test_rewrites_that_never_end_are_stopped(plan):
    def endless(text: str) -> list[Finding]:
        return [fixed(text, "return h", "h += 1\n    return h", safe=True)]

    plan(endless)
    result = pipeline.fix(source_of(), ALL, STATIC, None)

    assert result.text == PROGRAM.replace("return h", "h += 1\n    return h")


def moved(edits: list[Edit], span: Span) -> Span | None:
    """Where a fix of `span` in the text with `edits` made stands in the original, None if it is no copy."""
    text = apply(PROGRAM, edits)
    finding = fixed(text, text[span.start : span.end], "x", nth=text[: span.start].count(text[span.start : span.end]))
    assert finding.site.span == span
    found = rounds.revealed(Analysis("m.py"), edits, Analysis("m.py", (finding,)))
    return found[0].site.span if found else None


SUM, PRODUCT, RETURN = (
    Span(PROGRAM.index(s), PROGRAM.index(s) + len(s)) for s in ("h += skip", "h.mul_(2)", "return h")
)


@pytest.mark.parametrize("inserted", ["", "h = h.clone()\n    "])
@pytest.mark.parametrize("replaced", ["h = h + skip", "h", "h += skip"])
@pytest.mark.parametrize("span", [PRODUCT, RETURN])
def test_spans_behind_and_before_edits_are_found_again(inserted: str, replaced: str, span: Span):
    edits = [Edit(SUM, replaced), Edit(Span(PRODUCT.start, PRODUCT.start), inserted)]
    shift = len(replaced) - len("h += skip") + len(inserted)

    assert moved(edits, Span(span.start + shift, span.end + shift)) == span
    assert moved([Edit(RETURN, "return h + 1")], span) == (span if span is PRODUCT else None)


def test_what_an_edit_wrote_is_not_found_again():
    assert moved([Edit(SUM, "h += skip * 2")], Span(SUM.start, SUM.end)) is None
    assert moved([Edit(Span(SUM.start, SUM.start), "h = h.clone()\n    ")], Span(SUM.start, SUM.start + 13)) is None


def test_fixes_of_the_same_text_are_not_made_together(plan):
    inner = replace(fixed(PROGRAM, "skip", "skop", 1, safe=True, nth=1))
    plan(lambda text: [fixed(text, "h += skip", "h = h + skip", 0, safe=True), inner] if text == PROGRAM else [])

    result = pipeline.fix(source_of(), ALL, STATIC, None)

    assert result.text == PROGRAM.replace("h += skip", "h = h + skip")
    assert result.analysis.problems == ()
