"""Parts under names that are put together, and settings that a class sets by their names."""

from __future__ import annotations

import pytest
from rewriting import brought_together, fixes

NET = """\
import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self, n, width, extra=None):
        super().__init__()
        self.n = n
        for i in range(n):
            self.add_module('conv' + str(i), nn.Conv2d(width, width, 3))
            self.add_module('bn' + str(i), nn.BatchNorm2d(width))
        {init}

    def forward(self, x):
        kept = []
        for i in range(self.n):
            {rest}
            kept.append(x)
        return kept

    {method}
"""
WRITE = "x = F.relu({bn}({conv}(x)), True)"


def net(conv: str, bn: str, init: str = "pass", method: str = "pass", rest: str = WRITE) -> str:
    return NET.format(rest=rest.format(conv=conv, bn=bn), init=init, method=method)


CONV, BN = "self._modules['conv' + str(i)]", "self._modules['bn' + str(i)]"
KEEP = "self.add_module('{}', Keep())"
CLASS = "\n\nclass Keep(nn.Module):\n    def forward(self, x):\n        self.last = x\n        return x\n"
FOUND = {
    "in the table of parts": net(CONV, BN),
    "by getattr": net("getattr(self, 'conv' + str(i))", "getattr(self, 'bn' + str(i))"),
    "spelled otherwise": net("getattr(self, 'conv%d' % i)", "getattr(self, f'bn{i}')"),
    "set by name": net("getattr(self, 'one{}'.format(i))", "getattr(self, 'two{}'.format(i))",
                       "for i in range(n):\n            setattr(self, 'one{}'.format(i), nn.Conv2d(3, 3, 1))\n            setattr(self, 'two{}'.format(i), nn.BatchNorm2d(3))"),
    "of pieces alone": net("getattr(self, '{}{}'.format(i, 'one'))", "getattr(self, f'{i}{2}')",
                           "for i in range(n):\n            setattr(self, '{}{}'.format(i, 'one'), nn.Conv2d(3, 3, 1))\n            setattr(self, f'{i}{2}', nn.BatchNorm2d(3))"),
    "what a function makes": net("getattr(self, '{}{}'.format(i, 'one'))", "getattr(self, f'{i}{2}')",
                           "for i in range(n):\n            setattr(self, '{}{}'.format(i, 'one'), conv(3))\n            setattr(self, f'{i}{2}', nn.BatchNorm2d(3))")
    + "\n\ndef conv(n):\n    return nn.Conv2d(n, n, 1)\n",
    "beside a part of another name": net(CONV, BN, KEEP.format("other")) + CLASS,
}  # fmt: skip
LEFT = {
    "another part of that beginning": net(CONV, BN, KEEP.format("bn_last")) + CLASS,
    "a name that may be one of them": net(CONV, BN, "self.add_module('bn' + extra, Keep())") + CLASS,
    "a shorter beginning": net(CONV, BN, "self.add_module('b' + extra, Keep())") + CLASS,
    "a method of that beginning": net("getattr(self, 'conv' + str(i))", "getattr(self, 'bn' + str(i))", method="def bn_x(self, x):\n        return x"),
    "an attribute of that beginning": net("getattr(self, 'conv' + str(i))", "getattr(self, 'bn' + str(i))", "self.bnorm = extra"),
    "any name": net("self._modules[self.names[i]]", "self._modules[self.others[i]]"),
    "an end alone": net("self._modules[str(i) + 'conv']", "self._modules[str(i) + 'bn']"),
    "of another object": net("extra._modules['conv' + str(i)]", "extra._modules['bn' + str(i)]"),
    "of other pieces": net("getattr(self, '{}{}'.format(i, 'one'))", "getattr(self, f'{i}{self.n}')",
                           "for i in range(n):\n            setattr(self, '{}{}'.format(i, 'one'), nn.Conv2d(3, 3, 1))\n            setattr(self, f'{i}{2}', nn.BatchNorm2d(3))"),
    "a name that is a variable": net("getattr(self, 'conv' + str(i))", "getattr(self, extra)", "for extra in self.names:\n            setattr(self, extra, nn.BatchNorm2d(3))"),
    "what a function makes that keeps": net("getattr(self, '{}{}'.format(i, 'one'))", "getattr(self, f'{i}{2}')",
                           "for i in range(n):\n            setattr(self, '{}{}'.format(i, 'one'), conv())\n            setattr(self, f'{i}{2}', conv())")
    + CLASS + "\n\ndef conv():\n    return Keep()\n",
    "what leaves a part of none": net(CONV, "self._modules['act' + str(i)]"),
}  # fmt: skip


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND.keys())
def test_a_name_leads_to_the_parts_that_may_have_it(text: str) -> None:
    found = fixes(text)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_a_name_that_may_be_another_leads_nowhere(text: str) -> None:
    assert not any(fix.safe for fix in fixes(text))


SETS = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, config, layers, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.relu = nn.ReLU(inplace=True)
        for key, value in {table}:
            {put}

    def forward(self, x):
        return self.relu(self.conv(x))
