"""Calls of modules within calls: which of them writes whose tensor."""

from __future__ import annotations

import pytest
import torch
from rewriting import cloned, findings, fixed
from torch import nn

NET = (
    "import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.a = nn.Sequential({})\n        self.b = nn.Sequential(nn.ReLU(inplace=True))\n\n"
    "    def forward(self, x):\n        y = torch.sin(x)\n        z = self.b(self.a(y))\n"
    "        return z.sum() * 2 + y.sum()\n"
)
FIRST = {
    "a part of a part": "nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1)), nn.Flatten(0, -1)",
    "a part": "nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1)",
    "none of it": "nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True)",
}


def run(text: str) -> list[torch.Tensor]:
    names: dict[str, type[nn.Module]] = {}
    exec(text, names)
    torch.manual_seed(0)
    net, x = names["Net"](), torch.randn(1, 3, 2, 2, requires_grad=True)
    with cloned():
        out = net(x)
        out.backward()
    return [out, *(one.grad for one in (x, *net.parameters()) if one.grad is not None)]


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST.keys())
def test_the_rewritten_network_computes_the_same(first: str) -> None:
    before = NET.format(first)
    after = fixed(before, findings(before))
    assert after != before
    assert all(map(torch.equal, run(before), run(after)))
