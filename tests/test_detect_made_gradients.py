"""What `torch.autograd.grad` gives: new tensors, unless somebody hands them in."""

from __future__ import annotations

import pytest
from rewriting import findings, fixed

from fixinplace.model import Fix

TEXT = """\
import torch


def penalty(x, v):
    x = torch.sin(x)
    y = (x**2).exp().sum()
    {line}
    n = g.pow(2)
    {write}
    return n.sum() + g.sum()
"""
NEW = ("(g,) = torch.autograd.grad(y, x, create_graph=True)", "g = torch.autograd.grad(y, [x], create_graph=True)[0]")
LEFT = {
    "handed in": "(g,) = torch.autograd.grad(y, x, v, create_graph=True)",
    "handed in by keyword": "(g,) = torch.autograd.grad(y, x, grad_outputs=v, create_graph=True)",
    "one of two": "g, h = torch.autograd.grad(y, [x, v], create_graph=True)\n    y = y + h.sum()",
}


@pytest.mark.parametrize("line", NEW)
def test_a_gradient_is_new(line: str):
    text = TEXT.format(line=line, write="g.mul_(0.5)")
    planned = findings(text)

    assert fixed(text, planned) == TEXT.format(line=line, write="g = g.mul(0.5)")
    assert all(isinstance(one.outcome, Fix) and one.outcome.safe for one in planned)
    assert any("gradients that nobody else holds" in why for one in planned for why in one.outcome.assumes)


@pytest.mark.parametrize("line", LEFT.values(), ids=LEFT.keys())
def test_what_was_handed_in_may_come_back(line: str):
    text = TEXT.format(line=line, write="g.mul_(0.5)").replace(
        "return n.sum()", "return v, n.sum() + h" if "h =" in line else "return v, n.sum()"
    )
    planned = findings(text)

    assert not any(isinstance(one.outcome, Fix) and one.outcome.safe for one in planned)


@pytest.mark.parametrize(
    "more",
    [
        "\n\ndef hook(t):\n    t.register_hook(lambda g: KEPT)\n    return penalty(t, t)\n",
        "\n\nclass Own(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return x * 2\n",
    ],
)
def test_hooks_and_custom_functions_give_what_they_like(more: str):
    text = TEXT.format(line=NEW[0], write="g.mul_(0.5)") + more

    assert not any(isinstance(one.outcome, Fix) and one.outcome.safe for one in findings(text))


def test_a_gradient_that_is_one_element_may_be_written_by_a_mask():
    planned = findings(TEXT.format(line=NEW[0], write="g.masked_fill_(x > 0, 0.0)"))

    assert not any(isinstance(one.outcome, Fix) and one.outcome.safe for one in planned)
