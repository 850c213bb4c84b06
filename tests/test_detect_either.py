"""A layer of another file or one of torch's, and norms that are passed in beside blocks of the file."""

from __future__ import annotations

import pytest
from rewriting import fixes

EITHER = (
    "from lib import DropPath, WideConv2d, WideNorm\nclass Block(nn.Module):\n    def __init__(self, dim, rate=0.0):\n"
    "        super().__init__()\n        self.conv = nn.Conv2d(dim, dim, 3)\n        self.part = {}\n"
    "        self.act = nn.ReLU(inplace=True)\n    def forward(self, x):\n        {}\n        return self.act(y)\n"
)
BEHIND = "y = self.part(self.conv(x))"
ONE = {
    "a drop or nothing": "DropPath(rate) if rate > 0.0 else nn.Identity()",
    "a convolution of either": "WideConv2d(dim, dim) if rate else nn.Conv2d(dim, dim, 1)",
    "a norm of either": "WideNorm(dim) if rate else nn.BatchNorm2d(dim)",
    "a convolution or nothing": "WideConv2d(dim, dim) if rate else nn.Identity()",
}


@pytest.mark.parametrize("part", ONE.values(), ids=ONE.keys())
def test_behind_a_layer_whichever_it_is_safe(part: str) -> None:
    (fix,) = fixes(EITHER.format(part, BEHIND))
    assert fix.safe, fix.doubts


@pytest.mark.parametrize(("part", "safe"), [
    ("WideConv2d(dim, dim) if rate else nn.Conv2d(dim, dim, 1)", True),
    ("WideConv2d(dim, dim) if rate else nn.Identity()", False),
    ("nn.Conv2d(dim, dim, 1) if rate else WideNorm(dim)", False),
    ("DropPath(rate) if rate > 0.0 else nn.Identity()", False),
])  # fmt: skip
def test_only_what_computes_makes_something_new(part: str, safe: bool) -> None:
    assert [fix.safe for fix in fixes(EITHER.format(part, "y = self.part(x)"))] == [safe]


@pytest.mark.parametrize(
    "part", ["DropPath(rate) if rate else self.conv.forward", "DropPath(rate) if rate else Keep()"]
)
def test_what_is_no_layer_of_torch_is_left_to_a_run(part: str) -> None:
    keep = "class Keep(nn.Module):\n    def forward(self, x):\n        self.last = x\n        return x\n"
    assert not any(fix.safe for fix in fixes(keep + EITHER.format(part, BEHIND)))


PASSED = (
    "class Bottleneck(nn.Module):\n    def __init__(self, inplanes, planes{}):\n        super().__init__()\n"
    "        self.fc = nn.Linear(inplanes, planes)\n    def forward(self, x):\n        self.last = self.fc(x)\n"
    "        return self.last\nclass Stem(nn.Module):\n    def __init__(self, planes, norm_layer=None):\n"
    "        super().__init__()\n        self.conv = nn.Conv2d(3, planes, 3)\n        self.bn = norm_layer({})\n"
    "        self.act = nn.ReLU(inplace=True)\n    def forward(self, x):\n        return self.act(self.bn(self.conv(x)))\n"
    "def make(build):\n    return build(Bottleneck, Stem)\n"
)


@pytest.mark.parametrize(("default", "given", "safe"), [
    ("", "planes", True),
    ("", "planes, **{'eps': 1e-3}", False),
    ("", "*[planes]", False),
    ("", "planes, planes", False),
    ("=3", "planes", False),
])  # fmt: skip
def test_a_block_that_takes_more_than_a_norm_is_none(default: str, given: str, safe: bool) -> None:
    assert [fix.safe for fix in fixes(PASSED.format(default, given))] == [safe]
