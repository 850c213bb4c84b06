"""Facts that contradict each other from round to round, and what a function hands on that may be another's."""

from __future__ import annotations

import ast

import pytest
from rewriting import fixes

from fixinplace import source
from fixinplace.detect.reader import read

METER = """\
import torch
import torch.nn as nn
import torch.nn.functional as F


def clip_gradient(optimizer, grad_clip):
    for group in optimizer.param_groups:
        for param in group["params"]:
            if param.grad is not None:
                param.grad.data.clamp_(-grad_clip, grad_clip)


class AvgMeter(object):
    def __init__(self):
        self.sum = 0

    def update(self, val, n=1):
        self.sum += val * n


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = nn.Conv2d(n, n, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.conv(x) + x)


def train(loader, model, optimizer, opt):
    meter = AvgMeter()
    for images, labels in loader:
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        clip_gradient(optimizer, opt.clip)
        optimizer.step()
        meter.update(loss.data, opt.batchsize)
    print(meter.sum)
"""
CROSSED = """\
import torch.nn as nn


def make_net(in_channels, conf):
    def make_layer(layer_cfg):
        if isinstance(layer_cfg[0], str):
            return [Concat([make_net(in_channels, x) for x in layer_cfg[1]])]
        return [nn.Conv2d(in_channels, layer_cfg[0], layer_cfg[1]), nn.ReLU(inplace=True)]

    net = sum([make_layer(x) for x in conf], [])
    return nn.Sequential(*net)


class Concat(nn.Module):
    def __init__(self, nets):
        super().__init__()
        self.nets = nn.ModuleList(nets)
"""


@pytest.mark.parametrize("text", [METER, CROSSED])
def test_rounds_come_to_an_end(text: str) -> None:
    part = source.Text(text)
    program = read(part, ast.parse(text))
    assert program.is_settled()


def test_a_sum_that_was_a_number_makes_no_guess_of_the_rest() -> None:
    flags = [fix for fix in fixes(METER) if "nn.ReLU" in fix.title]
    assert flags and all(fix.safe for fix in flags)


HANDED = """\
class Hand(nn.Module):
    def forward(self, x):
        return x


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.parts = nn.ModuleList([{part}])
        self.parts.append(nn.Linear(n, n))
        self.hand = Hand()

    def forward(self, x):
        y = torch.tanh(x)
        x = torch.exp(x)
        for i in range(1, len(self.parts)):
            x = self.parts[i](y)
        x = {call}
        x += 1
        return x + y
"""


@pytest.mark.parametrize("call", ["self.hand(x)", "self.parts[0](x)", "x", "self.hand(self.hand(x))"])
def test_a_function_hands_on_what_may_be_somebody_elses(call: str) -> None:
    assert all(fix.doubts for fix in fixes(HANDED.format(part="Hand()", call=call)))
    found = fixes(HANDED.format(part="nn.Linear(n, n)", call=call))
    assert found and not any(fix.doubts for fix in found)
