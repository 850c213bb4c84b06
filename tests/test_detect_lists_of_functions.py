"""Lists of layers that functions put together, and what may be done with their attributes: what stays known."""

from __future__ import annotations

import pytest
from rewriting import fixes

INNER = """\
import torch.nn as nn


class Critic(nn.Module):
    def __init__(self, channels):
        super().__init__()
        {before}

        def block(i, o, normalize=True):
            {inner}
            layers = [nn.Conv2d(i, o, 4, 2, 1)]
            if normalize:
                layers.append(nn.BatchNorm2d(o))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        layers = []
        for i, o in enumerate([64, 128]):
            layers.extend(block(channels, o, normalize=i > 0))
            channels = o
        {after}
        self.model = nn.Sequential(*layers)

    def forward(self, image):
        return self.model(image)
"""


def safe(text: str) -> bool:
    found = fixes(text)
    return bool(found) and all(fix.safe for fix in found)


def inner(before: str = "", inside: str = "pass", after: str = "") -> str:
    return INNER.format(before=before, inner=inside, after=after)


def test_a_list_of_a_function_within_is_another_under_the_same_name() -> None:
    assert safe(inner())


def test_an_empty_list_may_be_made_by_its_class() -> None:
    assert safe(inner().replace("        layers = []\n", "        layers = list()\n"))
    assert not safe(inner().replace("        layers = []\n", "        layers = list(channels)\n"))


@pytest.mark.parametrize("parts", [
    {"before": "layers = []", "inside": "nonlocal layers"},
    {"after": "cut = lambda: layers.pop(0)\n        cut()"},
    {"after": "def cut():\n            layers.pop(0)\n\n        cut()"},
    {"after": "layers.pop(0)"},
])  # fmt: skip
def test_one_that_functions_within_may_change_is_not_known(parts: dict[str, str]) -> None:
    assert not safe(inner(**parts))


LISTED = """\
import torch
import torch.nn as nn
import torch.nn.functional as F
from lib import kaiming_init, register, table


def extras(widths, n):
    layers = []
    for width in widths:
        layers += [nn.Conv2d(n, width, 1)]
        n = width
    return layers


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 1)
        self.extras = nn.ModuleList(extras([8, 16], 3))
        self.reset()

    def reset(self):
        for m in self.extras.modules():
            {loop}

    def forward(self, x):
        x = self.stem(x)
        found = [x]
        for k, layer in enumerate(self.extras):
            x = F.relu(layer(x), inplace=True)
            found.append(x)
        return found


{after}
"""
RESET = "if isinstance(m, nn.Conv2d):\n                nn.init.zeros_(m.bias)"


@pytest.mark.parametrize(("loop", "after"), [
    (RESET, ""),
    (RESET, "if __name__ == 'extras':\n    pass"),
    (RESET, "@register('extras')\nclass Other(Net):\n    pass"),
    (RESET, "URLS = {'extras': 'https://there'}\nprint(URLS['extras'])"),
    (RESET, "CASES = [(Net, lambda: ([], {'extras': 4}), lambda: ([torch.rand(4, 4)], {}), False)]"),
])  # fmt: skip
def test_who_only_fills_weights_leaves_the_list_as_it_is(loop: str, after: str) -> None:
    assert safe(LISTED.format(loop=loop, after=after))


@pytest.mark.parametrize(("loop", "after"), [
    ("m.append(nn.Identity())", ""),
    ("m[0] = nn.Identity()", ""),
    ("self.m = m", ""),
    (RESET, "def cut(net):\n    getattr(net, 'extras').append(nn.Identity())"),
    (RESET, "URLS = {'extras': 'https://there'}\ndef cut(net):\n    for k in URLS:\n        getattr(net, k).append(0)"),
    (RESET, "def cut(net):\n    net.extras.insert(0, nn.Identity())"),
    (RESET, "CASES = [(Net, lambda net: ([], {'extras': 4}))]"),
    (RESET, "CASES = [(Net, lambda: {'extras': 4})]"),
])  # fmt: skip
def test_who_may_change_the_list_does_not(loop: str, after: str) -> None:
    assert not safe(LISTED.format(loop=loop, after=after))


