"""The search keeps good fixes when others are bad, and claims nothing for a text that was not run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from programs import fix, program

from fixinplace.model import Edit, Fix, Ruling, Span, Verdict
from fixinplace.verify.bench import Case, Judgement, Mark
from fixinplace.verify.probes import Probe
from fixinplace.verify.runner import Runner
from fixinplace.verify.search import MAX_JUDGEMENTS, prove, rewrite

PROBE = Probe("script", "/p.py", None)
TEXT = "a += 1\nb += 1\nc += 1\nd += 1\n"
SAFE, PROVED, UNPROVED, REFUTED = Verdict.SAFE, Verdict.PROVED, Verdict.UNPROVED, Verdict.REFUTED


@dataclass
class Fake:
    """A judge by rule: texts with a line of `bad` are refuted; groups of `unreached` are not reached.

    hiding: lines after which an argument is no longer written.
    raises: lines without which the program still raises. together: two lines that are bad only together.
    """

    bad: frozenset[str] = frozenset()
    unreached: frozenset[int] = frozenset()
    raises: frozenset[str] = frozenset()
    together: frozenset[str] = frozenset()
    hiding: frozenset[str] = frozenset()
    ruling: Ruling | None = None
    judged: list[str] = field(default_factory=list)

    def judge(self, case: Case, marks: tuple[Mark, ...]) -> Judgement:
        ((_, rewritten),) = case.rewritten
        self.judged.append(rewritten)
        if self.ruling is not None:
            return Judgement(self.ruling)
        if self._wrong(rewritten):
            return Judgement(Ruling(REFUTED, "forward-differs", "wrong"))
        if self.raises - set(rewritten.splitlines()):
            return Judgement(Ruling(REFUTED, "still-raises", "raises"))
        if self.hiding & set(rewritten.splitlines()):
            return Judgement(Ruling(UNPROVED, "hidden-caller", "argument"))
        reached = frozenset(mark.group for mark in marks if mark.rewritten) - self.unreached
        return Judgement(Ruling(PROVED) if reached else Ruling(UNPROVED, "not-reached"), reached)

    def alone(self, case: Case) -> Ruling:
        ((_, rewritten),) = case.rewritten
        self.judged.append(rewritten)
        if self._wrong(rewritten):
            return Ruling(REFUTED, "forward-differs", "wrong")
        hidden = self.hiding & set(rewritten.splitlines())
        return Ruling(UNPROVED, "hidden-caller", "argument") if hidden else Ruling(UNPROVED, "not-reached")

    def _wrong(self, rewritten: str) -> bool:
        lines = frozenset(rewritten.splitlines())
        return bool(self.bad & lines) or (bool(self.together) and self.together <= lines)


def fixes(safe: str = "", parameter: str = "") -> list[Fix]:
    return [
        fix(TEXT, f"{name} += 1", f"{name} = {name} + 1", group, name in safe, name if name in parameter else None)
        for group, name in enumerate("abcd")
    ]


def verdicts(fake: Fake, given: list[Fix]) -> list[tuple[Verdict, str | None]]:
    proof = prove(TEXT, "/p.py", given, [PROBE], fake)
    for group in range(4):
        line = f"{'abcd'[group]} = "
        assert (line in proof.text) is (proof.rulings[group].verdict in (PROVED, SAFE))
    assert proof.written == {g for g, r in proof.rulings.items() if r.verdict in (PROVED, SAFE)}
    if any(ruling.verdict is PROVED for ruling in proof.rulings.values()):
        assert proof.text in fake.judged
    return [(proof.rulings[group].verdict, proof.rulings[group].reason) for group in range(4)]


def test_all_good_fixes_are_proved_in_one_judgement():
    fake = Fake()
    assert verdicts(fake, fixes()) == [(PROVED, None)] * 4
    assert len(fake.judged) == 1


def test_one_bad_fix_does_not_take_the_others_with_it():
    fake = Fake(bad=frozenset({"c = c + 1"}))
    bad = (REFUTED, "forward-differs")
    assert verdicts(fake, fixes(safe="c")) == [(PROVED, None), (PROVED, None), bad, (PROVED, None)]


def test_what_only_the_plain_runs_show_is_found_too():
    class Silent(Fake):
        def judge(self, case: Case, marks: tuple[Mark, ...]) -> Judgement:
            if "c = c + 1" in case.rewritten[0].text:
                return Judgement(Ruling(REFUTED, "gradient-differs"))
            return super().judge(case, marks)

    bad = (REFUTED, "gradient-differs")
    assert verdicts(Silent(), fixes(safe="ac")) == [(PROVED, None), (PROVED, None), bad, (PROVED, None)]


def test_fixes_that_are_wrong_only_together_are_both_refuted():
    fake = Fake(together=frozenset({"a = a + 1", "d = d + 1"}))
    found = verdicts(fake, fixes())
    assert found[0] == found[3] == (REFUTED, "forward-differs")


def test_what_is_not_reached_leaves_the_text_unless_it_is_safe():
    fake = Fake(unreached=frozenset({1, 2}))
    assert verdicts(fake, fixes(safe="c")) == [
        (PROVED, None),
        (UNPROVED, "not-reached"),
        (SAFE, "not-reached"),
        (PROVED, None),
    ]
    assert "b += 1" in fake.judged[-1]


def test_a_hidden_caller_is_never_proved_and_leaves_the_text():
    fake = Fake()
    assert verdicts(fake, fixes(parameter="b"))[1] == (UNPROVED, "hidden-caller")
    assert "b += 1" in fake.judged[-1]


def test_an_argument_found_by_running_is_no_safe_fix_either():
    fake = Fake(hiding=frozenset({"c = c + 1"}))
    hidden = (UNPROVED, "hidden-caller")
    assert verdicts(fake, fixes(safe="c")) == [(PROVED, None), (PROVED, None), hidden, (PROVED, None)]


def test_a_known_parameter_is_dropped_without_a_search():
    fake = Fake(hiding=frozenset({"b = b + 1"}))
    hidden = (UNPROVED, "hidden-caller")
    assert verdicts(fake, fixes(parameter="b")) == [(PROVED, None), hidden, (PROVED, None), (PROVED, None)]
    assert len(fake.judged) == 2


def test_a_refuted_parameter_is_refuted():
    assert verdicts(Fake(bad=frozenset({"b = b + 1"})), fixes(parameter="b"))[1] == (REFUTED, "forward-differs")


def test_what_needs_a_hidden_caller_to_run_is_not_proved():
    fake = Fake(raises=frozenset({"b = b + 1"}))
    assert verdicts(fake, fixes(parameter="b", safe="c")) == [
        (REFUTED, "still-raises"),
        (UNPROVED, "hidden-caller"),
        (SAFE, "still-raises"),
        (REFUTED, "still-raises"),
    ]


@pytest.mark.parametrize("reason", ["timed-out", "nondeterministic", "no-forward-reference", "needs-package"])
def test_where_nothing_can_be_said_safe_stays_safe(reason: str):
    fake = Fake(ruling=Ruling(UNPROVED, reason, "s"))
    assert verdicts(fake, fixes(safe="ad")) == [(SAFE, reason), (UNPROVED, reason), (UNPROVED, reason), (SAFE, reason)]
    assert len(fake.judged) == 1


def test_an_error_that_another_write_raises_is_not_blamed_on_a_safe_fix():
    class Stuck(Fake):
        def judge(self, case: Case, marks: tuple[Mark, ...]) -> Judgement:
            return Judgement(Ruling(REFUTED, "still-raises", "s"))

        def alone(self, case: Case) -> Ruling:
            return Ruling(UNPROVED, "no-forward-reference", "s")

    assert verdicts(Stuck(), fixes(safe="ad")) == [
        (SAFE, "still-raises"),
        (REFUTED, "still-raises"),
        (REFUTED, "still-raises"),
        (SAFE, "still-raises"),
    ]


def test_without_probes_nothing_runs():
    proof = prove(TEXT, "/p.py", fixes(safe="a"), [], Fake())
    assert [(r.verdict, r.reason) for r in proof.rulings.values()] == [
        (SAFE, "no-probe"),
        *[(UNPROVED, "no-probe")] * 3,
    ]


def test_overlapping_fixes_are_never_made_together():
    one, two = fix(TEXT, "a += 1", "a = a + 1", 0), fix(TEXT, "+= 1\nb", "= 1\nb", 1)
    proof = prove(TEXT, "/p.py", [one, two], [PROBE], Fake())
    assert (proof.rulings[0].verdict, proof.rulings[1].verdict) == (PROVED, UNPROVED)
    assert proof.text == TEXT.replace("a += 1", "a = a + 1")


def test_text_that_is_no_python_is_refuted():
    proof = prove(TEXT, "/p.py", [fix(TEXT, "a += 1", "a = = 1")], [PROBE], Fake())
    assert (proof.rulings[0].verdict, proof.rulings[0].reason) == (REFUTED, "new-error")


def test_the_number_of_judgements_is_bounded():
    text = "".join(f"v{i} += 1\n" for i in range(200))
    many = [fix(text, f"v{i} += 1", f"v{i} = v{i} + 1", i) for i in range(200)]
    fake = Fake(bad=frozenset(f"v{i} = v{i} + 1" for i in range(200)))
    proof = prove(text, "/p.py", many, [PROBE], fake)
    assert {ruling.verdict for ruling in proof.rulings.values()} == {REFUTED}
    assert len(fake.judged) <= 2 * MAX_JUDGEMENTS


def test_a_probe_that_proves_is_enough_and_one_that_refutes_is_too():
    class Two(Fake):
        def judge(self, case: Case, marks: tuple[Mark, ...]) -> Judgement:
            if case.probe.name == "slow":
                return Judgement(Ruling(UNPROVED, "timed-out"))
            if case.probe.name == "other" and "d = d" in case.rewritten[0].text:
                return Judgement(Ruling(REFUTED, "gradient-differs"))
            return super().judge(case, marks)

        def alone(self, case: Case) -> Ruling:
            if case.probe.name == "other" and "d = d" in case.rewritten[0].text:
                return Ruling(REFUTED, "gradient-differs")
            return super().alone(case)

    probes = [Probe("callable", "/p.py", name) for name in ("slow", "fast", "other")]
    rulings = prove(TEXT, "/p.py", fixes(), probes, Two()).rulings
    assert [rulings[group].verdict for group in range(4)] == [PROVED, PROVED, PROVED, REFUTED]


def test_marks_name_what_changes_in_both_texts():
    text = "y = f(x)\ny *= 3\nz = g(y)\n"
    edits = (Edit(Span(9, 15), "y = y * 3"), Edit(Span(16, 16), "global q\n"))
    rewritten, (mark,) = rewrite(text, [Fix(5, "test", "", edits, False)])
    assert rewritten == "y = f(x)\ny = y * 3\nglobal q\nz = g(y)\n"
    assert [(text[a:b], a) for a, b, _ in mark.original] == [("*=", 11), ("", 16)]
    assert [rewritten[a:b] for a, b, _ in mark.rewritten] == ["= y *"]


THREE_SITES = """
import torch

