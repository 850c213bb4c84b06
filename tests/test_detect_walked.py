"""Loops over lists of modules: the first module alone is called with what was there before, see Note [Walked lists]."""

from __future__ import annotations

import pytest
from rewriting import fixes

NET = """\
import torch
import torch.nn as nn


def vgg(cfg, i):
    layers = []
    for v in cfg:
        if v == "M":
            layers += [nn.MaxPool2d(2, 2)]
        else:
            layers += [nn.Conv2d(i, v, 3), nn.ReLU(inplace=True)]
            i = v
    layers += [nn.MaxPool2d(3, 1), nn.ReLU(inplace=True)]
    return layers


class Net(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.vgg = nn.ModuleList(vgg([1, 2], 3))
        self.norm = nn.BatchNorm2d(3)
        self.other = size

    def forward(self, x):
        {body}
        return x


{after}
"""
BODIES = {
    "over the list": "for layer in self.vgg:\n            x = layer(x)",
    "counting": "for i, layer in enumerate(self.vgg):\n            x = layer(x)",
    "by number": "for i in range(len(self.vgg)):\n            x = self.vgg[i](x)",
    "by a number of them": "for i in range(23):\n            x = self.vgg[i](x)",
    "in two parts": "for i in range(23):\n            x = self.vgg[i](x)\n        s = self.norm(x)\n"
    "        for i in range(23, len(self.vgg)):\n            x = self.vgg[i](x)\n        x = x + s",
    "again and again": "for i in range(3):\n            for layer in self.vgg:\n                x = layer(x)",
    "what was before is kept": "kept = x\n        for layer in self.vgg:\n            x = layer(x)\n        x = x + kept",
    "with more in between": "for layer in self.vgg:\n            x = layer(x)\n            x = x.masked_fill(x > 3, 0)",
    "a way out": "for layer in self.vgg:\n            if x.dim() == 3:\n                break\n            x = layer(x)",
}
LEFT = {
    "all with one tensor": "for layer in self.vgg:\n            y = layer(x)\n        x = y",
    "from the second on": "for i in range(1, 23):\n            x = self.vgg[i](x)",
    "backwards": "for layer in reversed(self.vgg):\n            x = layer(x)",
    "a part of it": "for layer in self.vgg[1:]:\n            x = layer(x)",
    "by another number": "for i in range(23):\n            x = self.vgg[i - 1](x)",
    "by a number that changes": "for i in range(23):\n            i = i + 1\n            x = self.vgg[i](x)",
    "a loop inside": "for i in range(23):\n            for j in range(i + 1):\n                x = self.vgg[i](x)",
    "one is left out": "for i, layer in enumerate(self.vgg):\n            if i > self.other:\n                x = layer(x)",
    "all are collected": "outs = []\n        for layer in self.vgg:\n            x = layer(x)\n            outs.append(x)\n        x = outs",
    "counting from one": "for i, layer in enumerate(self.vgg, 1):\n            x = self.vgg[i](x)",
    "counting from a number by its name": "for i, layer in enumerate(self.vgg, start=1):\n            x = self.vgg[i](x)",
    "counting, by a number that changes": "for i, layer in enumerate(self.vgg):\n            i += 1\n            x = self.vgg[i](x)",
    "by numbers in a pair": "for i in range(*self.other):\n            x = self.vgg[i](x)",
    "by another range": "def range(n):\n            return [n - 1, 0]\n        for i in range(2):\n            x = self.vgg[i](x)",
    "by another enumerate": "def enumerate(one):\n            return zip(range(3), one[1:])\n"
    "        for i, layer in enumerate(self.vgg):\n            x = layer(x)",
}  # fmt: skip


def safe(body: str = BODIES["over the list"], after: str = "", text: str = NET) -> bool:
    found = fixes(text.format(body=body, after=after))  # none are those that are refused
    return bool(found) and all(fix.safe for fix in found)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_the_first_module_alone_is_called_with_the_argument(body: str) -> None:
    assert safe(body)


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT.keys())
def test_other_loops_may_call_any_module_with_the_argument(body: str) -> None:
    assert not safe(body)