PARTS = """\
import torch.nn as nn
import lib
from lib import {name}
{own}

class Head(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.add = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(inplace=True), nn.Conv2d(n, n, 1))
        self.act = nn.ReLU(inplace=True)
        {call}

    def forward(self, x):
        return x + self.act(self.add(x))
"""


@pytest.mark.parametrize(("name", "call", "known"), [
    ("kaiming_init", "kaiming_init(self.add[-1])", True),
    ("constant_init", "constant_init(self.add, val=0)", True),
    ("lib2", "lib.xavier_init(self.add)", True),
    ("transform", "transform(self.add)", False),
    ("kaiming_init", "self.other = kaiming_init(self.act)", False),
])  # fmt: skip
def test_an_initialiser_of_another_file_calls_nothing(name: str, call: str, known: bool) -> None:
    assert safe(PARTS.format(name=name, call=call, own="")) is known


DILATED = """\
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, n, net):
        super().__init__()
        self.body = net.layer3
        for name, m in self.body.named_modules():
            if "conv2" in name:
                {store}
        self.head = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(inplace=True))

    def forward(self, x):
        return self.head(self.body(x))
"""


@pytest.mark.parametrize(("store", "known"), [
    ("m.dilation, m.padding, m.stride = (2, 2), (2, 2), (1, 1)", True),
    ("m.dilation, (m.padding, m.stride) = (2, 2), ((2, 2), (1, 1))", True),
    ("m.first, m.second = m, m", False),
    ("m.dilation, m.forward = (2, 2), print", False),
    ("for m.dilation in m.children():\n                    pass", False),
])  # fmt: skip
def test_numbers_of_parts_may_be_bound_together(store: str, known: bool) -> None:
    assert safe(DILATED.format(store=store)) is known


PASSED = """\
import torch
import torch.nn as nn


def hard_sigmoid(x, inplace: bool = False):
    return x.add(3) if inplace else x + 3


{more}


class Block(nn.Module):
    def __init__(self, i, o, act_layer=nn.ReLU, gate={gate}):
        super().__init__()
        self.conv = nn.Conv2d(i, o, 1)
        self.bn = nn.BatchNorm2d(o)
        self.act = act_layer(inplace=True)
        self.gate = gate

    def forward(self, x):
        x = self.bn(self.conv(x))
        {use}
        return x
"""
CALLED = "x = self.act(x)"
KEEPS = """\
class Keep(nn.Module):
    def __init__({}):
        super().__init__()

    def forward(self, x):
        self.kept = x
        return x
"""


@pytest.mark.parametrize(("more", "gate", "use", "known"), [
    ("", "hard_sigmoid", CALLED, True),
    ("", "None", CALLED, True),
    ("def make(inplace=False):\n    return nn.Tanh()", "make", CALLED, False),
    ("class Gate(nn.Module):\n    def __init__(self, n, **kwargs):\n        super().__init__()", "Gate", CALLED, True),
    ("class Gate(nn.Module):\n    def __init__(self, **kwargs):\n        super().__init__()", "Gate", CALLED, False),
    ("", "None", "y = self.act(x)\n        x = x + y", False),
    (KEEPS.format("self, n"), "Keep", CALLED, True),
    (KEEPS.format("self, n=1"), "Keep", CALLED, False),
    ("", "None", "y = x\n        x = self.act(x)\n        x = x + y", False),
])  # fmt: skip
def test_a_class_that_is_passed_in_for_an_activation(more: str, gate: str, use: str, known: bool) -> None:
    assert safe(PASSED.format(more=more, gate=gate, use=use)) is known


