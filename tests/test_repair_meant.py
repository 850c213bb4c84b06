"""Functions that are called for what they write: a new tensor within them would leave nothing of that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each case runs the whole command

NET = """
import threading

import torch
from torch import nn


{helper}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 1)
        self.kept = []

    def forward(self, x):
        h = torch.sigmoid(self.a(x))
        y = self.b(h)
{body}
        return y


def main():
    torch.manual_seed(0)
    net = Net()
    net(torch.randn(3, 4)).sum().backward()
"""
CLONES = ["h = torch.sigmoid(self.a(x)).clone()", "y = self.b(h.clone())"]
PLAIN = "def scale(t):\n    t.mul_(0.5)"
GIVING = PLAIN + "\n    return t"
USING = "def scale(t):\n    t.mul_(0.5)\n    return t.sum()"
THREAD = "threading.Thread(target=scale, args=(h,)).start()"
CASES = {
    "a list keeps it": (PLAIN, "self.kept.append(h)\nscale(h)", CLONES),
    "a list keeps it, and it is written by that name": (PLAIN, "self.kept.append(h)\nscale(self.kept[0])", CLONES),
    "an attribute keeps it": (PLAIN, "self.last = h\nscale(h)", CLONES),
    "it is returned, and dropped": (GIVING, "self.last = h\nscale(h)", CLONES),
    "it is returned in a pair, and dropped": (GIVING + ", 1", "self.last = h\nscale(h)", CLONES),
    "it is returned and dropped, and nobody reads it": (GIVING, "scale(h)", CLONES),
    "nobody reads it": (PLAIN, "scale(h)", CLONES),
    "a thread": (PLAIN, "t = " + THREAD.replace(".start()", "\nt.start()\nt.join()"), CLONES),
    "what it returns is used": (GIVING, "y = y + scale(h).detach().mean()", ["t = t.mul(0.5)"]),
    "what it computes is used": (USING, "y = y + scale(h).detach()", ["t = t.mul(0.5)"]),
}


def added(command, helper: str, body: str) -> list[str]:
    """The lines that the patch adds; fails if the program is not repaired."""
    body = "\n".join(f"        {line}" for line in body.splitlines())
    Path("net.py").write_text(NET.lstrip("\n").format(helper=helper, body=body))

    data = json.loads(command("repair", "--diff", "--output-format", "json", "net.py::main").stdout)

    assert data["status"] == "repaired"
    rows = data["patch"]["diff"].splitlines()
    return [row[1:].strip() for row in rows if row.startswith("+") and row[:3] != "+++"]


@pytest.mark.parametrize("name", CASES)
def test_what_a_helper_writes_is_written(command, name: str):
    helper, body, wanted = CASES[name]

    assert added(command, helper, body) == wanted


KEPT = {
    "an attribute": ("self.last = h\nh.mul_(0.5)", ["h = torch.sigmoid(self.a(x)).clone()", "y = self.b(h.clone())"]),
    "another object": (
        "self.b.last = h.detach()\nh += x",
        ["h = torch.sigmoid(self.a(x)).clone()", "y = self.b(h.clone())"],
    ),
    "nobody": ("h.mul_(0.5)\ny = y + h.detach().mean()", ["h = h.mul(0.5)"]),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_an_object_keeps_is_written(command, name: str):
    body, wanted = KEPT[name]

    assert added(command, PLAIN, body) == wanted


@pytest.mark.parametrize("body", ["kept = [h]\nh.mul_(0.5)", "self.last = h.detach().numpy()\nh.mul_(0.5)"])
def test_who_keeps_the_old_values_is_told(command, body: str):
    body = "\n".join(f"        {line}" for line in body.splitlines())
    Path("net.py").write_text(NET.lstrip("\n").format(helper=PLAIN, body=body))

    result = command("repair", "--diff", "net.py::main")

    told = "holds the tensor as well, and keeps its old values" in result.stderr + result.stdout
    assert told or ".clone()" in result.stdout
    assert result.exit_code == 1 or "proved" in result.stderr