"""
PUT = "setattr(self, key, value)"


@pytest.mark.parametrize(("table", "put", "safe"), [
    ("config.items()", PUT, True), ("kwargs.items()", PUT, True), ("vars(config).items()", PUT, True),
    ("config.__dict__.items()", PUT, True), ("config.net_params.items()", f"if key != 'n':\n                {PUT}", True),
    ("layers.items()", PUT, False), ("zip(config, layers)", PUT, False), ("config.items()", "setattr(layers, key, value)", False),
    ("config.items()", "setattr(self, key, layers[value])", False),
])  # fmt: skip
def test_settings_are_no_parts(table: str, put: str, safe: bool) -> None:
    assert [fix.safe for fix in fixes(SETS.format(table=table, put=put))] == [safe]


ACTS = """\
import torch
import torch.nn as nn

SEEN = []


class Net(nn.Module):
    def __init__(self, n, width, extra=None):
        super().__init__()
        self.n = n
        for i in range(n):
            setattr(self, 'conv%d' % i, nn.Conv2d(width, width, 3))
            setattr(self, 'act%d' % i, nn.ReLU(True))
        {init}

    def forward(self, x):
        for i in range(self.n):
            x = {act}(getattr(self, 'conv%d' % i)(x))
        return x

    {method}


{after}
"""
ACT = "getattr(self, 'act%d' % i)"
CALLED = {
    "by the same name": {"act": ACT},
    "spelled otherwise": {"act": "self._modules[f'act{i}']"},
    "beside another class with such a name": {
        "after": "class Other(nn.Module):\n    def forward(self, x):\n        return self.act1(x)"
    },
    "beside another part": {"init": "self.norm = nn.BatchNorm2d(width)", "method": "def first(self, x):\n        return self.norm(x)"},
}  # fmt: skip
ELSEWHERE = {
    "by an attribute of its own": {"method": "def first(self, x):\n        y = self.act0(x)\n        return x + y"},
    "by an attribute from outside": {"after": "def first(net, x):\n    SEEN.append(net.act0(x))\n    return x"},
    "by a method from outside": {"after": "def first(net, x):\n    return getattr(net, 'act%d' % 0)(x) + x"},
    "by any name": {"method": "def first(self, x, name):\n        return getattr(self, name)(x) + x"},
    "by any name from outside": {"after": "def first(net, x, name):\n    return getattr(net, name)(x) + x"},
    "by a shorter name": {"method": "def first(self, x, i):\n        return getattr(self, 'ac%s' % i)(x) + x"},
    "by its own name": {"method": "def first(self, x):\n        return getattr(self, 'act0')(x) + x"},
    "as a value": {"method": "def first(self):\n        SEEN.append(getattr(self, 'act%d' % 0))"},
    "in its heir": {"after": "class More(Net):\n    def first(self, x):\n        return self.act0(x) + x"},
    "called with what is kept": {"act": "getattr(self, 'act%d' % i)(SEEN[0]) + "},
}  # fmt: skip


def acts(parts: dict[str, str]) -> list[bool]:
    text = ACTS.format(**{"init": "pass", "method": "pass", "after": "", "act": ACT} | parts)
    return [fix.safe for fix in fixes(brought_together(text))]


@pytest.mark.parametrize("parts", CALLED.values(), ids=CALLED.keys())
def test_in_place_modules_under_names_that_are_put_together_are_called_by_such_names(parts: dict[str, str]) -> None:
    assert acts(parts) == [True]


@pytest.mark.parametrize("parts", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_where_others_reach_them_by_other_names_they_are_not_followed(parts: dict[str, str]) -> None:
    assert acts(parts) != [True]


LAYER = """\
import torch
import torch.nn as nn

SEEN = []


class Layer(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.norm1: nn.BatchNorm2d
        self.add_module("norm1", nn.BatchNorm2d(n))
        self.add_module("relu1", nn.ReLU(inplace=True)),
        setattr(self, "conv1", nn.Conv2d(n, n, 1))
        {init}

    def inner(self, inputs):
        joined = torch.cat(inputs, 1)
        return self.conv1({call})

    def forward(self, x):
        return self.inner([x])

    {method}


{after}
"""


@pytest.mark.parametrize(("parts", "safe"), [
    ({}, True), ({"call": "self.relu1(joined)"}, True), ({"call": "self.relu1(inputs[0])"}, False),
    ({"call": "self.norm1(joined) + self.relu1(joined) + joined"}, False),
    ({"method": "def relu1(self, x):\n        return x"}, False), ({"method": "relu1 = 3"}, False),
    ({"init": "self.add_module('norm1', nn.Identity())", "call": "self.relu1(self.norm1(inputs[0]))"}, False),
    ({"init": "setattr(self, 'norm1', nn.Identity())", "call": "self.relu1(self.norm1(inputs[0]))"}, False),
    ({"init": "self.act = self.relu1", "method": "def first(self, x):\n        y = self.act(x)\n        return x + y"}, False),
    ({"after": "def first(net, x):\n    SEEN.append(net.relu1(x))\n    return x"}, False),
    ({"after": "class More(Layer):\n    def relu1(self, x):\n        return x"}, False),
])  # fmt: skip
def test_a_part_that_is_added_by_a_plain_name_is_an_attribute(parts: dict[str, str], safe: bool) -> None:
    known = {"init": "pass", "call": "self.relu1(self.norm1(joined))", "method": "pass", "after": ""}
    found = [fix for fix in fixes(brought_together(LAYER.format(**known | parts))) if "relu1" in fix.title]
    assert (bool(found) and all(fix.safe for fix in found)) is safe, [fix.doubts for fix in found]
