"""Tensors that are shared before they are written: cloned before that, and right when run; or left alone."""

from __future__ import annotations

import pytest
from alias_fixing import fix, judge
from test_rewrite_listed import program

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
CLONED = {
    "put into a list": (
        "h = x.exp()\nkept = []\nkept.append(h)\nh += 1\nreturn sum(kept)",
        "h = h.clone()\nkept.append(h)",
    ),
    "put into a list in each round": (
        "kept = []\nh = x\nfor _ in 'ab':\n    h = torch.sigmoid(h)\n    kept.append(h)\n    h += y\nreturn sum(kept)",
        "h = torch.sigmoid(h)\nh = h.clone()\nkept.append(h)\nh += y",
    ),
    "put under a key": (
        "out = {}\nh = x.tanh()\nout['h'] = h\nh *= 2\nreturn out['h'] * y",
        "h = h.clone()\nout['h'] = h",
    ),
    "a view of it in a list": (
        "h = x.exp()\nkept = [h, h.view(-1)]\nrow = h[0]\nrow.mul_(2)\nreturn kept[0].sum() + kept[1].sum()",
        "h = h.clone()\nkept = [h, h.view(-1)]",
    ),
    "a view that a branch chooses": (
        "h = x.exp()\nif len(x) > 2:\n    row = h[0]\nelse:\n    row = h[1]\nrow.mul_(3)\nreturn h",
        "h = h.clone()\nif len(x) > 2:",
    ),
    "another name in a list": (
        "h = x.exp()\nz = h\nkept = [z, h.view(-1)]\nz += 1\nreturn kept[0] * 2, kept[1].sum()",
        "h = h.clone()\nz = h",
    ),
    "computed with before that": (
        "h = x * 2\nz = h * h\nkept = []\nkept.append(h)\nh += 1\nreturn sum(kept) * z",
        "z = h * h\nkept = []\nh = h.clone()\nkept.append(h)",
    ),
    "written twice": (
        "h = x.exp()\nkept = []\nkept.append(h)\nh += 1\nh[0] = 2\nreturn sum(kept)",
        "h = h.clone()\nkept.append(h)\nh += 1\nh[0] = 2",
    ),
    "written in a loop": (
        "h = x.exp()\nkept = []\nkept.append(h)\nfor i in range(3):\n    h[i] += i\nreturn sum(kept)",
        "h = h.clone()\nkept.append(h)\nfor i in range(3):",
    ),
    "views of it that a loop writes": (
        "h = x.exp()\nrows = []\nfor i in range(h.size(0)):\n    rows.append(h[i])\n"
        "for i, r in enumerate(rows):\n    r += i\nreturn torch.stack(rows), h",
        "rows = []\nh = h.clone()\nfor i in range(h.size(0)):",
    ),
    "two lists in step": (
        "h = x.exp()\nrows = [h[0], h[1]]\nfor r, s in zip(rows, y):\n    r *= s\nreturn rows[0] * 2, h",
        "h = h.clone()\nrows = [h[0], h[1]]",
    ),
    "taken out of a pair": (
        "h = x.exp()\npair = (h, [h.view(-1)])\nz, more = pair\nz += 1\nreturn pair[0], more[0]",
        "h = h.clone()\npair = (h, [h.view(-1)])",
    ),
    "left early": (
        "h = x.exp()\nkept = [h]\nfor i in range(3):\n    h[i].add_(y[i])\n    if h.detach().sum() > 99:\n"
        "        return h * h\nreturn kept[0] * h",
        "h = h.clone()\nkept = [h]\nfor i in range(3):",
    ),
    "two places": ("h = x * 2\nhs = [h, h]\nhs[0] += 1\nreturn hs[0] * hs[1]", "h = h.clone()\nhs = [h, h]"),
    "between other statements": (
        "h = x.exp()\nkept = []\nz = y.sum()\nkept.append(h)\nz = z + 1\nh += y\nreturn sum(kept) * z",
        "z = y.sum()\nh = h.clone()\nkept.append(h)\nz = z + 1\nh += y",
    ),
}  # fmt: skip
PUT = "kept.append(h)\nh += 1\nreturn sum(kept) * z"
LEFT = {
    "computed with in between": "h, kept = x.exp(), []\nkept.append(h)\nz = h * h\nh += 1\nreturn sum(kept) * z",
    "computed with, from the list": "h, kept = x.exp(), []\nkept.append(h)\nz = sum(kept)\nh += 1\nreturn kept[0] * z",
    "in another list before": f"h = x.exp()\nkept, more = [], []\nmore.append(h)\nz = h * h\n{PUT} * more[0]",
    "a view from before": f"h = x.exp()\nkept = []\nrow = h[0]\nz = h * row\n{PUT} * row",
    "not made here": "kept = []\nkept.append(a)\na += 1\nreturn sum(kept) * a",
    "perhaps not made here": "kept = []\nh = a.contiguous()\nkept.append(h)\nh += 1\nreturn sum(kept) * a",
    "bound again": "h = x.exp()\nkept = []\nkept.append(h)\nh = h[0]\nz = h * h\nh += 1\nreturn kept[0], z",
    "what is written reads it": "h = x.exp()\nkept = []\nkept.append(h)\nh *= h.sum()\nreturn sum(kept)",
    "a loop over the tensor": "h = x.exp()\nkept = [h]\nfor r in h:\n    r += 1\nreturn kept[0] * 2",
    "a loop that computes": "h = x.exp()\nkept = [h, h]\nfor r in kept:\n    z = r * r\n    r += 1\nreturn kept[0] * z",
    "a condition that computes": (
        "h, kept = x.exp(), []\nkept.append(h)\nif (h * h).sum() > y.sum():\n    h += 1\nreturn sum(kept) * h"
    ),
    "asked for by another name": (
        "s = []\nout = {'s': s}\nh = x.exp()\ns.append(h)\nz = out['s'][0] ** 2\nh += 1\nreturn z, s[0]"
    ),
    "asked for in the next round": (
        "s = [x]\nz = 0\nh = x.exp()\nfor i in range(2):\n    z = z + (s[-1] ** 2).sum()\n    s.append(h)\n    h += y\n"
        "return z, s[1]"
    ),
    "asked for by a function": (
        "h = x.exp()\nKEPT.append(h)\nz = sum(t * t for t in KEPT)\nh += y\nreturn z, KEPT.pop()"
    ),
    "asked for by a frame": (
        "h = x.exp()\nKEPT.append(__import__('sys')._getframe(0).f_locals['h'])\nkept = [h]\nkept.append(h)\nh += 1\n"
        "return kept, KEPT.pop()"
    ),
    "in an object that may compute": "box = Box()\nh = x.exp()\nbox['k'] = h\nz = [h]\nh += y\nreturn z[0] * 2",
    "within an expression": f"z = (h := x.exp())\nkept = []\n{PUT}",
    "kept by what made it": (
        "kept = []\ndef make(t):\n    t = t.exp()\n    kept.append(t)\n    return t\n"
        "h = make(x)\nmore = [h, h]\nh += 1\nreturn more[1], kept[0]"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "lines"), CLONED.values(), ids=CLONED.keys())
