"""What a run leaves behind beside its results is what the original leaves: modules that die with `main`, caches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each case runs the whole command

END = """

def main():
    torch.manual_seed(0)
    net = Net()
    for n in (4, 6):
        net(torch.randn(n, 4)).square().mean().backward()
"""
SHARED = """
import torch
from torch import nn


class Stem(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.fc, self.act, self.raw = nn.Linear(4, 4), act, None

    def forward(self, x):
        h = self.fc(x)
        self.raw = h
        return self.act(h)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        act = nn.ReLU(inplace=True)
        self.stem, self.act = Stem(act), act

    def forward(self, x):
        h = torch.sigmoid(self.stem(x)) - 0.5
        y = h * h
        return y + self.act(h)
"""
COUNTED = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self._h, self.resets = nn.Linear(4, 4), None, 0

    @property
    def h(self):
        return self._h

    @h.setter
    def h(self, value):
        self._h = value
        self.resets += 1

    def forward(self, x):
        self.h = torch.sigmoid(self.fc(x))
        self.h.mul_(x)
        return self.h
"""
CACHED = """
import functools

import torch
from torch import nn


@functools.lru_cache(maxsize={size})
def grid(n):
    return torch.linspace(-1, 1, n)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        g = grid(x.shape[0])
        y = x * (g * self.scale)[:, None]
        g.add_(0.25)
        return y + g[:, None]
"""
KEPT = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.mix = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.features = []

    def forward(self, x):
        self.features = []
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
            self.features.append(x)
        total = 0
        for f, mix in zip(self.features, self.mix):
            y = mix(f)
            f.mul_(0.5)
            total = total + y + f.mean()
        return total
"""
CASES = {
    "what an object keeps, three times saved": (
        KEPT,
        ["x = torch.sigmoid(layer(x.clone())).clone()", "y = mix(f.clone())"],
    ),
    "a flag of a module that another one shares": (SHARED, ["y = h.clone() * h.clone()"]),
    "a property that counts": (COUNTED, ["self.h = torch.sigmoid(self.fc(x)).clone()"]),
    "a cache without bounds": (CACHED.format(size="None"), ["y = x * (g.clone() * self.scale)[:, None]"]),
    "a cache of four": (CACHED.format(size="4"), ["y = x * (g.clone() * self.scale)[:, None]"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_left_behind_is_the_same(command, name: str):
    text, wanted = CASES[name]
    Path("net.py").write_text(text.lstrip("\n") + END)

    data = json.loads(command("repair", "--diff", "--output-format", "json", "net.py::main").stdout)

    assert data["status"] == "repaired"
    rows = data["patch"]["diff"].splitlines()
    assert [row[1:].strip() for row in rows if row.startswith("+") and row[:3] != "+++"] == wanted
