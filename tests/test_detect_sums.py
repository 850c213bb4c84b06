"""Sums that begin as the number 0, and what is added to them."""

from __future__ import annotations

import pytest
from rewriting import fixes

NET = """\
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self, n, crit):
        super().__init__()
        self.n = n
        self.crit = crit
        self.parts = nn.ModuleList([nn.Sequential(nn.Conv2d(n, n, 3), nn.BatchNorm2d(n)) for _ in range(2)])
        self.last = self.tap(self.parts[0])

    def tap(self, part):
        return part

    def fuse(self, branch):
        if branch is None:
            return 0, 0
        gamma = branch[1].weight
        return branch[0].weight * gamma.view(-1, 1, 1, 1), branch[1].bias - gamma

    def one(self, p, t):
        if t is None:
            return 0.0
        return F.l1_loss(p, t)

    def count(self, p):
        return len(p)

    def forward(self, x, xs, target):
{body}
"""


def net(body: str) -> str:
    return NET.format(body="\n".join(f"        {line}" for line in body.splitlines()))


SUMS = {
    "what a module of a list returns": net("out = 0\nfor part in self.parts:\n    out += part(x)\nreturn out"),
    "a tensor or a number of a pair": net("k = 0\nb = 0\nfor part in self.parts:\n    w, c = self.fuse(part)\n    k += w\n    b += c\nreturn k, b"),
    "a tensor or a number": net("loss = 0\nfor p in xs:\n    loss += self.one(p, target)\nreturn loss"),
    "and scaled then": net("loss = 0\nfor p in xs:\n    loss += self.one(p, target)\nloss /= len(xs)\nreturn loss"),
    "what compares two": net("loss = 0\nfor p in xs:\n    loss += self.crit(p, target)\nreturn loss"),
    "what goes by the name of a loss": net("loss = 0\nfor p in xs:\n    p, part_loss = self.crit(p)\n    loss += part_loss\nreturn loss"),
    "skips that are scaled": net("skips = 0\nfor part in self.parts:\n    x, h = part(x)\n    skips += h\nskips *= 0.5\nreturn skips"),
}  # fmt: skip
LEFT = {
    "what is given": net("out = 0\nfor p in xs:\n    out += p\nreturn out"),
    "what is given, and scaled": net("out = 0\nfor p in xs:\n    out += p\nout /= 3\nreturn out"),
    "a number of things": net("n = 0\nfor p in xs:\n    n += self.count(p)\nreturn n"),
    "nothing that was a number": net("out = xs\nfor part in self.parts:\n    out += part(x)\nreturn out"),
}


@pytest.mark.parametrize("text", SUMS.values(), ids=SUMS.keys())
def test_a_sum_that_begins_as_a_number_is_one_of_tensors(text: str) -> None:
    found = fixes(text)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_a_sum_of_what_is_not_known_is_left_to_a_run(text: str) -> None:
    assert not any(fix.safe for fix in fixes(text))


AUTOCAST = """\
import torch


def sequence_loss(preds, target, gamma):
    loss = 0.0
    for i in range(3):
        part = torch.abs(preds[i] - target)
        {add}
    return loss


def train(model, x, y):
    with torch.cuda.amp.autocast():
        return sequence_loss(model(x), y, 0.8)
"""


@pytest.mark.parametrize(("add", "safe"), [
    ("loss += gamma * part.mean()", [True]),
    ("loss += gamma * part.mean()\n        loss += part.sum()", [False, False]),
])  # fmt: skip
def test_terms_of_one_line_have_one_dtype_under_autocast_too(add: str, safe: list[bool]) -> None:
    assert [fix.safe for fix in fixes(AUTOCAST.format(add=add))] == safe


AUTOENCODER = """\
import torch
from torch import nn
from torch.autograd import Variable
from torch.nn import functional as F

{before}
class VAE(nn.Module):
    def reparameterize(self, mu, logvar):
        std = logvar.{first}(0.5).exp_()
        eps = Variable(std.data.new(std.size()).normal_())
        return eps.mul(std).add_(mu)


def {name}(recon_x, x, mu, {last}):
    kld = mu.pow(2).add_({last}.exp()).mul_(-1).add_(1)
    return F.mse_loss(recon_x, x) + torch.sum(kld).mul_(-0.5)
"""


def safe(before: str = "", first: str = "mul", name: str = "loss_function", last: str = "logvar") -> list[bool]:
    return [fix.safe for fix in fixes(AUTOENCODER.format(before=before, first=first, name=name, last=last))]


def test_what_a_loss_compares_is_computed() -> None:
    assert safe() == [True] * 6
    assert safe(name="distance") == [True] * 6
    assert safe(name="distance", last="target") == [True] * 2 + [False] * 4
    assert safe(last="target") == [True] * 6


def test_only_a_tensor_has_arithmetic_in_place() -> None:
    assert safe(first="scaled")[0] is False
    assert safe(before="class Table:\n    def exp_(self):\n        return self\n\n\n")[0] is False


@pytest.mark.parametrize(("line", "safe"), [("loss /= n", True), ("loss *= n", False), ("loss /= 3", True)])
def test_what_is_divided_in_place_holds_no_codes(line: str, safe: bool) -> None:
    body = "loss = F.l1_loss(x, target, reduction='sum')\nn = (target > 0).long().sum()\n" + line + "\nreturn loss"
    assert [fix.safe for fix in fixes(net(body))] == [safe]
