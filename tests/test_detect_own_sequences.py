"""Blocks that derive from `nn.Sequential`, in lists that grow: what the whole returns is new, see `derived.as_layer`."""

from __future__ import annotations

import pytest
from rewriting import fixes

NET = """\
import torch
import torch.nn as nn

SEEN = []


def three(i, o):
    return nn.Conv2d(i, o, 3, padding=1)


class Block(nn.Sequential):
    def __init__(self, conv, i, o, bn=True, act=nn.ReLU(inplace=True)):
        parts = {parts}
        if bn:
            parts.append(nn.BatchNorm2d(o))
        if act is not None:
            parts.append(act)
        super(Block, self).__init__(*parts)
    {method}


{after}


class Net(nn.Module):
    def __init__(self, n, conv=three):
        super().__init__()
        self.head = nn.Conv2d(n, n, 1)
        body = []
        body.append(Block(conv, n, n, act={act}))
        for _ in range(2):
            body.append(Block(conv, n, n, act={act}))
        body.append(Block(conv, n, n, bn=False, act=None))
        self.body = nn.Sequential(*body)
        {last}

    def forward(self, x):
        x = self.head(x)
        y = self.body(x)
        y += x
        return y
"""


KEEP = "class Keep(nn.Module):\n    def forward(self, x):\n        SEEN.append(x)\n        return x * 2"


def outcomes(
    parts: str = "[conv(i, o)]", method: str = "", after: str = "", act: str = "nn.ReLU(True)", last: str = ""
) -> list[bool]:
    """Whether each rewrite is safe."""
    found = fixes(NET.format(parts=parts, method=method, after=after, act=act, last=last))
    return [fix.safe for fix in found]


@pytest.mark.parametrize("how", [
    {}, {"parts": "[nn.Linear(i, o)]"}, {"act": "nn.PReLU()"}, {"method": "def size(self):\n        return 3"},
    {"parts": "[nn.Dropout(), conv(i, o)]"}, {"parts": "[nn.Sequential(nn.Conv2d(i, o, 1))]"},
])  # fmt: skip
def test_the_whole_makes_something_new(how: dict[str, str]) -> None:
    found = outcomes(**how)
    assert found and all(found)


@pytest.mark.parametrize("how", [
    {"parts": "[nn.Identity()]"},
    {"parts": "[nn.Flatten()]"},
    {"parts": "[nn.ReLU(inplace=True)]"},
    {"parts": "[]"},
    {"parts": "[Keep(), conv(i, o)]", "after": KEEP},
    {"parts": "[conv(i, o), Keep()]", "after": KEEP},
    {"parts": "[conv(i, o)][1:]"},
    {"method": "def forward(self, x):\n        SEEN.append(x)\n        return x"},
    {"method": "def forward(self, x):\n        y = super().forward(x)\n        SEEN.append(y)\n        return y"},
    {"method": "def __call__(self, x):\n        return x"},
    {"method": "forward = lambda self, x: x"},
    {"after": "class More(Block):\n    def forward(self, x):\n        return x\n\n\nMORE = More(nn.Conv2d, 1, 1)"},
    {"last": "self.body[0] = nn.Identity()"},
    {"last": "self.body[0][0] = nn.Identity()"},
    {"last": "for one in self.body:\n            one[0] = nn.Identity()"},
])  # fmt: skip
def test_one_that_may_hand_on_what_it_is_given_does_not(how: dict[str, str]) -> None:
    assert not all(outcomes(**how))
