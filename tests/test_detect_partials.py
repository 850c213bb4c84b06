"""`act = partial(F.relu, inplace=True)`: a function that writes wherever it is called, followed as a layer is."""

from __future__ import annotations

import pytest
from rewriting import findings, fixed, fixes

NET = """\
from functools import partial
import torch
import torch.nn as nn
import torch.nn.functional as F

act = {act}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.relu = act

    def forward(self, x):
        {body}
"""
RELU = "partial(F.relu, inplace=True)"
SAFE = {
    "called by its name": (RELU, "return act(self.conv(x)) + x"),
    "called as an attribute": (RELU, "return self.relu(self.conv(x)) + x"),
    "called in a row": (RELU, "y = act(self.conv(x))\n        z = act(self.conv(y))\n        return y + z"),
    "another one": ("partial(F.leaky_relu, negative_slope=0.2, inplace=True)", "return act(self.conv(x)) + x"),
    "one with several words": ("partial(F.relu6, inplace=True)", "return act(self.conv(x)) + x"),
    "in a table": (RELU, "table = {'a': act}\n        return table[x](self.conv(x)) + x"),
    "by its full name": ("partial(torch.nn.functional.elu, inplace=True)", "return act(self.conv(x)) + x"),
}
UNSAFE = {
    "dropout, which draws": ("partial(F.dropout, p=0.5, inplace=True)", "return act(self.conv(x)) + x"),
    "more that is bound": ("partial(F.leaky_relu, 0.2, inplace=True)", "return act(self.conv(x)) + x"),
    "what is passed in": (RELU, "return act(x)"),
    "given to others": (RELU, "return run(act, self.conv(x)) + x"),
    "a class": ("partial(nn.ELU, inplace=True)", "return act()(self.conv(x)) + x"),
    "without a call": (RELU, "return x"),
}


@pytest.mark.parametrize(("act", "body"), SAFE.values(), ids=SAFE.keys())
def test_a_partial_is_followed_to_its_calls(act: str, body: str) -> None:
    (fix,) = fixes(
        NET.format(act=act, body=body).replace("self.relu = act", "self.relu = act" if "self.relu" in body else "pass")
    )
    assert fix.safe, fix.doubts


@pytest.mark.parametrize(("act", "body"), UNSAFE.values(), ids=UNSAFE.keys())
def test_what_else_becomes_of_it_leaves_it_to_a_run(act: str, body: str) -> None:
    assert not any(fix.safe for fix in fixes(NET.format(act=act, body=body)))


def test_who_reads_its_argument_later_is_given_the_new_tensor() -> None:
    text = NET.format(act=RELU, body="y = self.conv(x)\n        z = act(y)\n        return y + z")
    assert "y = z = act(y)" in fixed(text, findings(text)) and "partial(F.relu)" in fixed(text, findings(text))
