"""`cumsum_` and `cumprod_`: an integer is cast back to what wraps around in place, so that the form is exact."""

from __future__ import annotations

import ast

import pytest
import torch
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
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        h = self.a(x)
        y = {made}
        y.{write}(0)
        return y * 2, h
"""


@pytest.mark.parametrize("write", ["cumsum_", "cumprod_"])
def test_the_result_is_cast_and_safe(write: str):
    part = Text(TEXT.format(made="torch.exp(h)", write=write))
    findings = rewrite.plan(part, detect.scan(part, ast.parse(part.text)))

    assert f"        y = y.{write[:-1]}(0).to(y.dtype)\n" in fixed(part.text, findings)
    assert [one.outcome.safe for one in findings if isinstance(one.outcome, Fix)] == [True]


@pytest.mark.parametrize("write", ["eq_", "gt_"])
def test_a_comparison_is_cast_and_left_to_a_run(write: str):
    part = Text(TEXT.format(made="torch.exp(h)", write=write))
    findings = rewrite.plan(part, detect.scan(part, ast.parse(part.text)))

    assert not [one for one in findings if isinstance(one.outcome, Fix) and one.outcome.safe]


@pytest.mark.parametrize("write", ["cumsum_", "cumprod_"])
@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.float16,
                                   torch.bfloat16, torch.float32, torch.float64, torch.complex64])  # fmt: skip
def test_the_cast_gives_what_the_write_gives(write: str, dtype: torch.dtype):
    """Bit by bit, for integers beyond their largest number too."""
    x = (torch.arange(60).reshape(20, 3) % 7 + 1).to(dtype)
    x = x / 3 if dtype.is_floating_point or dtype.is_complex else x
    wrote = getattr(x.clone(), write)(0)

    assert torch.equal(getattr(x, write[:-1])(0).to(x.dtype), wrote)


def test_what_may_be_an_integer_is_cast():
    part = Text("import torch\n\n\ndef f(x):\n    y = x.view(-1).clone()\n    y.cumsum_(0)\n    return y\n")
    findings = rewrite.plan(part, detect.scan(part, ast.parse(part.text)))

    assert "    y = y.cumsum(0).to(y.dtype)\n" in fixed(part.text, findings)
