"""What is computed again from another method or from a finished loop, and what is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from choice_programs import PROGRAMS

METHODS, ROUNDS = PROGRAMS["gan_latent_methods"], PROGRAMS["gan_rounds"]
AGAIN = "self.again = self.E(self.fake)"


def again(one, *changes: tuple[str, str]) -> list[str]:
    """The titles of what is computed again, in the program with some texts replaced."""
    text = one.text
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        text = text.replace(old, new)
    return [each.title for each in replace(one, text=text).proposals() if "computed again" in each.title]


def test_statements_of_another_method():
    (title,) = again(METHODS)

    assert title.startswith("`self.again = self.E(self.fake)` of `forward`")


CHANGED = {
    "what they read is a parameter": [("def forward(self)", "def forward(self, gain=2)"), (AGAIN, AGAIN + " * gain")],
    "what they read is a name of the method alone": [
        ("self.noise = torch", "gain = 2\n                self.noise = torch"),
        (AGAIN, AGAIN + " * gain"),
    ],
    "what they read changes between": [
        ("self.forward()\n", "self.forward()\n        self.fake = self.fake.tanh()\n"),
    ],
    "what they read changes before the step": [
        ("self.backward_ge()\n", "self.backward_ge()\n        self.fake = self.fake.tanh()\n"),
    ],
    "a name that they bind is another one there": [
        (AGAIN, "self.again, scale = self.E(self.fake), 2"),
        ("self.opt_e.step()", "self.opt_e.step()\n        scale = 3\n        print(scale, end='')"),
    ],
    "they have an effect": [
        (AGAIN, AGAIN + " * meter.log(1)"),
        ("class Trainer", "meter = nn.Module()\nclass Trainer"),
    ],
}


@pytest.mark.parametrize("name", CHANGED)
def test_statements_that_mean_something_else_there(name: str):
    assert again(METHODS, *((old, new.replace("                ", "        ")) for old, new in CHANGED[name])) == []


def test_a_finished_loop_is_looked_into():
    (title,) = again(ROUNDS)

    assert title.startswith("`fake = G(z)` computed again in every round of the loop")


@pytest.mark.parametrize(
    "change",
    [
        ("opt_d.step()", "opt_d.step()\n            z = z + 1"),
        ("opt_d.zero_grad()", "opt_d.zero_grad()\n            if z.sum() > 9:\n                break"),
        ("opt_g.zero_grad()", "opt_g.zero_grad()\n            z = z + 1"),
    ],
)
def test_a_round_whose_values_are_gone_is_not_computed_again(change: tuple[str, str]):
    assert again(ROUNDS, change) == []


def test_what_another_loop_computes_stays_there_as_well():
    unread = ROUNDS.text.replace("fake.detach()", "torch.randn(5, 6)")
    (again_there,) = [each for each in replace(ROUNDS, text=unread).proposals() if "computed again" in each.title]

    assert replace(ROUNDS, text=unread).patched(again_there).count("fake = G(z)") == 2


AVERAGED = """
import copy

import torch
from torch import nn
import torch.nn.functional as F


def main():
    torch.manual_seed(0)
    student = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    teacher = copy.deepcopy(student)
    opt = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(2):
        x = torch.randn(5, 4)
        loss = F.mse_loss(student(x), teacher(x))
        for ps, pt in zip(student.parameters(), teacher.parameters()):
            pt.data.mul_(0.9).add_(ps.data, alpha=0.1)
        opt.zero_grad()
        loss.backward()
        opt.step()
    return [p.grad for p in student.parameters()]
"""


def test_choices_are_shown_where_a_patch_mends_nothing(command):
    """The copy of an alias changes no gradient; the update behind the backward is what is meant."""
    Path("prog.py").write_text(AVERAGED.lstrip("\n"))
    document = json.loads(command("repair", "--diff", "--output-format", "json", "prog.py::main").stdout)

    titles = [choice["proposals"][-1]["title"] for choice in document["choices"]]
    assert document["patch"]["reason"] == "no-forward-reference"
    assert document["status"] == "choice"
    assert titles[0] == "the update in line 16 moved behind `loss.backward()`"
