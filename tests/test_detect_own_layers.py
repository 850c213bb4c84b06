"""Classes of the file that derive from a layer of torch: see Note [Layers of the file]."""

from __future__ import annotations

import pytest
from rewriting import fixes

NET = """\
import torch
import torch.nn as nn
from lib import Mixin

SEEN = []


class Plain:
    def size(self):
        return 3


class Conv({bases}):
    def __init__(self, n, m):
        {init}

    def reset(self):
        nn.init.zeros_(self.weight)

    {method}


{after}


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = Conv(n, n)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.relu(self.conv(x))
        return x + y
"""
INIT = "super().__init__(n, m, 1)"


def safe(bases: str = "nn.Conv2d", init: str = INIT, method: str = "pass", after: str = "") -> bool:
    found = fixes(NET.format(bases=bases, init=init, method=method, after=after))
    return bool(found) and all(fix.safe for fix in found)


@pytest.mark.parametrize("parts", [
    {}, {"bases": "nn.Linear"}, {"bases": "Plain, nn.Conv2d"}, {"bases": "nn.BatchNorm2d"},
    {"init": f"{INIT}\n        self.weight.data.fill_(1)\n        self.weight.requires_grad = False"},
    {"method": "def __repr__(self):\n        return 'Conv'"},
    {"method": "def forward(self, x):\n        return super().forward(x)"},
    {"method": "def forward(self, x):\n        return super().forward(x) * 2"},
    {"after": "class More(Conv):\n    def reset(self):\n        pass"},
])  # fmt: skip
def test_a_layer_with_other_weights_computes_something_new(parts: dict[str, str]) -> None:
    assert safe(**parts)


@pytest.mark.parametrize("parts", [
    {"method": "def forward(self, x):\n        return x"},
    {"method": "def forward(self, x):\n        return x if SEEN else super().forward(x)"},
    {"method": "def forward(self, x):\n        y = super().forward(x)\n        SEEN.append(y)\n        return y"},
    {"method": "def _conv_forward(self, x, weight, bias):\n        return x"},
    {"method": "def __call__(self, x):\n        return x"},
    {"method": "forward = lambda self, x: x"},
    {"bases": "Mixin, nn.Conv2d"}, {"bases": "nn.Identity"}, {"bases": "nn.Dropout"}, {"bases": "nn.Flatten"},
    {"bases": "nn.Module"}, {"bases": "nn.ReLU", "init": "super().__init__(inplace=True)"},
    {"after": "class More(Conv):\n    def forward(self, x):\n        return x"},
    {"after": "Old = Conv\n\n\nclass Conv(Old):\n    def forward(self, x):\n        return x"},
])  # fmt: skip
def test_a_layer_that_may_do_something_else_does_not(parts: dict[str, str]) -> None:
    assert not safe(**parts)


def test_a_class_that_a_decorator_may_replace_is_none() -> None:
    text = NET.format(bases="nn.Conv2d", init=INIT, method="pass", after="")
    found = fixes(text.replace("class Conv(", "@Mixin\nclass Conv("))
    assert not any(fix.safe for fix in found)
