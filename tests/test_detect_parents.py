"""Classes that derive from a class of the file which they do not name, and mixins beside it."""

from __future__ import annotations

import pytest
from rewriting import fixes

NET = """\
import torch
import torch.nn as nn
from lib import Outer


class Base(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = nn.Conv2d(n, n, 3)
        self.act = nn.Sigmoid()

    def make(self, x):
        return torch.relu(x)

    def forward(self, x):
        y = self.conv(x)
        z = {call}
        z += 1
        return y + z


{after}
"""
IDLE = "class Net({}):\n    def set_up(self):\n        self.act = nn.Identity()"
OVER = "class Net({}):\n    def make(self, x):\n        return x"
HEIRS = {
    "by its name": "{}",
    "by another name": "Parent = Base\n\n\n{}".replace("{}", "{{}}"),
    "in a table": "KINDS = {{'base': Base}}\n\n\n{}",
    "of an attribute": "class Zoo:\n    parent = Base\n\n\n{}",
    "of a call": "def parent():\n    return Base\n\n\n{}",
    "of a parameter": "def build(parent):\n    {}\n    return Net\n\n\nbuild(Base)",
    "of a choice": "{}",
}
PARENTS = {
    "by its name": "Base", "by another name": "Parent", "in a table": "KINDS['base']", "of an attribute": "Zoo.parent",
    "of a call": "parent()", "of a parameter": "parent", "of a choice": "(Base if torch else nn.Module)",
}  # fmt: skip


def heir(kind: str, body: str) -> str:
    text = body.format(PARENTS[kind])
    if kind == "of a parameter":
        text = text.replace("\n", "\n    ")
    return HEIRS[kind].replace("{{", "{").replace("}}", "}").replace("{}", text)


@pytest.mark.parametrize("kind", PARENTS)
@pytest.mark.parametrize(("call", "body"), [("self.act(y)", IDLE), ("self.make(y)", OVER)], ids=["attribute", "method"])
def test_an_heir_that_does_not_name_its_parent_is_one(kind: str, call: str, body: str) -> None:
    assert not any(fix.safe for fix in fixes(NET.format(call=call, after=heir(kind, body))))


@pytest.mark.parametrize("call", ["self.act(y)", "self.make(y)"])
@pytest.mark.parametrize("after", [
    "pass", IDLE.format("nn.Module"), IDLE.format("Outer"), IDLE.format("Outer.Inner"), "KEPT = Base\n\n\n" + OVER.format("Missing"), "KEPT = Base\n\n\n" + OVER.format("lost.Missing"),
    "KEPT = Base\n\n\n" + OVER.format("Outer"),
    "KEPT = [Base]\n\n\ndef build(parent):\n    class Net(parent):\n        def set_up(self):\n            self.act = nn.Identity()\n    return Net",
    "class Mixed:\n    def set_up(self):\n        self.act = nn.Identity()",
])  # fmt: skip
def test_a_class_of_another_parent_is_none(call: str, after: str) -> None:
    assert [fix.safe for fix in fixes(NET.format(call=call, after=after))] == [True]


def test_a_class_that_joins_both_has_the_attributes_of_both() -> None:
    mixin = (
        "class Idle:\n    def set_up(self):\n        self.act = nn.Identity()\n\n\nclass Both(Idle, Base):\n    pass"
    )
    assert not any(fix.safe for fix in fixes(NET.format(call="self.act(y)", after=mixin)))


def test_a_class_that_joins_both_has_the_methods_of_both() -> None:
    mixin = "class Idle:\n    def make(self, x):\n        return x\n\n\nBASES = (Idle, Base)\n\n\nclass Both(*BASES):\n    pass"
    assert not any(fix.safe for fix in fixes(NET.format(call="self.make(y)", after=mixin)))


SWITCHED = {
    "it is switched on": "net = Base(3)\nnet.act.inplace = True",
    "all are": "for m in Base(3).modules():\n    m.inplace = True",
    "layers are fused": "torch.quantization.fuse_modules(Base(3), [['conv', 'act']])",
}


@pytest.mark.parametrize("after", SWITCHED.values(), ids=SWITCHED.keys())
def test_what_is_switched_on_or_fused_later_may_hand_on(after: str) -> None:
    assert not any(fix.safe for fix in fixes(NET.format(call="self.act(y)", after=after)))


PARALLEL = """\
import torch
import torch.nn as nn


class Twice(nn.Module):
    def forward(self, x):
        return x


class Block(nn.Module):
    def forward(self, x):
        return torch.tanh(x) + 1


class Keeping(nn.Module):
    def forward(self, x):
        self.last = torch.tanh(x)
        return self.last


class Writing(nn.Module):
    def forward(self, x):
        x += 1
        return x


class Net(nn.Module):
    def __init__(self, ngpu=1):
        super().__init__()
        self.main = nn.Sequential({parts})

    def forward(self, x, ngpu):
        y = x * 2
        out = nn.parallel.data_parallel(self.main, y, range(ngpu))
        return out + y
"""


@pytest.mark.parametrize(("parts", "safe"), [
    ("nn.Conv2d(3, 3, 1), nn.ReLU(True)", True), ("nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(True)), nn.Tanh()", True),
    ("nn.ReLU(True), nn.Conv2d(3, 3, 1)", False), ("nn.Sequential(nn.ReLU(True)), nn.Conv2d(3, 3, 1)", False),
    ("Twice(), nn.ReLU(True)", False), ("nn.Identity(), nn.ReLU(True)", False),
    ("Block(), nn.ReLU(True)", True),
    ("*[nn.Conv2d(3, 3, 1) for _ in range(ngpu)], nn.Tanh(), nn.ReLU(True)", True),
    ("Keeping(), nn.ReLU(True)", False), ("Writing(), nn.ReLU(True)", False),
])  # fmt: skip
def test_a_network_on_several_devices_is_called(parts: str, safe: bool) -> None:
    assert any(fix.safe for fix in fixes(PARALLEL.format(parts=parts)) if "x = x + 1" not in fix.title) is safe
