"""What an object keeps with its graph, stored where the frame that steps does not see it: a constant, as a choice."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from computing import computed, same
from typer.testing import Result

Command = Callable[..., Result]

ROLLOUT = """
import torch
from torch import nn


class Rollout:
    def __init__(self, policy, count):
        self.seen = torch.randn(count, 3)
        raw = policy(self.seen)
        self.scale = torch.full((), 0.5)
        self.done = torch.distributions.Normal(raw, self.scale).sample()
        self.chance = torch.distributions.Normal(raw, self.scale).log_prob(self.done).sum(-1)
        self.gain = torch.randn(count)


def train(policy, optimizer, rollout, rounds):
    losses = []
    for _ in range(rounds):
        now = torch.distributions.Normal(policy(rollout.seen), 0.5).log_prob(rollout.done).sum(-1)
        loss = -((now - rollout.chance).exp() * rollout.gain).mean()
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.detach())
    return losses


def main():
    torch.manual_seed(0)
    policy = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.05)
    return [*train(policy, optimizer, Rollout(policy, 6), 3), *[p.detach() for p in policy.parameters()]]
"""
CENTRES = """
import torch
import torch.nn.functional as F
from torch import nn


class Centres:
    def __init__(self, classes, width):
        self.held = torch.zeros(classes, width)

    def update(self, z, classes):
        chosen = F.one_hot(classes, len(self.held)).to(z.dtype)
        means = chosen.t() @ z / 3
        self.held = torch.lerp(means, self.held, 0.6)
        return self.held

    def near(self, z):
        return -torch.cdist(z, self.held)


def rounds(net, centres, batches, optimizer):
    for x, y in batches:
        z = net(x)
        centres.update(z, y)
        loss = F.cross_entropy(centres.near(z), y)
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        yield loss.detach()


def main():
    torch.manual_seed(0)
    net, centres = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 3)), Centres(3, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    batches = [(torch.randn(9, 4), torch.arange(9) % 3) for _ in range(3)]
    return [*rounds(net, centres, batches, optimizer), *[p.detach() for p in net.parameters()]]
"""
WAYS = {
    "what was computed before the rounds": (
        ROLLOUT,
        [(".sum(-1)\n        self.gain", ".sum(-1).detach()\n        self.gain")],
    ),
    "what a method moves in each": (
        CENTRES,
        [("centres.update(z, y)", "centres.update(z.detach(), y)"),
         ("means, self.held, 0.6", "means, self.held.detach(), 0.6")],
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_what_an_object_keeps_is_a_constant(name: str, command: Command, tmp_path: Path):
    text, meant = WAYS[name]
    Path("kept.py").write_text(text)
    data = json.loads(command("repair", "--output-format", "json", "kept.py::main").stdout)

    assert (data["status"], data["written"], len(data["choices"])) == ("choice", False, len(meant))
    for number, (choice, (old, new)) in enumerate(zip(data["choices"], meant, strict=True)):
        assert text.count(old) == 1
        ours, theirs = tmp_path / f"ours{number}", tmp_path / f"theirs{number}"
        for folder, written in ((ours, text), (theirs, text.replace(old, new))):
            folder.mkdir()
            (folder / "kept.py").write_text(written)
        subprocess.run(["git", "apply", "--unsafe-paths", "-"], input=choice["diff"], text=True, cwd=ours, check=True)
        assert (ours / "kept.py").read_text() == (theirs / "kept.py").read_text()
        assert same(*computed(ours / "kept.py", theirs / "kept.py"))


@pytest.mark.slow
def test_a_method_that_several_classes_have_is_not_followed(command: Command):
    Path("kept.py").write_text(f"{CENTRES}\n\nclass Other:\n    def update(self, z, classes):\n        self.held = z\n")
    data = json.loads(command("repair", "--output-format", "json", "kept.py::main").stdout)

    assert not any("self.held.detach()" in choice["diff"] for choice in data["choices"])
