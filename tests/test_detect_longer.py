"""`Sequential`s that `append` makes longer, as `add_module` does."""

from __future__ import annotations

import pytest
from rewriting import fixes

NET = (
    "class Net(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n{}\n    def forward(self, x):\n{}\n"
)
CALLS = "        return self.net(x)"
SAFE = {
    "an attribute": NET.format(
        "        self.net = nn.Sequential()\n        self.net.append(nn.Conv2d(3, 3, 1))\n"
        "        self.net.append(nn.ReLU(inplace=True))",
        CALLS,
    ),
    "a name": NET.format(
        "        net = nn.Sequential()\n        for _ in range(n):\n            net.append(nn.Conv2d(3, 3, 1))\n"
        "            net.append(nn.ReLU(True))\n        self.net = net",
        CALLS,
    ),
    "both ways": NET.format(
        "        self.net = nn.Sequential()\n        self.net.add_module('conv', nn.Conv2d(3, 3, 1))\n"
        "        self.net.append(nn.ReLU(inplace=True))",
        CALLS,
    ),
}
BLOCK = "def block():\n    return nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True))\n"
SAFE["calls within calls"] = BLOCK + NET.format(
    "        self.a = nn.Sequential(block(), block())\n        self.b = nn.Sequential(block(), block())",
    "        x = self.b(self.a(x))\n        return x + self.a(x)",
)
OPEN = {
    "the first part": NET.format(
        "        self.net = nn.Sequential()\n        self.net.append(nn.ReLU(inplace=True))\n"
        "        self.net.append(nn.Conv2d(3, 3, 1))",
        "        return self.net(x) + x",
    ),
    "a part that is called elsewhere": NET.format(
        "        self.act = nn.ReLU(inplace=True)\n        self.net = nn.Sequential(nn.Conv2d(3, 3, 1))\n"
        "        self.net.append(self.act)",
        "        y = torch.exp(x)\n        return self.net(x) + self.act(y) + y",
    ),
    "calls within calls of what begins in place": BLOCK.replace(
        "nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True)", "nn.ReLU(True), nn.Identity()"
    )
    + NET.format(
        "        self.a = nn.Sequential(nn.Identity(), block())",
        "        y = torch.exp(x)\n        z = self.a(y)\n        return z + y",
    ),
    "whichever comes before": "def grow(net):\n    net.append(nn.ReLU(inplace=True))\n    return net\n",
    "a part of a list": NET.format(
        "        self.nets = [nn.Sequential()]\n        self.nets[0].append(nn.ReLU(inplace=True))",
        "        return self.nets[0](x) + x",
    ),
    "a chain": NET.format(
        "        self.net = nn.Sequential().append(nn.Identity()).append(nn.ReLU(inplace=True))", CALLS + " + x"
    ),
}


@pytest.mark.parametrize("code", SAFE.values(), ids=SAFE.keys())
def test_what_comes_behind_something_new_is_safe(code: str) -> None:
    (fix,) = fixes(code)
    assert fix.safe, fix.doubts


@pytest.mark.parametrize("code", OPEN.values(), ids=OPEN.keys())
def test_the_rest_is_left_to_a_run(code: str) -> None:
    assert not any(fix.safe for fix in fixes(code))