def test_it_is_cloned_before_it_is_shared(body: str, lines: str):
    judged = judge(program(body))

    assert "\n".join(line.strip() for line in lines.splitlines()) in "\n".join(
        line.strip() for line in judged.fixed.splitlines()
    )
    assert judged.fixed.count(".clone()") == program(body).count(".clone()") + 1
    assert judged.ran
    assert judged.wrong is None
    assert not fix(judged.fixed).changed


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT.keys())
def test_it_is_left_as_it_is(body: str):
    assert judge(program(body)).fixed == program(body)


MODULE = """\
import torch

KEPT = []
x = torch.ones(3, requires_grad=True)
h = torch.sigmoid(x)
{more}
z = [h]
h += 1
print(z)


def keep():
    KEPT.append({read})
"""


@pytest.mark.parametrize(("more", "read", "cured"), [("z = 1", "x", True), ("keep()", "h", False)])
def test_a_name_of_the_module_that_functions_read_may_be_shared_by_them(more: str, read: str, cured: bool):
    text = MODULE.format(more=more, read=read)
    assert ("h = h.clone()" in fix(text).text or "h = h + 1" in fix(text).text) is cured


def test_two_tensors_that_one_statement_shares_are_cloned_both():
    body = (
        "h, g = 0, 0\nh = x.exp()\ng = y.tanh()\nrows = {'h': h, 'g': g}\nh *= b\ng *= 2\nreturn rows['h'] * rows['g']"
    )
    judged = judge(program(body))

    assert judged.fixed.count("h = h.clone()") == judged.fixed.count("g = g.clone()") == 1
    assert judged.ran and judged.wrong is None
    assert not fix(judged.fixed).changed


OBJECT = """\
import torch
from torch import nn


class Memory(dict):
    def {method}(self, key, value):
        self.loss = value.square().mean()
        super().__setitem__(key, value)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.feats, self.memory = [], Memory()

    @property
    def penalty(self):
        return sum(one.square().sum() for one in self.feats)

    def forward(self, x: torch.Tensor, y: torch.Tensor):
        h = torch.sigmoid(x)
        {put}
        z = {between}
        h += y
        return h, z


def run(x: torch.Tensor):
    net = Net()
    return net(torch.exp(x), torch.ones(3)), net.feats, net.memory
"""


@pytest.mark.parametrize(("method", "put", "between", "cured"), [
    ("get_one", "self.feats.append(h)", "y * 2", True),
    ("get_one", "self.feats.append(h)", "self.penalty", False),
    ("get_one", "self.feats.append(h)", "self.feats[-1] ** 2", False),
    ("__setitem__", "self.memory['h'] = h", "y * 2", False),
])  # fmt: skip
def test_who_else_may_compute_with_it(method: str, put: str, between: str, cured: bool):
    text = OBJECT.format(method=method, put=put, between=between)
    assert ("h = h.clone()" in fix(text).text) is cured


MADE = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.kept = []

    def make(self, x):
        h = torch.exp(x)
        {keep}
        return h

    def forward(self, x: torch.Tensor, y: torch.Tensor):
        h = self.make(x)
        more = {{"h": h}}
        h += y
        return more, self.kept


def run(x: torch.Tensor):
    return Net()(torch.exp(x), torch.ones(3))
"""


@pytest.mark.parametrize(("keep", "cured"), [("pass", True), ("self.kept.append(h)", False)])
def test_who_had_it_when_it_was_made(keep: str, cured: bool):
    assert ("h = h.clone()" in fix(MADE.format(keep=keep)).text) is cured
