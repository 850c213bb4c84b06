"""Writes whose new value nobody here would read: they are meant for others, and a rewrite would only lose them."""

from __future__ import annotations

import pytest
from rewriting import findings

from fixinplace.model import Fix, Refused

HEAD = """\
import torch


class Average:
    def __init__(self, model, copy, n):
        self.parameters = list(model.state_dict().values())
        self.copies = list(copy.state_dict().values())
        self.n = n

    def step(self, x, model, others):
"""


def planned(body: str) -> list[Fix | Refused]:
    lines = "".join(f"        {line}\n" for line in body.split("\n"))
    return [one.outcome for one in findings(HEAD + lines)]


@pytest.mark.parametrize("body", [
    "for p, c in zip(self.parameters, self.copies):\n    c.mul_(0.9)\n    c.add_(p * 0.1)",
    "for p, c in zip(self.parameters, self.copies):\n    if c.dtype == torch.float32:\n        c.mul_(0.9)",
    "for p in self.parameters:\n    p.mul_(0.9)",
    "for i, p in enumerate(others):\n    p.mul_(0.9).add_(i)",
    "for p in self.parameters:\n    p.data.mul_(0.9)\n    p.clamp_(0, 1)",
    "for p in self.parameters:\n    if self.n > 3:\n        p.mul_(0.9)\n    else:\n        p.add_(1)",
    "p = model.weights()\np.mul_(0.9)",
    "x.mul_(2)\nx.add_(1)",
    "x.mul_(2).add_(1)",
    "x.mul_(2)\nx.view(-1).add_(1)",
    "x.mul_(2)\nx[0].add_(1)\nx[1] = model.sum()\nx *= 3",
    "p = model.weights()\nfor _ in range(3):\n    p.mul_(0.9)",
    "p = x.contiguous()\np.mul_(0.9)",
    "x.mul_(2)\ny = x.sum()\nx.add_(1)\nreturn y",
    "x.mul_(2)\nx.T.add_(1)",
    "def show():\n    return x\nx.mul_(2)\nreturn show",
    "y = x.narrow(0, 0, 1)\nx[0] = torch.sin(y)\ny = x.narrow(0, 1, 1)\nx[1] = torch.sin(y)",
    "x.mul_(2)\nif self.n:\n    return x\nx.add_(1)",
])  # fmt: skip
def test_what_nobody_here_reads_is_meant_for_others(body: str) -> None:
    found = planned(body)
    assert found and all(isinstance(one, Refused) for one in found)


@pytest.mark.parametrize("body", [
    "x.mul_(2)\nx.add_(1)\nreturn x",
    "p = model.weights()\np.mul_(0.9)\nprint(p)",
    "for p in self.parameters:\n    p.mul_(0.9)\n    print(p.sum())",
    "for p in self.parameters:\n    p.mul_(0.9)\n    if p.sum() > 0:\n        break",
    "p = model.weights()\nwhile p.sum() > 1:\n    p.mul_(0.9)",
    "p = model(x).exp()\np.mul_(0.9)",
    "y = x.view(-1)\ny.mul_(2)\nreturn x",
    "x.mul_(2)\nfor _ in range(3):\n    print(x)\n    x.add_(1)",
    "x.mul_(2)\nx = x + 1\nx.mul_(3)\nreturn x",
    "x.mul_(2)\nif self.n:\n    x.add_(1)\nelse:\n    x.add_(2)\nreturn x",
    "x.mul_(2)\ntry:\n    x.add_(1)\nfinally:\n    print(x)",
    "p = model.weights()\ndef show():\n    return p\np.mul_(0.9)\nreturn show",
])  # fmt: skip
def test_what_is_read_is_offered(body: str) -> None:
    found = planned(body)
    assert found
    assert all(isinstance(one, Fix) for one in found)