def helper(v):
    w = v * 2
    kept = [w]
    s = w.sin()
    w *= 5
    return s.sum() + kept[0].sum()

def main():
    x = torch.ones(3, requires_grad=True)
    a = x * 1
    b = a ** 2
    a += 1
    c = b.exp()
    b /= 7
    loss = c.sum() + (a * b).sum() + helper(x)
    loss.backward()
    return x.grad
"""


def test_one_bad_site_of_three(lab: Runner, tmp_path: Path):
    made = program(tmp_path, THREE_SITES)
    given = [
        fix(made.text, "a += 1", "a = a + 1", 0),
        fix(made.text, "w *= 5", "w = w * 5", 1),
        fix(made.text, "b /= 7", "b = b / 7", 2),
    ]
    proof = prove(made.text, str(made.path), given, [made.probe], lab)
    assert proof.rulings[1].verdict is REFUTED
    assert proof.rulings[1].reason == "forward-differs"
    # The write in `helper` is itself a culprit, so without it the program goes on failing.
    assert {proof.rulings[0].reason, proof.rulings[2].reason} == {"still-raises"}
    assert proof.text == made.text


def test_one_bad_site_of_three_that_breaks_nothing_itself(lab: Runner, tmp_path: Path):
    made = program(tmp_path, THREE_SITES.replace("w.sin()", "w + 1"))
    given = [
        fix(made.text, "a += 1", "a = a + 1", 0),
        fix(made.text, "w *= 5", "w = w * 5", 1),
        fix(made.text, "b /= 7", "b = b / 7", 2),
    ]
    proof = prove(made.text, str(made.path), given, [made.probe], lab)
    assert [proof.rulings[group].verdict for group in range(3)] == [PROVED, REFUTED, PROVED]
    assert "w *= 5" in proof.text
    assert "a = a + 1" in proof.text