DROPPED = """\
import torch
import torch.nn as nn
{top}


class Block(nn.Module):
    def __init__(self, n, drop_path={default}, act_layer=nn.ReLU, norm_layer=nn.BatchNorm2d):
        super().__init__()
        self.conv = nn.Conv2d(n, n, 1)
        self.bn = norm_layer(n)
        self.gate = {gate}
        self.drop_path = {kept}
        self.act = act_layer(inplace=True)

    def forward(self, x):
        shortcut = x
        x = self.bn(self.conv(x))
        if self.gate is not None:
            x = self.gate(x)
        if self.drop_path is not None:
            x = self.drop_path(x)
        x += shortcut
        return self.act(x)


class ResNet(nn.Module):
    def __init__(self, block, layers, n, **kwargs):
        super().__init__()
        self.layer = nn.Sequential(*[block(n, **kwargs) for _ in layers])

    def forward(self, x):
        x = self.layer(x)
        self.last = x
        return x


{bottom}


def resnet(**kwargs):
    return ResNet(Block, [1, 1], 8, **kwargs)
"""


def dropped(
    default: str = "None", gate: str = "nn.PReLU()", kept: str = "drop_path", top: str = "", bottom: str = ""
) -> bool:
    return safe(DROPPED.format(default=default, gate=gate, kept=kept, top=top, bottom=bottom))


@pytest.mark.parametrize("parts", [
    {},
    {"kept": "drop_path() if drop_path is not None else nn.Identity()"},
    {"top": "from lib import create_attn", "gate": "create_attn('se', n)"},
    {"top": "from lib import SEModule", "gate": "SEModule(n)"},
    {"top": "from lib import DropPath", "default": "0.0", "kept": "DropPath(drop_path) if drop_path > 0 else nn.Identity()"},
])  # fmt: skip
def test_what_drops_paths_or_scales_channels_keeps_nothing(parts: dict[str, str]) -> None:
    assert dropped(**parts)


def test_a_block_that_keeps_what_it_computes_is_no_way_to_drop_paths() -> None:
    block = "class KeepBlock(nn.Module):\n    def __init__(self, i, o):\n        super().__init__()\n\n"
    block += "    def forward(self, x):\n        self.x = x\n        return x * 2"
    build = "def build(n, block=KeepBlock, drop_path=None):\n    return ResNet(block, [1], n), Block(n, drop_path)"
    assert dropped(bottom=f"{block}\n\n\n{build}")
    assert not dropped(bottom=f"{block}\n\n\n{build}".replace("KeepBlock", "Keep"))


@pytest.mark.parametrize("parts", [
    {"top": "from lib import make", "gate": "make('se', n)"},
    {"top": "from lib import Recorder", "gate": "Recorder(n)"},
    {"bottom": "class Path(nn.Module):\n    def forward(self, x):\n        self.x = x\n        return x\n\n\n"
               "def build(n, kind=Path):\n    return Block(n, drop_path=kind())"},
    {"gate": "SEModule(n)",
     "bottom": "class SEModule(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n\n"
               "    def forward(self, x):\n        self.x = x\n        return x"},
])  # fmt: skip
def test_another_part_may_keep_what_it_is_given(parts: dict[str, str]) -> None:
    assert not dropped(**parts)


REFINED = """\
import torch.nn as nn


class Unit(nn.Module):
    def __init__(self, features, stages, act=nn.ReLU()):
        super().__init__()
        self.first = nn.Conv2d(features, features, 1)
        for i in range(stages):
            self.add_module("{{}}_{{}}_conv".format(i + 1, "b"), {layer})
        self.stages = stages
        self.act = act

    def forward(self, x):
        residual = x
        x = self.first(x)
        for i in range(self.stages):
            x = getattr(self, "{{}}_{{}}_conv".format(i + 1, "b"))(self.act(x))
        x += residual
        return x


def conv3x3(i, o, stride=1):
    return nn.Conv2d(i, o, 3, stride=stride, padding=1)
"""


@pytest.mark.parametrize("layer", ["nn.Conv2d(features, features, 3, padding=1)", "conv3x3(features, features)"])
def test_a_function_may_make_what_is_given_a_name(layer: str) -> None:
    assert safe(REFINED.format(layer=layer))
