"""Elements of lists of modules that get a name before they are called: residual networks of several scales."""

from __future__ import annotations

import pytest
from rewriting import fixes

NET = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 3, 1) for _ in range(n)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(3) for _ in range(n)])
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        kept = []
        y = torch.sin(x)
        {loop}
            z = conv(y)
            z = norm(z)
            z = self.relu(z)
            kept.append(z)
        return torch.cat(kept, 1) + y
"""
CALLED = {
    "two lists": "for conv, norm in zip(self.convs, self.norms):",
    "two lists, counted": "for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):",
    "by a number": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]",
    "two by a number": "for i in range(3):\n            conv, norm = self.convs[i], self.norms[i]",
}


@pytest.mark.parametrize("loop", CALLED.values(), ids=CALLED.keys())
def test_an_element_that_is_only_called_is_followed(loop: str) -> None:
    (fix,) = fixes(NET.format(loop=loop))
    assert fix.safe, fix.doubts


OTHER = {
    "it is handed on": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]\n            kept.append(norm)",
    "it is kept": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]\n            self.last = norm",
    "it is shared": "global norm\n        for i, conv in enumerate(self.convs):\n            norm = self.norms[i]",
    "it is changed": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]\n            norm.extend(x)",
    "one of them is": "for i in range(3):\n            conv, norm = self.convs[i], self.norms[i]\n            kept.append(norm)",
    "several at once": "for i, conv in enumerate(self.convs):\n            norm = self.norms[:i]",
    "a number of names": "for i in range(3):\n            conv, *norm = self.convs[i], self.norms[i], x",
    "the list is put elsewhere": "other = self.norms\n        for i, conv in enumerate(self.convs):\n            norm = self.norms[i]",
}  # fmt: skip


@pytest.mark.parametrize("loop", OTHER.values(), ids=OTHER.keys())
def test_an_element_that_is_more_than_called_is_not(loop: str) -> None:
    assert not any(fix.safe for fix in fixes(NET.format(loop=loop)))