@pytest.mark.parametrize("after", [
    "def cut(net):\n    net.vgg[0] = nn.ReLU()",
    "def cut(net):\n    net.vgg = net.vgg[1:]",
    "def cut(net):\n    net.vgg.insert(0, nn.Tanh())",
    "def cut(net):\n    del net.vgg[0]",
    "class More(Net):\n    def __init__(self):\n        super().__init__(1)\n        self.vgg = nn.ModuleList([nn.ReLU(inplace=True)])",
    "class More(Net):\n    def vgg(self):\n        return 1",
])  # fmt: skip
def test_of_a_list_that_others_change_the_first_module_is_not_known(after: str) -> None:
    assert not safe(after=after)


MAKERS = {
    "the first may be left out": ('for v in cfg:\n        if v == "M":', "for v in cfg:\n        if i:\n            pass\n        elif v == 'M':\n            layers += [nn.ReLU(inplace=True)]\n        elif v == 'N':", False),
    "all of a loop may be left out": ("layers += [nn.MaxPool2d(3, 1), nn.ReLU(inplace=True)]", "layers += [nn.ReLU(inplace=True)]", False),
    "an activation first": ("layers = []", "layers = [nn.ReLU(inplace=True)]", False),
    "a part that hands on first": ("layers = []", "layers = [nn.Identity()]", False),
    "one is cut off": ("return layers", "return layers[1:]", False),
    "more at the end": ("return layers", "layers.append(nn.ReLU(inplace=True))\n    return layers", True),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "fine"), MAKERS.values(), ids=MAKERS.keys())
def test_what_may_stand_first_is_told_by_how_the_list_is_made(old: str, new: str, fine: bool) -> None:
    assert old in NET
    assert safe(text=NET.replace(old, new)) == fine


BUILT = NET.replace("self, size", "self, base, head, size=1").replace(
    "nn.ModuleList(vgg([1, 2], 3))", "nn.ModuleList(base)"
)
BUILD = {
    "a tuple": "def both(vgg, n):\n    head = []\n    more = []\n    for k in range(n):\n        head += [nn.Conv2d(vgg[k].out_channels, 3, 1)]\n    return vgg, (head, more)\n\n\n"
    "def build():\n    base, head = both(vgg([1], 3), 2)\n    return Net(base, head)",
    "a tuple that is unpacked": "def both(vgg, n):\n    head = []\n    more = []\n    for k in range(n):\n        head += [nn.Conv2d(vgg[k].out_channels, 3, 1)]\n    return vgg, (head, more)\n\n\n"
    "def build():\n    return Net(*both(vgg([1], 3), 2))",
    "a list": "def build():\n    return Net(vgg([1], 3), [])",
}  # fmt: skip
OTHERWISE = {
    "one list for two": "def both(vgg):\n    return vgg, vgg\n\n\ndef build():\n    base, head = both(vgg([1], 3))\n    head.insert(0, nn.ReLU())\n    return Net(base, head)",
    "changed on the way": "def both(vgg):\n    vgg.insert(0, nn.ReLU())\n    return vgg, 1\n\n\ndef build():\n    return Net(*both(vgg([1], 3)))",
    "of a length that is not known": "def build(*rest):\n    return Net(*rest, vgg([1], 3))",
}  # fmt: skip


@pytest.mark.parametrize("after", BUILD.values(), ids=BUILD.keys())
def test_lists_that_functions_hand_to_a_class_are_followed(after: str) -> None:
    assert safe(after=after, text=BUILT)


@pytest.mark.parametrize("after", OTHERWISE.values(), ids=OTHERWISE.keys())
def test_lists_that_may_be_others_are_not(after: str) -> None:
    assert not safe(after=after, text=BUILT)


