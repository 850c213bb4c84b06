"""The search tries what an expert would, gives up what is to blame, and keeps what is right; with a lab by rule."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from choosing import PATH, code, place

from fixinplace.model import Edit, Ruling, Span, Verdict
from fixinplace.repair.base import Change, Proposal, Repair, Tier, repairs
from fixinplace.repair.budget import Budget
from fixinplace.repair.found import Found
from fixinplace.repair.search import Search
from fixinplace.trace.events import Offence, Save, Trace, Write
from fixinplace.verify.bench import Case, Judgement, Mark, Texts
from fixinplace.verify.probes import Probe

TEXT = """import torch


def f(x, skip):
    h = x.exp()
    h += skip
    g = h.tanh()
    g *= 2
    return h.sin() + g
"""
FIRST, SECOND = ("h += skip", "x.exp()"), ("g *= 2", "h.tanh()")


def offence(text: str, write: str, save: str, node: str = "ExpBackward0") -> Offence:
    program = code(text)
    at, saved = place(program, write), place(program, save)
    written = Write(2, "add_", at, (at,), names=("h",))
    return Offence("", Save(1, "exp", saved, (saved,), names=("h",)), (written,), None, node=node)


@dataclass
class Fake:
    """A lab by rule: `wrong` lines refute a text, `raising` lines leave it failing.

    hidden: the culprit that a trace shows only when the other one is gone.
    behind: lines that no reference comes to.
    """

    wrong: frozenset[str] = frozenset()
    raising: tuple[tuple[str, str], ...] = (FIRST,)
    behind: frozenset[str] = frozenset()
    judged: list[str] = field(default_factory=list)

    def judge(self, case: Case, marks: tuple[Mark, ...]) -> Judgement:
        ((_, text),) = case.rewritten
        self.judged.append(text)
        return Judgement(self._rule(text))

    def alone(self, case: Case) -> Ruling:
        ((_, text),) = case.rewritten
        return self._rule(text) if self.wrong & lines_of(text) else Ruling(Verdict.UNPROVED, "not-reached")

    def trace(self, probe: Probe, texts: Texts) -> Trace | str:
        ((_, text),) = texts
        return Trace(tuple(offence(text, *each) for each in self.raising if self._still(text, each)))

    def _rule(self, text: str) -> Ruling:
        if self.wrong & lines_of(text):
            return Ruling(Verdict.REFUTED, "forward-differs")
        if any(self._still(text, each) for each in self.raising):
            return Ruling(Verdict.REFUTED, "still-raises")
        if self.behind & lines_of(text):
            return Ruling(Verdict.UNPROVED, "not-reached")
        return Ruling(Verdict.PROVED)

    @staticmethod
    def _still(text: str, each: tuple[str, str]) -> bool:
        return each[0] in text and f"{each[1]}.clone()" not in text and f"= {each[1]}" in text


def lines_of(text: str) -> frozenset[str]:
    return frozenset(line.strip() for line in text.splitlines())


def searched(fake: Fake, *offences: Offence, budget: Budget = Budget()) -> Found:  # noqa: B008 - frozen
    program = code(TEXT)
    search = Search(Probe("script", PATH, None), lambda path: program, fake, budget, lambda line: None)
    return search.run(offences)


def added(found: Found) -> list[str]:
    assert found.best is not None
    return sorted(lines_of(found.best.attempt.rewritten[0].text) - lines_of(TEXT))


def test_one_culprit_takes_one_judgement():
    fake = Fake()
    found = searched(fake, offence(TEXT, *FIRST))
    assert found.proved
    assert added(found) == ["h = h + skip"]
    assert len(fake.judged) == 1


def test_two_choices_of_the_same_text_are_one(monkeypatch: pytest.MonkeyPatch):
    """One moves a line down, another moves the line below it up."""
    start, middle, end = (TEXT.index(each) for each in ("    h += skip", "    g = h", "    g *= 2"))
    first, second = TEXT[start:middle], TEXT[middle:end]
    down = (Edit(Span(start, middle), ""), Edit(Span(end, end), first))
    up = (Edit(Span(start, start), second), Edit(Span(middle, end), ""))
    found = [Proposal(name, Tier.CHOOSE, name, (Change(PATH, edits),)) for name, edits in (("a", down), ("b", up))]
    form = Repair("mover", "", "", lambda scene: found)
    monkeypatch.setattr("fixinplace.repair.proposed.repairs", lambda: (form,))
    fake = Fake(raising=())

    assert [each.attempt.proposals[0].title for each in searched(fake, offence(TEXT, *FIRST)).choices] == ["a"]
    assert len(fake.judged) == 1


@pytest.mark.parametrize("wrong", ["h = h + skip", "h = x.exp().clone()"])
def test_a_refuted_patch_is_no_best_where_choices_are_left(monkeypatch: pytest.MonkeyPatch, wrong: str):
    program = code(TEXT)
    node = place(program, "h += skip")
    edit = program.replace(program.at(node), "pass")  # type: ignore[arg-type]
    chosen = Proposal("chosen", Tier.CHOOSE, "chosen", (Change(PATH, (edit,)),))
    forms = (*repairs(), Repair("chooser", "", "", lambda scene: [chosen]))
    monkeypatch.setattr("fixinplace.repair.proposed.repairs", lambda: forms)
    every = frozenset({"h = h + skip", "h = x.exp().clone()"})

    assert searched(Fake(wrong=frozenset({wrong})), offence(TEXT, *FIRST)).proved
    found = searched(Fake(wrong=every), offence(TEXT, *FIRST))
    assert found.best is None and [each.attempt.proposals for each in found.choices] == [(chosen,)]
    assert len(found.tried) == 3

    unreached = searched(Fake(behind=every), offence(TEXT, *FIRST))
    assert unreached.best is None and [each.attempt.proposals for each in unreached.choices] == [(chosen,)]


def test_what_is_refuted_gives_way_to_the_next_proposal():
    found = searched(Fake(wrong=frozenset({"h = h + skip"})), offence(TEXT, *FIRST))
    assert found.proved
    assert added(found) == ["h = x.exp().clone()"]
    assert [each.ruling.verdict for each in found.tried] == [Verdict.REFUTED, Verdict.PROVED]


def test_a_culprit_that_shows_only_later_joins():
    found = searched(Fake(raising=(FIRST, SECOND)), offence(TEXT, *FIRST))
    assert found.proved
    assert added(found) == ["g = g * 2", "h = h + skip"]


def test_a_second_thing_that_the_same_write_has_spoilt_joins_it():
    """The copy at the first read leaves the second, which only the next trace shows."""

    class Hidden(Fake):
        def _rule(self, text: str) -> Ruling:
            if self.wrong & lines_of(text):
                return Ruling(Verdict.REFUTED, "forward-differs")
            copied = text.count(".clone()")
            return Ruling(Verdict.PROVED) if copied == 2 else Ruling(Verdict.REFUTED, "still-raises")

        def trace(self, probe: Probe, texts: Texts) -> Trace | str:
            ((_, text),) = texts
            left = [save for save in ("h.tanh()", "h.sin()@1") if save.partition("@")[0] in text.partition("return")[0]]
            return Trace(tuple(offence(text, "h += skip", save) for save in left))

    program = TEXT.replace("    h += skip\n    g = h.tanh()\n", "    y = h.sin()\n    g = h.tanh()\n    h += skip\n")
    fake = Hidden(frozenset({"h = h + skip", "h = x.exp().clone()"}))
    search = Search(Probe("script", PATH, None), lambda path: code(program), fake, Budget(), lambda line: None)
    found = search.run([offence(program, "h += skip", "h.sin()@1", node="SinBackward0")])
    assert found.proved, [each.ruling for each in found.tried]
    assert {"y = h.clone().sin()", "g = h.clone().tanh()"} <= lines_of(found.best.attempt.rewritten[0].text)  # type: ignore[union-attr]


def test_with_two_culprits_only_the_wrong_proposal_is_replaced():
    fake = Fake(frozenset({"g = g * 2"}), (FIRST, SECOND))
    found = searched(fake, offence(TEXT, *FIRST), offence(TEXT, *SECOND, node="TanhBackward0"))
    assert found.proved
    assert added(found) == ["g = h.tanh().clone()", "h = h + skip"] or "h = h + skip" in added(found)


def test_what_can_be_left_out_is():
    fake = Fake(raising=(FIRST,))
    found = searched(fake, offence(TEXT, *FIRST), offence(TEXT, *SECOND, node="TanhBackward0"))
    assert found.proved
    assert added(found) == ["h = h + skip"]


def test_nothing_is_claimed_when_nothing_holds():
    lines = frozenset({"h = h + skip", "h = x.exp().clone()", "h = x.clone().exp()"})
    found = searched(Fake(wrong=lines), offence(TEXT, *FIRST))
    assert not found.proved
    assert [culprit.offences[0].writes[0].place for culprit in found.open] == [place(code(TEXT), "h += skip")]


def test_the_budget_ends_the_search_and_says_so():
    found = searched(Fake(wrong=frozenset({"h = h + skip"})), offence(TEXT, *FIRST), budget=Budget(1))
    assert not found.proved
    assert "budget of 1" in found.stopped


def test_a_right_proposal_is_not_given_up_for_another_culprits_error():
    """Of the second culprit nothing can be edited: its write is not the user's."""
    far = offence(TEXT, *SECOND)
    foreign = Write(2, "add_", None, ())
    found = searched(Fake(raising=(FIRST, SECOND)), offence(TEXT, *FIRST), Offence("FIP210", None, (foreign,), None))
    assert far.save is not None
    assert found.best is not None
    assert "h = h + skip" in added(found)
