"""Classes that derive from `Sequential` and add their parts in the constructor: what calling one returns."""

from __future__ import annotations

import pytest
from rewriting import brought_together, fixes

NET = """\
import torch
import torch.nn as nn


class Conv(nn.Sequential):
    def __init__(self, n, m, relu=True):
        super().__init__({first})
        {parts}

{more}

class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = Conv(n, n)

    def forward(self, x):
        h = self.conv(x)
        h += torch.tanh(x)
        return h
"""
ADD = "self.add_module('conv', nn.Conv2d(n, m, 1))"
NORM = "self.add_module('bn', nn.BatchNorm2d(m))"
NEW = {
    "always the same": f"{ADD}\n        {NORM}",
    "perhaps one more": f"{ADD}\n        if relu:\n            self.add_module('relu', nn.ReLU())",
    "perhaps one that hands on": f"{ADD}\n        if relu:\n            self.add_module('skip', nn.Identity())",
    "one or the other": f"if relu:\n            {ADD}\n        else:\n            self.add_module('lin', nn.Linear(n, m))",
    "one for each": f"{ADD}\n        for i in range(m):\n            self.add_module(f'more{{i}}', nn.Conv2d(m, m, 1))",
}
SHARED = {
    "none": "pass",
    "perhaps none": f"if relu:\n            {ADD}",
    "perhaps not the first": f"if relu:\n            {ADD}\n        self.add_module('skip', nn.Identity())",
    "none for each": "for i in range(m):\n            self.add_module(f'more{i}', nn.Conv2d(m, m, 1))",
    "an early end": f"if relu:\n            return\n        {ADD}",
    "one that is replaced": f"{ADD}\n        self.add_module('conv', nn.Identity())",
    "one that is taken away": f"{ADD}\n        del self.conv",
    "one that is popped": f"{ADD}\n        self.pop(0)",
    "one that is deleted by a method": f"{ADD}\n        self.__delitem__(0)",
    "one that is bound": f"{ADD}\n        self.conv = nn.Identity()",
}


def text(parts: str, first: str = "", more: str = "") -> str:
    return NET.format(parts=parts, first=first, more=more)


def written_out(parts: str) -> bool:
    (found,) = fixes(text(parts))
    return found.safe


@pytest.mark.parametrize("parts", NEW.values(), ids=NEW.keys())
def test_a_class_with_a_part_that_makes_something_new_returns_that(parts: str) -> None:
    assert written_out(parts)


@pytest.mark.parametrize("parts", SHARED.values(), ids=SHARED.keys())
def test_a_class_that_may_have_none_may_return_its_argument(parts: str) -> None:
    assert not written_out(parts)


def test_parts_that_the_base_is_given_stand_first() -> None:
    (found,) = fixes(text("self.add_module('skip', nn.Identity())", first="nn.Conv2d(n, m, 1)"))
    assert found.safe
    (found,) = fixes(text(ADD, more="    def forward(self, x):\n        return x\n"))
    assert not found.safe


@pytest.mark.parametrize("after", [
    "def cut(net):\n    del net.conv.conv\n", "def cut(net):\n    net.conv.conv = nn.Identity()\n",
    "class Other(Net):\n    def cut(self):\n        self.conv.pop(0)\n",
    "def cut(net):\n    net.conv[0] = nn.Identity()\n", "class More(Conv):\n    def forward(self, x):\n        return x\n",
])  # fmt: skip
def test_what_others_do_to_the_parts_counts(after: str) -> None:
    (found,) = fixes(f"{text(ADD)}\n\n{after}")
    assert not found.safe


PLAIN = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(n, n, 1))
        self.count = []

    def forward(self, x):
        h = self.conv(x)
        h += torch.tanh(x)
        return h


def change(net, n):
    {change}
"""


@pytest.mark.parametrize(("change", "safe"), [
    ("net.conv[0] = nn.Identity()", False), ("net.conv.pop(0)", False), ("del net.conv[0]", False),
    ("net.conv.insert(0, nn.ReLU())", False), ("net.inner.conv[-1] = net.fc", False),
    ("net.conv[0] = nn.Linear(n, n)", True), ("net.conv[0] = 3", True), ("net.count.pop(0)", True),
    ("del net.count[0]", True), ("net.other[0] = nn.Identity()", True),
])  # fmt: skip
def test_parts_of_an_object_that_is_not_known(change: str, safe: bool) -> None:
    (found,) = fixes(PLAIN.format(change=change))
    assert found.safe is safe, found.doubts


def test_an_in_place_part_is_then_called_with_what_is_not_known() -> None:
    parts = "nn.Conv2d(n, n, 1), nn.ReLU(True)"
    text = PLAIN.replace("nn.Conv2d(n, n, 1)", parts).replace("        h += torch.tanh(x)\n", "")
    assert [fix.safe for fix in fixes(text.format(change="net.conv[0] = nn.Linear(n, n)"))] == [True]
    assert not any(fix.safe for fix in fixes(text.format(change="net.conv[0] = nn.Identity()")))


GROWN = """\
import torch
import torch.nn as nn


