"""What a person is told to do by hand where no patch is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import proposing
import pytest
from choosing import code, place
from test_repair_search import FIRST, TEXT, Fake, offence, searched

from fixinplace.repair.base import Tier
from fixinplace.repair.outcome import Outcome
from fixinplace.repair.wording import rule_of
from fixinplace.report import repair as report
from fixinplace.report.offence import details
from fixinplace.trace.events import Offence, Trace, Write

STASH = """
import torch


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x * x

    @staticmethod
    def backward(ctx, grad):
        return 2 * ctx.x * grad


def main():
    w = torch.ones(3, requires_grad=True)
    h = w * 3
    y = Square.apply(h)
    h += 1
    (y + h).sum().backward()
    return w.grad
"""


@pytest.mark.slow
def test_a_tensor_that_a_function_hides_is_told_and_no_patch_is_called_refuted(command):
    Path("stash.py").write_text(STASH.lstrip("\n"))

    result = command("repair", "--diff", "stash.py::main")

    assert result.exit_code == 1
    assert "what to do   `ctx.save_for_backward(x)` in the Function's forward" in result.stderr
    assert "refuted" not in result.stderr and result.stdout == ""


@pytest.mark.parametrize(("rule", "silent", "copied"), [("FIP210", True, False), ("FIP210", False, True)])
def test_a_copy_of_what_a_function_hides_is_not_tried(rule: str, silent: bool, copied: bool):
    one = replace(offence(TEXT, *FIRST), rule=rule, silent=silent)
    found = searched(Fake(), one)
    (culprit,) = found.culprits

    assert bool(culprit.of(Tier.PATCH)) is copied
    assert culprit.of(Tier.EXPLAIN)


def test_what_to_do_is_told_beside_a_patch_that_is_refuted():
    one = replace(offence(TEXT, *FIRST), rule="FIP210")
    wrong = frozenset({"h = x.exp().clone()", "h = x.clone().exp()", "h = h + skip"})
    told = []
    for fake in (Fake(wrong=wrong), Fake()):
        found = searched(fake, one)
        outcome = Outcome("p.py", Trace((one,)), None, True, lambda path: code(TEXT), lambda path: None, found)
        told.append((found.proved, any("what to do" in line for line in report.lines(outcome))))

    assert told == [(False, True), (True, False)]


def test_a_line_that_a_loop_comes_by_again_is_told_once():
    text = proposing.function("h = x.exp()\nfor i in range(3):\n    h += 1\n    h *= 2\nh -= skip\nreturn h")
    first = proposing.offence(text, "h += 1", "x.exp()")
    places = (place(code(text), each) for each in ("h += 1", "h *= 2", "h -= skip"))
    again, doubled, last = (replace(first.writes[0], place=each) for each in places)
    one = replace(first, writes=(first.writes[0], doubled, again, doubled, again, doubled, last))
    told = [line for line in details(one, one, lambda path: None) if line.startswith("then")]

    assert [line.split("  ")[-1] for line in told] == ["h *= 2", "h -= skip"]


def test_a_place_in_a_note_is_told_as_other_places_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = replace(offence(TEXT, *FIRST), note=f"the view was made at {tmp_path}/model.py:22:40")

    assert "note       the view was made at model.py:22:40" in details(one, one, lambda path: None)


@pytest.mark.parametrize(
    ("line", "marker", "rule"),
    [
        ("h[:, 0], h[:, 1] = h[:, 1].clone(), x", "h[:, 0]", "FIP109"),
        ("for h[0] in x: pass", "h[0]", "FIP109"),
        ("torch.exp(x, out=h)", "torch.exp(x, out=h)", "FIP110"),
        ("helper(h[0])", "helper(h[0])", "FIP105"),
    ],
)
def test_the_code_of_what_wrote(line: str, marker: str, rule: str):
    one = code(f"import torch\n\n\ndef f(h, x):\n    {line}\n")
    offence = Offence("", None, (Write(1, "copy_", place(one, marker)),), None)

    assert rule_of(offence, lambda path: one) == rule
