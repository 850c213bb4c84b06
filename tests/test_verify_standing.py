"""Writes behind autograd in forward mode, and patches of what is right as it stands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from programs import Program, fix, program

from fixinplace.model import Verdict
from fixinplace.verify.bench import Judgement
from fixinplace.verify.jobs import Job, Patch, Run
from fixinplace.verify.runner import Runner
from fixinplace.verify.search import rewrite

HEAD = """
import torch
x = torch.randn(4, 4, requires_grad=True)
w = torch.randn(4, 4, requires_grad=True)
y = x * w
"""
END = "(y.exp() * x).sum().backward()\n"
SEEN = {
    "a call on .data": ("y.data.mul_(2)\n", "y = y.mul(2)\n"),
    "an operator on .data": ("y.data *= 2\n", "y = y * 2\n"),
    "a factor that is tracked": ("y.data.mul_(w)\n", "y = y.mul(w)\n"),
    "a mask": ("y.data[y.data < 0.1] = 0.5\n", "y = y.masked_fill(y < 0.1, 0.5)\n"),
    "a row of what was detached": ("d = y.detach()\nd[1].mul_(3)\n", "y = y * torch.tensor([[1.], [3], [1], [1]])\n"),
    "views of views": (
        "d = y.detach().t()[1:]\nd.unbind(1)[0].mul_(3)\n",
        "m = torch.ones(4, 4)\nm[0, 1:] = 3\ny = y * m\n",
    ),
    "without grad mode": ("with torch.no_grad():\n    y.data.mul_(2)\n", "y = y.mul(2)\n"),
    "a mask through an array": (
        "a = y.detach().numpy()\na[1] = 0.5\n",
        "m = torch.ones(4, 4)\nm[1] = 0\ny = y * m + 0.5 * (1 - m)\n",
    ),
    "an array without grad mode": (
        "with torch.no_grad():\n    a = y.numpy()\na[:, 2] = 0\n",
        "m = torch.ones(4, 4)\nm[:, 2] = 0\ny = y * m\n",
    ),
    "an array that nobody writes": ("a = y.detach().numpy()\ny.data.mul_(2)\n", "y = y * 2\n"),
    "into its own values": ("y.data.mul_(y.data)\n", "y = y * y.detach()\n"),
    "what is only read": ("z = y.data * 2\ny = y + z\n", "y = y + (y * 2).detach()\n"),
    "a parameter": (
        "v = torch.ones(4, requires_grad=True)\nv.data.mul_(2)\ny = y * v\n",
        "v = torch.full((4,), 2.0, requires_grad=True)\ny = y * v\n",
    ),
}


def run(lab: Runner, one: Program, text: str, forward: int | None = None) -> Run:
    """A version of a program, plain or in forward mode that follows hidden writes."""
    assert lab.problem is None
    probe = one.probe
    job = Job(probe.kind, probe.path, probe.name, (Patch(str(one.path), text),), double=True, forward=forward)
    found = lab.run(replace(job, hidden=forward is not None))
    assert found.finished, found
    return found


@pytest.mark.parametrize("name", SEEN)
def test_the_derivative_is_that_of_the_values_as_they_are(name: str, lab: Runner, tmp_path: Path):
    hidden, shown = SEEN[name]
    one = program(tmp_path, HEAD + hidden + END)
    candidate = run(lab, one, HEAD + shown + END)
    for number in range(2):
        found = lab.slopes(run(lab, one, one.text, number), candidate, number)
        assert [each.agrees for each in found] == [True], found


def test_what_autograd_does_not_see_is_no_derivative(lab: Runner, tmp_path: Path):
    one = program(tmp_path, HEAD + "y.data.mul_(2)\n" + END)
    found = lab.slopes(run(lab, one, one.text, 0), run(lab, one, one.text), 0)
    assert [each.differs for each in found] == [True], found


GATE = """
import torch
def main():
    torch.manual_seed(0)
    layer, other = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    x = torch.randn(6, 4)
    h = torch.sigmoid(layer(x))
{}
    (other(h) ** 2).mean().backward()
    return [p.grad for p in (*layer.parameters(), *other.parameters())]
"""
PATCHED = {
    "a mask that sigmoid's backward knows": ("    h.data[h.data < 0.5] = 0.0", Verdict.REFUTED, False),
    "what saturates": ("    with torch.no_grad():\n        h.data[h.data > 0.5] = 1.0", Verdict.REFUTED, False),
    "through an array": ("    h.detach().numpy()[h.detach().numpy() < 0.5] = 0.0", Verdict.REFUTED, False),
    "scaled through an array": ("    a = h.detach().numpy()\n    a *= 0.5", Verdict.PROVED, True),
    "through dlpack": ("    torch.utils.dlpack.from_dlpack(h.detach())[0] = 0.0", Verdict.REFUTED, False),
    "a mask that it does not know": ("    h.data[h.data < 0.5] = 0.4", Verdict.PROVED, True),
    "a scale": ("    h.data.mul_(0.5)", Verdict.PROVED, True),
    "a shift": ("    h.data.add_(1)", Verdict.PROVED, False),
    "torch says so": ("    h.detach()[0].mul_(0.5)", Verdict.PROVED, True),
    "no write behind autograd": ("    h += 1", Verdict.PROVED, False),
}


def judged(lab: Runner, one: Program, old: str, new: str) -> Judgement:
    """What is said of a patch of the user's whole command."""
    rewritten, marks = rewrite(one.text, [fix(one.text, old, new)])
    return lab.judge(replace(one.case(rewritten), whole=True), marks)


@pytest.mark.parametrize("name", PATCHED)
def test_what_is_right_as_it_stands_is_not_patched(name: str, lab: Runner, tmp_path: Path):
    write, verdict, noted = PATCHED[name]
    ruling = judged(lab, program(tmp_path, GATE.format(write)), "layer(x))", "layer(x)).clone()").ruling

    assert ruling.verdict is verdict, ruling.sentence
    assert ("write behind autograd included" in ruling.sentence) is (verdict is Verdict.REFUTED)
    assert any(note.startswith("convention: ") for note in ruling.evidence[0].notes) is noted