class Net(nn.Sequential):
    def __init__(self, n):
        super().__init__()
        self.add_module("conv", nn.Conv2d(n, n, 1))
        self.add_module("relu", nn.ReLU(inplace=True))
        {more}

    {method}


{after}
"""


@pytest.mark.parametrize(("parts", "safe"), [
    ({}, True), ({"more": "del self.conv"}, False), ({"more": "self.acts = nn.Sequential(self.relu)"}, False),
    ({"after": "def cut(net):\n    del net.conv"}, False),
    ({"method": "def first(self, x):\n        y = self.relu(x)\n        return x + y"}, False),
    ({"after": "class Other(nn.Module):\n    def forward(self, x):\n        return x + self.relu(x)"}, True),
])  # fmt: skip
def test_in_place_parts_that_a_class_adds(parts: dict[str, str], safe: bool) -> None:
    found = fixes(GROWN.format(**{"more": "pass", "method": "pass", "after": ""} | parts))
    assert [fix.safe for fix in found] == [safe]


@pytest.mark.parametrize("call", ["self.parts[1](x)", "self.parts[-1](x)", "self.parts[self.n](x)"])
def test_a_plain_list_that_is_kept_may_be_asked_for_any_part(call: str) -> None:
    keeping = "layers = [nn.Conv2d(n, n, 1), nn.ReLU(True)]\n        self.body = nn.Sequential(*layers)\n        self.parts = layers"
    text = f"""\
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        {keeping}

    def second(self, x):
        return {call}

    def forward(self, x):
        return self.body(x)
"""
    assert not any(fix.safe for fix in fixes(text))


UNKNOWN_NET = """\
import torch
import torch.nn as nn
import torchvision.models as models
from collections import OrderedDict


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.body = nn.Sequential(OrderedDict([("conv", nn.Linear(n, n)), ("act", nn.ReLU(inplace=True))]))

    def forward(self, x):
        return self.body(x)


class Holder(nn.Module):
    def __init__(self, net, name):
        super().__init__()
        {init}

    def forward(self, x):
        return {value}
"""


@pytest.mark.parametrize(("init", "value", "safe"), [
    ("self.net = net", "self.net(x)", True),
    ("self.net = net", "self.net.body[1](x)", False),
    ("self.net = net", "self.net.body.act(x)", False),
    ("self.net = net", "[part(x) for part in self.net.body]", False),
    ("self.act = net.body[1]", "self.act(x)", False),
    ("self.act = net.body.act", "self.act(x)", False),
    ("self.rest = net.body[1:]", "self.rest(x)", False),
    ("conv, act = net.body\\n        self.act = act", "self.act(x)", False),
    ("b = net.body\\n        b[0] = nn.Identity()", "net(x)", False),
    ("setattr(net.body, '0', nn.Identity())", "net(x)", False),
    ("setattr(net.body, 'conv', nn.Identity())", "net(x)", False),
    ("setattr(net.body, 'conv', nn.Linear(3, 3))", "net(x)", True),
    ("setattr(net.body, 'other', nn.Identity())", "net(x)", True),
    ("del net.body.conv", "net(x)", False),
    ("b = net.body\\n        b.conv = nn.Identity()", "net(x)", False),
    ("b = net.body\\n        b.conv = nn.Linear(3, 3)", "net(x)", True),
    ("cut(net.body)\\n\\n\\ndef cut(b):\\n    del b[0]\\n\\n\\nclass Other(Holder):\\n    def run(self, x):\\n        pass", "net(x)", False),
    ("cut(net.body)\\n\\n\\ndef cut(b):\\n    b.pop(0)\\n\\n\\nclass Other(Holder):\\n    def run(self, x):\\n        pass", "net(x)", False),
    ("self.act = models.vgg19(pretrained=True).body[1]", "self.act(x)", True),
    ("self.net = net\\n        self.net.body.apply(print)", "self.net(x)", True),
])  # fmt: skip
def test_parts_that_are_taken_from_an_object_that_is_not_known(init: str, value: str, safe: bool) -> None:
    found = fixes(brought_together(UNKNOWN_NET.format(init=init.replace("\\n", "\n"), value=value)))
    assert (bool(found) and all(fix.safe for fix in found)) is safe, [fix.doubts for fix in found]


@pytest.mark.parametrize(("more", "safe"), [("pass", True), ("del self.conv3", False), ("del self.other", True)])
def test_a_part_with_a_name_that_is_put_together_is_taken_away(more: str, safe: bool) -> None:
    parts = f"self.add_module(f'conv{{m}}', nn.Conv2d(n, m, 1))\n        {more}"
    assert written_out(parts) is safe
