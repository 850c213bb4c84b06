"""What is told apart: flags of one statement, one element of each row, elements of a leaf, a place that is put back."""

from __future__ import annotations

import pytest
from alias_fixing import ENABLED, fix
from called import CALL, run

from fixinplace import pipeline, source

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width, gate):
        super().__init__()
        self.start = nn.Parameter(torch.zeros(width))
        {statement}

    def forward(self, x):
        return self.net(x)
"""
CONV = "nn.Conv2d(3, width, 1), nn.BatchNorm2d(width)"
FLAGS = {
    "behind what is passed in": (
        f"self.net = nn.Sequential({CONV}, nn.ReLU(inplace=True), gate, nn.ReLU(inplace=True))",
        f"self.net = nn.Sequential({CONV}, nn.ReLU(), gate, nn.ReLU(inplace=True))",
    ),
    "slopes and positions": (
        f"self.net = nn.Sequential({CONV}, nn.LeakyReLU(0.1, True), gate, nn.LeakyReLU(0.1, True))",
        f"self.net = nn.Sequential({CONV}, nn.LeakyReLU(0.1), gate, nn.LeakyReLU(0.1, True))",
    ),
    "the first of all": (
        f"self.net = nn.Sequential(nn.ReLU(inplace=True), {CONV}, nn.ReLU(inplace=True))",
        f"self.net = nn.Sequential(nn.ReLU(inplace=True), {CONV}, nn.ReLU())",
    ),
    "all of them": (
        f"self.net = nn.Sequential({CONV}, nn.ReLU(True), nn.Conv2d(3, 3, 1), nn.ReLU(True), nn.Dropout(0.1))",
        f"self.net = nn.Sequential({CONV}, nn.ReLU(), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Dropout(0.1))",
    ),
}


@pytest.mark.parametrize("name", FLAGS)
def test_one_flag_is_in_doubt_and_another_is_not(name: str):
    before, after = FLAGS[name]
    text = NET.format(statement=before)

    result = fix(text)

    assert result.text == NET.format(statement=after)
    assert fix(result.text).text == result.text


@pytest.mark.parametrize("name", FLAGS)
def test_the_flags_can_all_go_at_once(name: str):
    text = NET.format(statement=FLAGS[name][0])
    findings = pipeline.analyse(source.parse("net.py", text.encode()), ENABLED).findings

    fixed = source.apply(text, [edit for one in pipeline.fixes(findings).values() for edit in one.edits])

    assert "True" not in fixed
    assert fixed == NET.format(statement=FLAGS[name][0]).replace("(inplace=True)", "()").replace(
        ", True)", ")"
    ).replace("(True)", "()")


CALLED = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.ReLU(True), nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(True)), nn.ReLU(True)

    def forward(self, x):
        return self.c(self.b(self.a(x * 2)) * 3)
"""


def test_flags_whose_calls_are_seen_go_with_all_of_their_statement():
    findings = pipeline.analyse(source.parse("net.py", CALLED.encode()), ENABLED).findings

    fixed = source.apply(CALLED, [edit for one in pipeline.fixes(findings).values() for edit in one.edits])

    assert fixed == CALLED.replace("ReLU(True)", "ReLU()")


FUNCTION = """\
import torch
from torch import nn


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.start, self.rows = nn.Parameter(torch.zeros(7)), nn.Parameter(torch.zeros(4, 7))

    def forward(self, x: torch.Tensor, label: torch.Tensor):
{body}
"""
BODIES = {
    "one element of each row": (
        "y = x.exp()\nz = y * 2\nrow = torch.arange(len(x))\ny[row, label] = z[row, label]\nreturn y.tanh()", True,
    ),
    "rows that may come twice": (
        "y = x.exp()\nz = y * 2\nrow = label * 1\ny[row, label] = z[row, label]\nreturn y.tanh()", False,
    ),
    "elements of a leaf": ("y = self.start[label]\ny += x.sum(1)\nreturn y.exp()", True),
    "one element of a leaf": ("y = self.start[0]\ny += x.sum()\nreturn y.exp()", False),
    "rows of what was computed": ("h = self.rows * 2\ny = h[label]\ny += x\nreturn y.exp() + h.sum()", False),
    "a place that is put back": (
        "y = x.exp()\nout = {'a': y * 2, 'b': y * 3}\nout['a'] = out['a'].sigmoid_()\nreturn out", True,
    ),
    "a place that is put back by a function": (
        "y = x.exp()\nout = [y * 2, y * 3]\nout[1] = torch.relu_(out[1])\nreturn out", True,
    ),
    "a place that another has": (
        "y = x.exp()\nz = y * 2\nout = {'a': z, 'b': y}\nout['a'] = out['a'].sigmoid_()\nreturn out, z", False,
    ),
    "another place": (
        "y = x.exp()\nout = {'a': y * 2, 'b': y * 3}\nout['b'] = out['a'].sigmoid_()\nreturn out", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_what_is_written_with_verify_off(name: str):
    body, written = BODIES[name]
    text = FUNCTION.format(body="\n".join(f"        {line}" for line in body.splitlines()))

    assert (fix(text).text != text) is written


RUN = """\
    y = x.exp()
    out = {'a': y * 2, 'b': y * 3}
    z = out['a'] * 2
    out['a'] = out['a'].sigmoid_()
    return out['a'] + out['b'] + z
"""


def test_a_place_that_is_put_back_has_the_same_values():
    text = "import torch\n\n\ndef f(x):\n" + RUN + CALL
    fixed = fix(text).text

    assert "out['a'] = out['a'].sigmoid()" in fixed
    assert run(fixed)[0].equal(run(text)[0])
