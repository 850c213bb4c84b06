"""State that methods, lists, parts of a `Sequential` and replay memories carry from round to round; and optimizers
that a function of the file makes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from choosing import program
from computing import computed
from typer.testing import Result

pytestmark = pytest.mark.slow  # each case runs the whole command
Command = Callable[..., Result]

HEAD = """from collections import deque

import torch
from torch import nn


"""
LOOP = """
def main():
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    {first}
    for number in range(5):
        x = torch.randn(4, 3)
        {loss}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {{name: p.grad for name, p in model.named_parameters()}}
"""
BASELINE = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.value, self.baseline = nn.Linear(3, 1), 0.0

    def advantage(self, x):
        gain = self.value(x).tanh()
        self.baseline = 0.9 * self.baseline + 0.1 * gain.mean()
        return (gain - self.baseline).square().mean()
"""
CELL = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRUCell(3, 4), nn.Linear(4, 1)

    def forward(self, x, h):
        h = self.cell(x, h)
        return self.head(h), h
"""
NORM = """
class Running(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.square = torch.zeros(4), torch.ones(4)

    def forward(self, x):
        self.mean = 0.7 * self.mean + 0.3 * x.mean(0)
        self.square = 0.7 * self.square + 0.3 * x.square().mean(0)
        return (x - self.mean) / (self.square + 1).sqrt()


class Model(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 4), Running(), nn.Linear(4, 1))
"""
CASES = {
    "an attribute that a method writes": (
        BASELINE, "pass", "loss = model.advantage(x)",
        ["+        model.baseline = model.baseline.detach()",
         "+        self.baseline = (0.9 * self.baseline + 0.1 * gain.mean()).detach()"]),
    "a list that is bound with others": (
        CELL, "h, past = torch.zeros(4, 4), []",
        "y, h = model(x, h.detach())\n        past.append(h)\n"
        "        loss = (y + torch.stack(past[-2:]).mean()).exp().mean()",
        ["+        past = [state.detach() for state in past]", "+        past.append(h.detach())"]),
    "attributes of a part that are bound together": (
        NORM, "pass", "loss = model(x).square().mean()",
        ["+        with torch.no_grad():", "+        self.mean = self.mean.detach()"]),
    "a memory of tuples": (
        CELL, "h, memory = torch.zeros(4, 4), deque(maxlen=4)",
        "memory.append((x, h, torch.tensor(number)))\n        _, h = model(x, h)\n"
        "        before, state, _ = memory[max(0, len(memory) - 2)]\n"
        "        loss = model(before, state)[0].square().mean()",
        ["+        memory.append((x, h.detach(), torch.tensor(number)))"]),
}  # fmt: skip


def test_updates_by_hand_past_autograd_are_a_step_as_well(command: Command):
    """No version tells that weights were changed through `.data`; the lines behind the loop are the next round's."""
    by_hand = "for p in model.parameters():\n            p.data.sub_(p.grad, alpha=0.1)"
    loop = LOOP.format(first="h = torch.zeros(4, 4)", loss="y, h = model(x, h)\n        loss = y.exp().mean()")
    loop = loop.replace("optimizer.zero_grad()", "model.zero_grad()").replace("optimizer.step()", by_hand)
    Path("train.py").write_text(HEAD + CELL.strip("\n") + "\n\n" + loop)
    data = json.loads(command("repair", "--diff", "--output-format", "json", "train.py::main").stdout)

    assert (data["status"], data["culprits"][0]["rule"]) == ("choice", "FIP207")
    assert any("+        h = h.detach()" in choice["diff"].splitlines() for choice in data["choices"])


@pytest.mark.parametrize("name", CASES)
def test_what_cuts_the_graph_is_offered(name: str, command: Command):
    model, first, loss, lines = CASES[name]
    Path("train.py").write_text(HEAD + model.strip("\n") + "\n\n" + LOOP.format(first=first, loss=loss))
    data = json.loads(command("repair", "--diff", "--output-format", "json", "train.py::main").stdout)

    assert data["status"] == "choice"
    diffs = [choice["diff"] for choice in data["choices"]]
    assert all(any(line in diff.splitlines() for diff in diffs) for line in lines), diffs
    assert not any("new-error" in str(choice) for choice in data["choices"])


SHARED = """
def optimizers(model, lr):
    return {k: torch.optim.SGD([*model.body.parameters(), *h.parameters()], lr=lr) for k, h in model.heads.items()}


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh())
        self.heads = nn.ModuleDict({"one": nn.Linear(4, 1), "two": nn.Linear(4, 2)})

    def forward(self, x):
        z = self.body(x)
        return {name: head(z) for name, head in self.heads.items()}


def main():
    torch.manual_seed(0)
    model = Model()
    opts = optimizers(model, 0.1)
    for _ in range(2):
        losses = {name: y.exp().mean() for name, y in model(torch.randn(5, 3)).items()}
        for name, loss in losses.items():
            opts[name].zero_grad()
            loss.backward(retain_graph=True)
            opts[name].step()
    return {name: p.detach() for name, p in model.named_parameters()}
"""
KEPT = """        task_grads = []
        for name, loss in losses.items():
            opts[name].zero_grad()
            loss.backward(retain_graph=True)
            task_grads.append([(p, p.grad) for group in opts[name].param_groups for p in group["params"]])
        for (name, loss), grads in zip(losses.items(), task_grads):
            for p, grad in grads:
                p.grad = grad
            opts[name].step()
"""
ALONE = """        for name, loss in losses.items():
            grads[name] = torch.autograd.grad(loss, pars[name], retain_graph=True)
        for name in losses:
            for p, grad in zip(pars[name], grads[name]):
                p.data.sub_(0.1 * grad)
"""


def test_optimizers_that_a_function_makes_are_seen_to_share(command: Command, tmp_path: Path):
    """Each steps on the gradients of its own loss; a limit to its own parameters would lose those of the first."""
    Path("train.py").write_text(HEAD + SHARED.strip("\n"))
    data: dict[str, Any] = json.loads(command("repair", "--diff", "--output-format", "json", "train.py::main").stdout)
    titles = [choice["proposals"][0]["title"] for choice in data["choices"]]
    assert [("which are kept" in title, "before all rounds" in title) for title in titles] == [
        (True, False),
        (False, True),
    ]
    assert [choice["as_saved"] for choice in data["choices"]] == [True, False]

    start = SHARED.index("        for name, loss in losses.items()")
    old = SHARED[start : SHARED.index("    return {name: p.detach()")]
    ours, expert = tmp_path / "ours.py", tmp_path / "expert.py"
    ours.write_text(HEAD + SHARED.replace(old, KEPT))
    given = (
        "\n        grads, pars = {}, {k: [*model.body.parameters(), *h.parameters()] for k, h in model.heads.items()}"
    )
    expert.write_text(HEAD + SHARED.replace(old, ALONE).replace("range(2):", f"range(2):{given}"))
    assert KEPT.strip("\n").splitlines()[4] in data["choices"][0]["diff"].replace("\n+", "\n")
    found, wanted = computed(ours, expert)
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[name], wanted[name], atol=1e-6) for name in wanted)


def test_an_optimizer_that_comes_from_elsewhere_is_not_known_to_share():
    text = textwrap.dedent(SHARED).replace(
        "def optimizers(model, lr):", "def optimizers(model, lr):\n    return made(model)"
    )
    one = program(text, "self.body(x)", "opts[name].step()", "loss.backward(retain_graph=True)")

    assert not any("which are kept" in each.title for each in one.proposals())
