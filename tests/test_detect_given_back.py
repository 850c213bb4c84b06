"""What an in-place call gives back: the tensor as the write has left it."""

from __future__ import annotations

import ast

import pytest
from rewriting import fixed

from fixinplace import detect, rewrite
from fixinplace.model import Fix
from fixinplace.source import Text

TEXT = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3)

    def forward(self, x):
        h = self.a(x)
        b = torch.zeros(2, 3)
        c = torch.full((2, 3), 2.0)
        n = torch.ones(3, dtype=torch.long)
        {line}
        return b * h, c, n
"""
WRITTEN = {
    "b.add_(h).sub_(c)": "b = b.add(h).sub(c)",
    "b.add_(c).sub_(h)": None,
    "b.add_(h).mul_(2).exp_()": "b = b.add(h).mul(2).exp()",
    "b = torch.relu_(b.add_(h))": "b = torch.relu(b.add(h))",
    "torch.relu_(b.add_(h)).mul_(c)": None,
    "b.add_(c).sub_(2)": None,
    "n.add_(1).mul_(2)": None,
    "with torch.no_grad(): b.add_(h).sub_(c)": None,
    "b.add_(h.detach()).sub_(c)": None,
}


@pytest.mark.parametrize("line", WRITTEN)
def test_a_second_write_of_a_chain_is_one_to_what_the_first_has_made(line: str):
    part = Text(TEXT.format(line=line))
    findings = rewrite.plan(part, detect.scan(part, ast.parse(part.text)))
    text, new = fixed(part.text, findings), WRITTEN[line]

    assert text == (part.text if new is None else part.text.replace(line, new))
    assert all(one.outcome.safe for one in findings if isinstance(one.outcome, Fix))
