"""Functions that change no shape of what they are given, in a file where others do."""

from __future__ import annotations

import pytest
from rewriting import fixes

NET = """\
import torch
import torch.nn as nn


def turn(x):
    return x.t_()


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.sub = nn.ReLU()

    def forward(self, x):
        {norm}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.norm = Norm()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.conv(x)
        s = self.norm(x)
        x = self.relu(x)
        return x.reshape(-1), turn(s[0, 0])
"""


def relaid(norm: str) -> bool:
    found = [fix for fix in fixes(NET.format(norm=norm)) if "relu" in fix.title]
    assert found
    return not found[0].safe


@pytest.mark.parametrize("norm", [
    "n = x.pow(2).sum(dim=1, keepdim=True).sqrt()\n        return self.weight.unsqueeze(0) * torch.div(x, n)",
    "return torch.tanh(x)",
])  # fmt: skip
def test_functions_of_torch_and_methods_of_tensors_change_no_shape(norm: str) -> None:
    assert not relaid(norm)


@pytest.mark.parametrize("norm", [
    "turn(x)\n        return torch.relu(x)",
    "x.t_()\n        return torch.relu(x)",
    "x.data = x.data.t()\n        return torch.relu(x)",
    "y = x\n        self.turned(y)\n        return torch.relu(x)\n\n    def turned(self, y):\n        y.t_()",
    "self.sub(x)\n        return torch.relu(x)",
    "self.relu(x)\n        return torch.relu(x)\n\n    def relu(self, y):\n        y.t_()",
    "(lambda t: t.t_())(x)\n        return torch.relu(x)",
])  # fmt: skip
def test_others_may(norm: str) -> None:
    assert relaid(norm)
