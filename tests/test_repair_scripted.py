"""A write inside a TorchScript function: the call is what a run sees, and the lines are read from its text."""

from __future__ import annotations

from pathlib import Path

import pytest
from choosing import PATH, code
from proposing import HEAD, offence

from fixinplace.repair.scripted import scripted
from fixinplace.trace.events import Offence, Write

GATE = "def gate(h):\n    y = torch.sigmoid(h)\n    y.mul_(2.0)\n    return y\n\n\n"
CALL = "def f(x):\n    return gate(x)\n"
SCRIPT = "@torch.jit.script\n"
INNER = "def double(h):\n    h *= 2\n    return h\n\n\n"
CLASS = "class Gate(nn.Module):\n    def __init__(self):\n        self.m.mul_(2)\n\n    def forward(self, h):\n"
CLASS += "        h[0] *= 2\n        return h\n\n\n"
TWICE = GATE.replace("    return", "    y *= 3\n    return")
PLAIN = GATE.replace("gate", "plain") + "gate = torch.jit.script(plain)\n\n\n"
FOUND = {
    "one line": (SCRIPT + GATE + CALL, ["y.mul_(2.0)"]),
    "another operator beside it": (SCRIPT + TWICE.replace("*= 3", "+= 3") + CALL, ["y.mul_(2.0)"]),
    "two lines": (SCRIPT + TWICE + CALL, ["y.mul_(2.0)", "y *= 3"]),
    "compiled by a call": (PLAIN + CALL, ["y.mul_(2.0)"]),
    "in what it calls": (INNER + SCRIPT + GATE.replace("y.mul_(2.0)", "y = double(y)") + CALL, ["h *= 2"]),
    "a module": (CLASS + "gate = torch.jit.script(Gate())\n\n\n" + CALL, ["h[0] *= 2"]),
    "not scripted": (GATE + CALL, None),
    "no such operator": (SCRIPT + GATE.replace("mul_", "add_") + CALL, None),
    "an inplace argument": (SCRIPT + GATE.replace("y.mul_(2.0)", "F.mul(y, inplace=True)") + CALL,
                            ["F.mul(y, inplace=True)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_the_lines_that_may_have_written(name: str):
    body, lines = FOUND[name]
    program = code(HEAD + body)
    one = offence(HEAD + body, "gate(x)", None)
    at = one.writes[0].place
    assert at is not None
    one = Offence("", None, (Write(1, "mul_", at, (at,)),), None)
    found = scripted(one, lambda path: program if path == PATH else None)

    assert (None if found is None else [place.text for place in found.places]) == lines
    assert found is None or found.name == "gate"
    for place in found.places if found is not None else ():
        assert (HEAD + body).splitlines()[place.line - 1][place.column - 1 :].startswith(place.text)


def test_what_a_person_is_told(command):
    main = "def main():\n    w = torch.ones(2, requires_grad=True)\n    gate(w * 2).sum().backward()\n"
    Path("program.py").write_text("import torch\n\n\n" + SCRIPT + TWICE + main)

    result = command("repair", "--explain", "program.py::main")

    assert "  written in program.py:7:5  y.mul_(2.0)   in the scripted function `gate`\n" in result.stderr
    assert "  or in      program.py:8:5  y *= 3\n" in result.stderr
