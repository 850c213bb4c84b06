"""State that an object keeps with its graph where the frame of the step has no path to the object."""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from choosing import code, program
from computing import computed, same
from typer.testing import Result

from fixinplace.repair.base import Change, Wrap
from fixinplace.repair.steps.choice import joined
from fixinplace.repair.steps.constant import is_average
from fixinplace.repair.steps.facts import Reader
from fixinplace.repair.steps.paths import base
from fixinplace.repair.steps.stores import Kept, stores

Command = Callable[..., Result]

NORM = """
import torch
from torch import nn


class Inner(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.gate = nn.Linear(width, width)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.seen += 1
        STORE
        return (x - self.mean) * self.weight


def main():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 4), Inner(4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(3):
        loss = net(torch.randn(6, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"loss": loss.detach(), **{name: each.detach() for name, each in net.state_dict().items()}}
"""
AVERAGES = {
    "a chain of writes": "self.mean.mul_(0.9).add_(0.1 * x.mean(0))",
    "bound anew": "self.mean = 0.9 * self.mean + 0.1 * x.mean(0)",
    "two lines": "self.mean *= 0.9\n        self.mean += 0.1 * x.mean(0)",
}
RECURRENT = "self.mean = torch.tanh(self.gate(self.mean) + x.mean(0))"


def written(store: str, old: str, new: str) -> str:
    assert old in NORM.replace("STORE", store)
    return NORM.replace("STORE", store).replace(old, new)


def experts(store: str) -> dict[str, str]:
    """What an expert writes: no grad mode for the update; a state without history where the forward begins."""
    lines = ["with torch.no_grad():", *("    " + line.strip() for line in store.split("\n"))]
    return {
        "under": written(store, store, "\n        ".join(lines)),
        "detached": written(store, "        self.seen += 1", "        self.mean = self.mean.detach()\n"
                                                              "        self.seen += 1"),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [*AVERAGES, "recurrent"])
def test_a_state_within_a_sequential_is_cut_in_its_class(name: str, command: Command, tmp_path: Path):
    """The culprit is the line that keeps the state; each option gives the expert's results bit by bit."""
    store = AVERAGES.get(name, RECURRENT)
    Path("norm.py").write_text(NORM.replace("STORE", store))
    data = json.loads(command("repair", "--output-format", "json", "norm.py::main").stdout)
    (culprit,) = data["culprits"]
    diffs = [each["diff"] for each in data["choices"] if "total" not in each["diff"]]
    found = {"under" if "no_grad" in diff else "detached": diff for diff in diffs}

    assert (data["status"], culprit["rule"]) == ("choice", "FIP207")
    assert culprit["culprit"]["text"] == store.split("\n")[-1].strip()
    assert set(found) == ({"under", "detached"} if name in AVERAGES else {"detached"})
    for word, diff in found.items():
        (tmp_path / word).mkdir()
        (tmp_path / word / "norm.py").write_text(NORM.replace("STORE", store))
        (tmp_path / f"{word}.py").write_text(experts(store)[word])
        apply = ["git", "apply", "--unsafe-paths", "-"]
        subprocess.run(apply, input=diff, text=True, cwd=tmp_path / word, check=True)
    results = computed(*(path for word in found for path in (tmp_path / word / "norm.py", tmp_path / f"{word}.py")))
    assert all(map(same, results[::2], results[1::2])), found


def proposals(store: str, other: str = "") -> list[str]:
    text = NORM.replace("STORE", store) + other
    one = program(text, "net(torch.randn(6, 4))", "optimizer.step()", "loss.backward()", "FIP207")
    return [each.title for each in one.proposals() if "behind the loop" not in each.title]


LEFT = {
    "updated without grad mode": "with torch.no_grad():\n            self.mean.mul_(0.9).add_(x.mean(0))",
    "of values without a history": "self.mean = x.mean(0)",
    "a counter": "self.seen += 2",
}


@pytest.mark.parametrize("name", LEFT)
def test_what_keeps_no_graph_is_left_alone(name: str):
    assert proposals(LEFT[name]) == []


@pytest.mark.parametrize("name", AVERAGES)
def test_an_average_has_both_options_and_each_class_its_own(name: str):
    other = NORM.partition("\n\n\n")[2].partition("\n\n\ndef main")[0]
    other = "\n\n" + other.replace("Inner", "Other").replace("STORE", RECURRENT) + "\n"

    assert proposals(AVERAGES[name]) == ["`self.mean` updated under `torch.no_grad()`",
                                         "`self.mean` detached before its next use"]  # fmt: skip
    assert proposals(AVERAGES[name], other).count("`self.mean` detached before its next use") == 2


@pytest.mark.parametrize(
    ("store", "average"),
    [
        ("self.n = 0.9 * self.n + x.mean(0)", True),
        ("self.n.mul_(0.9).add_(torch.mean(x))", True),
        ("self.n.lerp_(x, 0.1)", True),
        ("self.n += self.gate(x)", False),
        ("self.n.add_(self.gate(x))", False),
        ("self.n.mul_(self.gate(x)).add_(1)", False),
        ("self.n += self.w * x", False),
        ("self.n = helper(self.n, x)", False),
    ],
)
def test_what_calls_nothing_with_weights_is_an_average(store: str, average: bool):
    made = "self.w = nn.Parameter(torch.ones(2))"
    one = code(f"class A:\n    def __init__(self):\n        {made}\n    def add(self, x):\n        {store}\n")
    (owner,) = one.tree.body
    body = owner.body[1].body  # type: ignore[attr-defined]

    assert is_average(Kept("a.n", one, "self.n", tuple(stores(Reader(one), body, "self.n")))) is average


@pytest.mark.parametrize(
    ("text", "name"),
    [("h", "h"), ("h[0]", "h"), ("h.mul_(2)[0]", "h"), ("self.h.mul_(2).add_(1)", "self.h"), ("h.mul(2)", None),
     ("h.__add__(2)", None)],
)  # fmt: skip
def test_what_a_chain_of_writes_changes(text: str, name: str | None):
    assert base(ast.parse(text, mode="eval").body) == name


def test_changes_of_one_file_keep_their_blocks_and_imports():
    one, other = Wrap(0, 3, "with torch.no_grad():"), Wrap(5, 9, "with torch.no_grad():")
    changes = Change("a.py", wraps=(one,), imports=("torch",)), Change("a.py", wraps=(other,), imports=("torch",))

    assert joined(*changes) == (Change("a.py", wraps=(one, other), imports=("torch",)),)
