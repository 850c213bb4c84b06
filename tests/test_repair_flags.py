"""`inplace` flags that a loop, a factory or one line sets: off for the guilty instances, told where for more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each case runs the whole command

HEAD = """
import torch
from torch import nn


class Gate(nn.Module):
    def forward(self, x):
        return x.sigmoid()


"""
MAIN = """

def main():
    torch.manual_seed(0)
    net = build()
    loss = net(torch.randn(3, 4)).sum()
    loss.backward()
    return [p.grad for p in net.parameters()]
"""

ONE_LINE = """
class Net(nn.Module):
    def __init__(self, guilty):
        super().__init__()
        self.guilty = guilty
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(4)])
        self.acts = nn.ModuleList([nn.ReLU(inplace=True) for _ in range(4)])

    def forward(self, x):
        for n, (layer, act) in enumerate(zip(self.layers, self.acts)):
            x = layer(x)
            if n in self.guilty:
                x = x.sigmoid()
            x = act(x)
        return x


def build():
    return Net(GUILTY)
"""
LOOP = """
def build():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), Gate(), nn.ReLU())
    for m in net.modules():
        if isinstance(m, nn.ReLU):
            m.inplace = True
    return net
"""
FACTORY = """
def activation(FLAG):
    return nn.ReLU(inplace=inplace)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.act = activation()
        self.final = activation()

    def forward(self, x):
        return self.final(self.act(self.layer(x)).sigmoid())


def build():
    return nn.Sequential(Block(), Block())
"""
OTHERS = """
def activation():
    return nn.ReLU(inplace=True)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.act = activation()

    def forward(self, x):
        return self.act(self.layer(x))


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.act = activation()

    def forward(self, x):
        return self.act(self.layer(x).sigmoid())


class Spared(Gated):
    def forward(self, x):
        return self.act(self.layer(x))


def build():
    return nn.Sequential(Plain(), KIND(), Gated(), Plain())
"""
AROUND = (
    OTHERS.split("class Gated", maxsplit=1)[0]
    + """
class Gated(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.n = n
        self.act = activation()

    def forward(self, h):
        return self.act(h.sigmoid() if self.n in GUILTY else h + 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Plain(), Plain(), *[Gated(n) for n in range(2)])
        self.last = nn.Linear(4, 4)

    def forward(self, x):
        return self.last(self.blocks(x))


def build():
    return Net()
"""
)
APPLIED = """
def build():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), Gate(), nn.ReLU())
    def on(m):
        if isinstance(m, nn.ReLU):
            m.inplace = True
    net.apply(on)
    return net
"""
ONE = """
def build():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), Gate(), nn.ReLU())
    net[1].inplace = True
    net[4].inplace = True
    return net
"""
IN_A_ROW = """
def activation():
    return nn.ReLU(inplace=True)


def build():
    return nn.Sequential(nn.Linear(4, 4), activation(), nn.Linear(4, 4), Gate(), activation())
"""
ALONE = """
def activation():
    return nn.ReLU(inplace=True)


class Net(nn.Linear):
    def forward(self, x):
        first, last = ACTS
        return last(first(super().forward(x)).sigmoid())


ACTS = [activation(), activation()]


def build():
    return Net(4, 4)
"""

CASES = {
    "one of a line": (ONE_LINE.replace("GUILTY", "(2,)"), ["self.acts[2].inplace = False"], ""),
    "two of a line": (
        ONE_LINE.replace("GUILTY", "(1, 3)"),
        ["self.acts[1].inplace = False", "self.acts[3].inplace = False"],
        "",
    ),
    "three of a line": (
        ONE_LINE.replace("GUILTY", "(0, 1, 3)"),
        ["self.acts = nn.ModuleList([nn.ReLU() for _ in range(4)])"],
        "also off for 1 instance that does no harm in this run: acts.2",
    ),
    "set in a loop": (LOOP, ["net[4].inplace = False"], ""),
    "set by a function": (APPLIED, ["m.inplace = False"], "also off for 1 instance that does no harm in this run: 1"),
    "set by name": (ONE, ["net[4].inplace = False"], ""),
    "a factory with a flag": (
        FACTORY.replace("FLAG", "inplace=True"),
        ["self.final = activation(inplace=False)"],
        "",
    ),
    "beside other classes": (OTHERS.replace("KIND", "Plain"), ["self.act.inplace = False"], ""),
    "all of its class": (AROUND.replace("GUILTY", "(0, 1)"), ["self.act.inplace = False"], ""),
    "one of its class": (AROUND.replace("GUILTY", "(1,)"), ["self.blocks[3].act.inplace = False"], ""),
    "beside a subclass": (
        OTHERS.replace("KIND", "Spared"),
        ["self.act.inplace = False"],
        "also off for 1 instance that does no harm in this run: 1.act",
    ),
    "a factory without one": (
        FACTORY.replace("FLAG", "").replace("=inplace", "=True"),
        ["self.final.inplace = False"],
        "",
    ),
    "a factory, two on a line": (
        FACTORY.replace("FLAG", "").replace("=inplace", "=True").replace("()\n        self.final", "(); self.final"),
        ["self.act = activation(); self.final = activation(); self.final.inplace = False"],
        "",
    ),
    "a factory, in a row that a function builds": (IN_A_ROW, ["net[4].inplace = False"], ""),
    # a module that is called by itself is the outermost one: of others nothing is seen, and nothing said
    "a factory, called by itself": (ALONE, ["return nn.ReLU()"], ""),
}


@pytest.mark.parametrize("name", CASES)
def test_the_guilty_instances_are_switched_off(name: str, command):
    body, lines, caveat = CASES[name]
    Path("program.py").write_text((HEAD + body + MAIN).lstrip("\n"))

    result = command("repair", "--diff", "--output-format", "json", "program.py::main")

    data = json.loads(result.stdout)
    patch = data["patch"]
    assert data["status"] == "repaired", data["tried"]
    added = [line[1:].strip() for line in patch["diff"].splitlines() if line.startswith("+") and line[:3] != "+++"]
    assert added == lines
    caveats = [each for proposal in patch["proposals"] for each in proposal["caveats"]]
    assert caveats == ([caveat] if caveat else [])