GROWN = """\
import torch
import torch.nn as nn


class Block(nn.Module):
    def __init__(self, n, act, bias):
        super().__init__()
        {begin}
        self.conv.append(nn.BatchNorm2d(n))
        if act == "relu":
            self.conv.append(nn.ReLU(inplace=True))
        elif act == "leaky":
            self.conv.append(nn.LeakyReLU(0.1, inplace=True))
        {end}

    def forward(self, x):
        for layer in self.conv:
            x = layer(x)
        return x
"""
CONV = "nn.Conv2d(3, n, 1)"
BEGIN = {
    "empty": (f"self.conv = nn.ModuleList()\n        self.conv.append({CONV})", "", True),
    "either way": (f"self.conv = nn.ModuleList()\n        if bias:\n            self.conv.append({CONV})\n        else:\n            self.conv.append({CONV})", "", True),
    "with one": (f"self.conv = nn.ModuleList([{CONV}])", "", True),
    "either way anew": (f"if bias:\n            self.conv = nn.ModuleList([{CONV}])\n            self.n = 1\n        else:\n            self.conv = nn.ModuleList()\n            self.conv.append({CONV})", "", True),
    "a plain list first": (f"self.conv = []\n        self.conv.append({CONV})", "self.conv = nn.ModuleList(self.conv)", True),
    "a plain list with another name": (f"self.conv = []\n        kept = self.conv\n        self.conv.append({CONV})", "self.conv = nn.ModuleList(self.conv)\n        kept.insert(0, nn.ReLU())", False),
    "a plain list that is given away": (f"self.conv = []\n        self.conv.append({CONV})\n        bias(self.conv)", "self.conv = nn.ModuleList(self.conv)", False),
    "a plain list and a part more": (f"self.conv = []\n        self.conv.append({CONV})", "self.conv = nn.ModuleList(self.conv)\n        self.conv[0] = nn.ReLU()", False),
    "empty, norm first": ("self.conv = nn.ModuleList()", "", True),
    "perhaps an activation": ("self.conv = nn.ModuleList()\n        if bias:\n            self.conv.append(nn.ReLU(inplace=True))", "", False),
    "perhaps what hands on": ("self.conv = nn.ModuleList()\n        self.conv.append(nn.Identity() if bias else nn.Dropout(0.1))\n        self.conv.append(nn.ReLU(inplace=True))", "", False),
    "put in front": (f"self.conv = nn.ModuleList([{CONV}])", "self.conv.insert(0, nn.ReLU(inplace=True))", False),
    "made anew": (f"self.conv = nn.ModuleList([{CONV}])", "self.conv = nn.ModuleList([nn.ReLU(inplace=True)])", False),
    "given away meanwhile": (f"self.conv = nn.ModuleList([{CONV}])\n        bias(self)", "self.conv.append(nn.ReLU(inplace=True))", False),
    "one way alone": (f"if bias:\n            self.conv = nn.ModuleList([{CONV}])\n            self.n = 1\n        else:\n            self.conv = act\n            self.n = 2", "", False),
}  # fmt: skip


@pytest.mark.parametrize(("begin", "end", "fine"), BEGIN.values(), ids=BEGIN.keys())
def test_lists_that_grow_in_the_constructor(begin: str, end: str, fine: bool) -> None:
    found = fixes(GROWN.format(begin=begin, end=end))
    assert found and all(fix.safe for fix in found) == fine


FIRST = """\
import torch
import torch.nn as nn


class Whole(nn.Module):
    def __init__(self, n, k=2):
        super().__init__()
        act = nn.ReLU(True)
        model = [nn.Conv2d(n, n, 1), act]
        for _ in range(k):
            model += [nn.Conv2d(n, n, 1), nn.BatchNorm2d(n), act]
        self.model = nn.Sequential(*model)

    def forward(self, x):
        return self.model(x)


class Net(nn.Module):
    def __init__(self, n, order):
        super().__init__()
        model = Whole(n).model
        model = {parts}
        self.model = nn.Sequential(*model)

    def forward(self, x):
        return x + self.model(x)
"""


@pytest.mark.parametrize(("parts", "fine"), [
    ("[model[i] for i in range(len(model) - 3)]", True), ("[model[i] for i in range(n)]", True),
    ("[model[i] for i in range(1, n)]", False), ("[model[i + 1] for i in range(n)]", False),
    ("[model[i] for i in order]", False), ("[model[i] for i in range(n) if i != 2]", False),
    ("[model[i] for i in range(*order)]", False),
    ("[model[n] for i in range(n)]", False),
    ("[model[-i] for i in range(n)]", False), ("[model[i] for i in reversed(range(n))]", False),
])  # fmt: skip
def test_the_first_ones_of_a_list_begin_as_it_does(parts: str, fine: bool) -> None:
    assert safe(text=FIRST.replace("{", "{{").replace("}", "}}").replace("{{parts}}", parts)) is fine


EMPTY = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, n, k):
        super().__init__()
        self.layers = nn.ModuleList({layers})
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.relu(x)
"""


@pytest.mark.parametrize(("layers", "fine"), [
    ("[nn.Conv2d(n, n, 1) for _ in range(k)]", False), ("[nn.Conv2d(n, n, 1), nn.Tanh()]", True),
])  # fmt: skip
def test_a_list_that_may_be_empty_hands_the_argument_on(layers: str, fine: bool) -> None:
    found = fixes(EMPTY.format(layers=layers))
    assert (bool(found) and all(fix.safe for fix in found)) is fine
