"""Writes that have another place for the new tensor: what a forward hook returns, and an item of a dict or a list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each case runs the whole command

END = """

def main():
    torch.manual_seed(0)
    net = Net()
    y = net(torch.randn(3, 4))
    y.square().mean().backward()
    return {"y": y.detach(), "grads": [p.grad for p in net.parameters()]}
"""
HOOKED = """
import torch
from torch import nn


def prune(module, args, output):
    '''Weak ones are switched off.'''
    output.masked_fill_(output < 0.2, 0.0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.gate, self.out = nn.Linear(4, 4), nn.Softmax(dim=-1), nn.Linear(4, 2)
        self.gate.register_forward_hook(prune)

    def forward(self, x):
        return self.out(self.gate(self.fc(x)))
"""
METHOD = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.act, self.out = nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2)
        self.act.register_forward_hook(self.quantize, with_kwargs=True)

    def quantize(self, module, args, kwargs, output):
        output *= 0.5
        if self.training:
            output += 0.1

    def forward(self, x):
        return self.out(self.act(self.fc(x)))
"""
ITEM = """
import torch
from torch import nn


def integrator(gain, leak):
    memory = {"trace": None}

    def step(x):
        if memory["trace"] is None:
            memory["trace"] = torch.sigmoid(gain(x))
        else:
            memory["trace"] *= leak
        return memory["trace"].square()

    return step


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain, self.leak = nn.Linear(4, 4), nn.Parameter(torch.full((4,), 0.8))

    def forward(self, x):
        step = integrator(self.gain, self.leak)
        return step(x) + step(x)
"""
LIST = ITEM.replace('{"trace": None}', "[None, 0]").replace('memory["trace"] *= leak', "memory[0].mul_(leak)")
CASES = {
    "a hook": (HOOKED, ["return output.masked_fill(output < 0.2, 0.0)"]),
    "a method that hooks, two writes": (METHOD, ["output = output * 0.5", "output = output + 0.1", "return output"]),
    "an item of a dict": (ITEM, ['memory["trace"] = memory["trace"] * leak']),
    "an item of a list": (LIST.replace('memory["trace"]', "memory[0]"), ["memory[0] = memory[0].mul(leak)"]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_new_tensor_takes_the_old_ones_place(command, name: str):
    text, wanted = CASES[name]
    Path("net.py").write_text(text.lstrip("\n") + END)

    data = json.loads(command("repair", "--diff", "--output-format", "json", "net.py::main").stdout)

    assert data["status"] == "repaired"
    rows = data["patch"]["diff"].splitlines()
    assert [row[1:].strip() for row in rows if row.startswith("+") and row[:3] != "+++"] == wanted
    caveats = [caveat for proposal in data["patch"]["proposals"] for caveat in proposal["caveats"]]
    assert all("callers of" in caveat for caveat in caveats)
    assert len(caveats) == ("hook" in name)


def test_a_hook_that_returns_something_is_left_to_the_other_repairs(command):
    text = HOOKED.replace("0.0)\n\n\nclass", "0.0)\n    return output\n\n\nclass") + END
    assert "return output" in text
    Path("net.py").write_text(text.lstrip("\n"))

    data = json.loads(command("repair", "--diff", "--output-format", "json", "net.py::main").stdout)

    assert "hook-return" not in {proposal["repair"] for one in data["tried"] for proposal in one["proposals"]}
    assert "+    output = output.masked_fill(output < 0.2, 0.0)" in data["patch"]["diff"]
