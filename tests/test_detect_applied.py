"""Custom functions: what `forward` computes is new, unless somebody may have it."""

from __future__ import annotations

import pytest
from rewriting import findings, fixed

from fixinplace.model import Fix

TEXT = """\
import torch


class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k):
        {body}

    @staticmethod
    def backward(ctx, g):
        return g, None


def f(x: torch.Tensor):
    h = torch.exp(x)
    y = Own.apply(h, 2)
    {line}
    return y, h
"""
NEW = {
    "computed": "ctx.save_for_backward(x)\n        return x ** k",
    "by a function of torch": "ctx.save_for_backward(x)\n        return torch.pow(x, k)",
    "saved itself": "y = x.exp()\n        ctx.save_for_backward(x, y)\n        return y",
    "a number is kept": "ctx.shape = x.shape\n        y = x * k\n        z = y.sum()\n        return y",
}
DOUBTED = {
    "kept by the context": "y = x.exp()\n        ctx.y = y\n        return y",
    "its argument is kept": "ctx.x = x\n        return x * k",
    "its argument": "return x",
    "a view of it": "return x.t()",
    "written": "y = x * k\n        y[0] = 1\n        return y",
    "its argument is written": "x.mul_(k)\n        ctx.mark_dirty(x)\n        return x",
    "its argument is written by a function": "torch.relu_(x)\n        return x * k",
    "another dtype": "return x.double() * k",
    "one of two": "return x if k else x * 2",
    "given away": "y = x * k\n        KEPT.append(y)\n        return y",
    "of another object": "ctx.save_for_backward(x)\n        return POOL.exp()",
    "by a function within": "y = x * k\n        def peek():\n            return y * 1\n        KEPT.append(peek)\n        return y",
    "bound twice": "y = x * k\n        if k > 1:\n            y = x\n        return y",
}


@pytest.mark.parametrize("body", NEW.values(), ids=NEW.keys())
@pytest.mark.parametrize("line", ["y.mul_(2)", "y += h"])
def test_what_is_computed_is_new(body: str, line: str):
    text = TEXT.format(body=body, line=line)
    planned = findings(text)

    assert all(isinstance(one.outcome, Fix) and one.outcome.safe for one in planned)
    assert fixed(text, planned) == TEXT.format(body=body, line="y = y.mul(2)" if "mul" in line else "y = y + h")


@pytest.mark.parametrize("body", DOUBTED.values(), ids=DOUBTED.keys())
def test_what_somebody_may_have_is_not(body: str):
    planned = findings(TEXT.format(body=body, line="y.mul_(2)"))
    (one,) = [each for each in planned if each.site.target == "y" and each.site.op == "Tensor.mul_"]

    assert not (isinstance(one.outcome, Fix) and one.outcome.safe)


def test_a_context_that_is_set_up_elsewhere_may_hold_the_result():
    text = TEXT.format(body="return x * k", line="y.mul_(2)").replace("(ctx, x, k)", "(x, k)")
    setup = "    @staticmethod\n    def setup_context(ctx, inputs, output):\n        ctx.out = output\n\n"
    text = text.replace("    @staticmethod\n    def backward", setup + "    @staticmethod\n    def backward")

    assert not any(isinstance(one.outcome, Fix) and one.outcome.safe for one in findings(text))


def test_a_method_of_the_file_is_not_torchs():
    text = (
        TEXT.format(body="return x.exp()", line="y.mul_(2)")
        + "\n\nclass Pool:\n    def exp(self):\n        return self.last\n"
    )

    assert not any(isinstance(one.outcome, Fix) and one.outcome.safe for one in findings(text))


@pytest.mark.parametrize(
    ("before", "after"),
    [("class Own(", "class Mine("), ("torch.autograd.Function", "Base"), ("def f(x: torch.Tensor)", "def f(x, Own)")],
)
def test_another_class_is_not_known(before: str, after: str):
    text = TEXT.format(body="return x * k", line="y.mul_(2)").replace(before, after)

    assert not any(isinstance(one.outcome, Fix) and one.outcome.safe for one in findings(text))
