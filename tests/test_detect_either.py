"""A layer of another file or one of torch's, and norms that are passed in beside blocks of the file."""

from __future__ import annotations

import pytest
from rewriting import fixes

EITHER = (
    "from lib import DropPath, Identity, WideConv2d, WideNorm\nclass Block(nn.Module):\n    def __init__(self, dim, rate=0.0):\n"
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
    ("WideConv2d(dim, dim) if rate else Identity()", False),
    ("WideConv2d(dim, dim) if rate else DropPath(rate)", False),
    ("WideConv2d(dim, dim) if rate else WideConv2d(dim, 3)", True),
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


@pytest.mark.parametrize("more", [
    "def more():\n    return Stem(3, functools.partial(Bottleneck, planes=3))\n",
    "class Heir(Stem):\n    def __init__(self):\n        super().__init__(3, (Bottleneck, 3)[0])\n        self.norm = self.norm_layer(3, 4)\n",
])  # fmt: skip
def test_a_block_that_may_be_given_more_may_be_one(more: str) -> None:
    assert not any(fix.safe for fix in fixes(PASSED.format("", "planes") + more))


def test_another_class_of_two_arguments_may_be_a_norm() -> None:
    assert not any(fix.safe for fix in fixes(PASSED.format("", "planes").replace("Bottleneck", "KeepNorm")))


HELD = (
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.act = nn.ReLU(inplace=True)\n"
    "    def other(self, x):\n        return self.act(torch.exp(x))\n    def forward(self, x, kind):\n        h = torch.exp(x)\n"
    "        acts = {}\n        return {}(h), h\n"
)
BAG = "class Bag(dict):\n    def __init__(self, *a, **k):\n        super().__init__(*a, **k)\n        self.__dict__ = self\n"


@pytest.mark.parametrize(("made", "used"), [
    ("dict(relu=self.act)", "acts[kind]"),
    ("dict([('relu', self.act)])", "acts[kind]"),
    ("dict(relu=self.act)", "acts.get(kind)"),
    ("dict(zip(['relu'], [self.act]))", "acts[kind]"),
    ("Bag(relu=self.act)", "acts.relu"),
])  # fmt: skip
def test_a_module_in_a_dict_may_be_called(made: str, used: str) -> None:
    assert not any(fix.safe for fix in fixes(BAG + HELD.format(made, used)))
