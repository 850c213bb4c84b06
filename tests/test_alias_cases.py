"""Programs that a fix once got wrong, found by `test_alias_meaning.py` and shrunk."""

from __future__ import annotations

import textwrap

import pytest
from alias_templates import HEAD
from test_alias_meaning import check

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
CASES = {
    "source of a scatter that is its target": "w = x.index_fill_(0, torch.tensor([0]), 0.5)\n"
    "z = [w.masked_scatter_(w > 0.8, w), y][0]\nreturn x, y, z, w",
    "name that the value binds on the way": "z = u = x.add_(y).mul_((x := y * 2))\nu.t_()\nreturn x, y, z, u",
    "part written inside a chain": "v = y.sum() + y.relu_()\nw = w = v.add_(0.5).mul_(y[0].relu_())\nreturn x, y, v",
    "chain that reads a second name that is bound behind it": "v = x\nw = v\nx.add_(y.sum()).mul_(v + v.mean())\n"
    "x.unsqueeze_(0)\nreturn x, y, v, w",
    "put back later, over a clone of the base": "u = torch.t(x)\nv = u\nv -= torch.transpose(y, 0, 1) * 2; "
    "v[:1].copy_(0.5)\nz = v.add_(y.sum())\nreturn x, y, z, u, v",
    "shape changed through a name without a link": "u = y\nw = y\nw = w.t_()\ny = torch.t(y)\nw.unsqueeze_(0)\n"
    "y *= y.sum()\nreturn x, y, u",
    "real of a real tensor": "z = torch.real(x)\nx.unsqueeze_(0)\nreturn x, z",
    "product with a number in a loop": "for i in range(1, 3):\n    y[i] = y[i - 1] * 0.5\ny[y > 0.8] -= 2\nreturn x, y",
    "store behind a loop": "for i in range(len(y)):\n    y[i] = x[0].sum()\ny[..., 1:] = y[0].sum()\nreturn x, y",
    "name linked to itself": "v = y if flag else x\nx = x.mul_(2)\nv = x\nv += 1\nreturn x, v",
    "operand that overlaps the target": "u = x.narrow(1, 1, 2).T\nv = u.diagonal(0, 1, 0)\nw = u.transpose(0, 1)\n"
    "w *= v\nreturn x, u, v",
    "rows of a tensor with a second name": "u = y\nfor row in y:\n    row.mul_(2)\nreturn y, u",
    "rows of a view": "u = x[0, 1:]\nv = u.t()\nfor row in v:\n    row.mul_(2)\nreturn x, y",
    "second name for the value of the call": "w = y.narrow(1, 1, 2)\nu = w.relu_()\n"
    "u = v = u.t()[0, 1:].add_(w[0].mean())\nreturn x, y, u, v",
    "value bound to the root": "u = y[-2:]\nv = u.t()\nw = y[0]\ny = w.neg_().abs_()\nreturn y, u, v, w",
    "value bound to a piece's base": "u = y.narrow(1, 1, 2)\nu.t_()\ny, x = u.split(2, 1)\nu = w = y.zero_()\n"
    "return x, y, u, w",
    "dead name of the old tensor as a root": "u = x\nv = x.t()\nw, x = u, x.transpose(0, 1)\nw += y\nv[-2:].zero_()\n"
    "return x, y, v, w",
    "dead root behind a view": "v = x[1:]\nw = v[0]\nv *= w.sum()\nu = v[1]\nu += 1\nreturn u, v, w",
    "chain that reads a view between": "u = y.mT[0]\nz = y.add_(0.5).mul_(u[0] * 2) * (y + 1).mean()\nreturn y, z, u",
    "call in an expression that reads a view of the clone": "u = y.narrow(1, 1, 2)\nv = u.t()\n"
    "u = y.diagonal().mul_((v * v).sum())\nreturn y, u, v",
    "alias of a clone": "v = y\nv[0, 1:] = 0.5\ny = y[..., 1:]\nreturn y, v",
    "alias of a clone that is written through a view": "v = x\ny = w = x.t().t().zero_()\nv *= 2\nreturn x, y, v, w",
    "function that writes a view of a clone": "u = x.t()[0]\nx = 0.5 + F.relu(u, inplace=True)\nreturn x, y",
    "other piece in a container": "v, u, w = y\nw = [v, x]\nu[u > 0.8] = 0.25\nfor row in y:\n"
    "    row.mul_(2)\nreturn u, w",
    "value bound to a name that shares the root": "u = y\nw = y.movedim(0, 1)[..., 0]\nz = w.exp_()\nz *= 2\n"
    "return y, u, z",
    "pieces written apart, then one with an overlap": "v = x[0]\nu = x[1]\nw = x[1:]\nv += 1\nu += 1\nv *= 2\n"
    "return u, v, w",
    "shape of one of two equal views": "v = y.transpose(0, 1)\nx = y.transpose(0, 1)\nx.unsqueeze_(0)\nreturn x, y, v",
    "two equal views, one of which gets another shape": "v = y.transpose(0, 1)\nx = y.transpose(0, 1)\nx += 1\n"
    "x.unsqueeze_(0)\nreturn x, y, v",
    "value of a flag among pieces": "w, v, u = y\nu = w = F.relu(u, inplace=True)\nv -= x.sum()\nreturn x, y, u, v, w",
    "function of a clone's second name": "z = torch.real(x)\ntorch.relu_(z)\nreturn x, z",
    "chain of two writes": "u = y.view((4, 3))\nv = y.transpose(0, 1)\nu.add_(x[:, 1].mean()).mul_(u.mean())\n"
    "return x, y, u, v",
    "operator and call": "y, u = torch.split(x, 2)\ny += y.sigmoid_()\nreturn x, y, u",
    "doubt that another fix takes away": "u = y.unsqueeze(-1)\nx = u.exp_()\nx -= u; x.add_(u)\nreturn a",
}


@pytest.mark.parametrize("body", CASES.values(), ids=CASES.keys())
def test_case(body: str):
    start = "x = a.exp()\ny = torch.sigmoid(b)\n"
    check(f"{HEAD}\n\ndef f(a: torch.Tensor, b: torch.Tensor, flag: int):\n{textwrap.indent(start + body, '    ')}\n")
