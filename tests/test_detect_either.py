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


NETWORK = """\
class Wrapped(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net
        self.act = nn.ReLU(inplace=True)
    def forward(self, x):
        {}
        return self.act(y)
class Other(nn.Module):
    def __init__(self, n):
        super().__init__()
        {}
    {}
"""
PARTS = {
    "a convolution": ("y = self.net.conv1(x)", "pass", "pass", True),
    "a convolution and a norm": ("y = self.net.bn1(self.net.conv1(x))", "pass", "pass", True),
    "a linear layer": ("y = self.net.fc(x)", "pass", "pass", True),
    "a convolution of another class": ("y = self.net.conv1(x)", "self.conv1 = nn.Conv2d(n, n, 1)", "pass", True),
    "a norm alone": ("y = self.net.bn1(x)", "pass", "pass", False),
    "any part": ("y = self.net.layer1(x)", "pass", "pass", False),
    "what is called alike": ("y = self.net.convert(x)", "pass", "pass", False),
    "with more than one": ("y = self.net.conv1(x, x)", "pass", "pass", False),
    "something else in another class": ("y = self.net.conv1(x)", "self.conv1 = Block(n)", "pass", False),
    "nothing new in another class": ("y = self.net.conv1(x)", "self.conv1 = nn.Identity()", "pass", False),
    "something else from outside": ("y = self.net.conv1(x)", "n.conv1 = nn.Identity()", "pass", False),
    "what is computed from outside": ("y = self.net.conv1(x)", "n.conv1 = keep(n.conv1)", "pass", False),
    "something else by its name": ("y = self.net.conv1(x)", "setattr(n, 'conv1', nn.Identity())", "pass", False),
    "it is taken away": ("y = self.net.conv1(x)", "del n.conv1", "pass", False),
    "a convolution from outside": ("y = self.net.conv1(x)", "n.conv1 = nn.Conv2d(4, 3, 7)", "pass", True),
    "a method of another class": ("y = self.net.conv1(x)", "pass", "def conv1(self, x):\n        return x", False),
}


@pytest.mark.parametrize(("line", "init", "method", "safe"), PARTS.values(), ids=PARTS.keys())
def test_parts_of_a_network_out_of_sight_are_told_by_their_names(line: str, init: str, method: str, safe: bool) -> None:
    found = fixes(NETWORK.format(line, init, method))
    assert any(fix.safe for fix in found) is safe, [fix.doubts for fix in found]


SWITCH = """\
class Hswish(nn.Module):
    def __init__(self, inplace=True):
        super().__init__()
        self.inplace = inplace
    def forward(self, x):
        return {swish}
class Block(nn.Module):
    def __init__(self, n, act=nn.ReLU):
        super().__init__()
        self.conv = nn.Conv2d(n, n, 3)
        self.act = act(inplace=True)
    def forward(self, x):
        return self.act(self.conv(x))
def make():
    return Block(3, Hswish)
"""


@pytest.mark.parametrize(("swish", "safe"), [
    ("x * nn.functional.relu6(x + 3.0, inplace=self.inplace) / 6.0", True),
    ("x.mul_(2) if self.inplace else x * 2", False), ("x * (2 if self.inplace else 3)", False),
    ("run(x, self.inplace)", False),
])  # fmt: skip
def test_a_class_that_only_hands_the_switch_to_torch(swish: str, safe: bool) -> None:
    found = [fix for fix in fixes(SWITCH.format(swish=swish)) if "act" in fix.title]
    assert [fix.safe for fix in found] == [safe], [fix.doubts for fix in found]


@pytest.mark.parametrize(("init", "safe"), [("raise NotImplementedError", True), ("self.rate = args", False)])
def test_a_class_that_cannot_be_made_is_called_by_nobody(init: str, safe: bool) -> None:
    drop = f"class DropBlock(object):\n    def __init__(self, *args):\n        {init}\n"
    found = fixes(
        drop
        + EITHER.format(
            "DropBlock(rate) if rate else None", "y = self.conv(x)\n        if self.part:\n            y = self.part(y)"
        )
    )
    assert any(fix.safe for fix in found) is safe, [fix.doubts for fix in found]
