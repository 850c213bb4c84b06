"""Parameters that are tensors, or the function raises: what is computed from them is no guess."""

from __future__ import annotations

import ast

import numpy
import pytest
import torch
from rewriting import fixes

from fixinplace.detect import proofs

PROVED = {
    "its size": "n = x.size(0)",
    "in a test": "if x.dim() == 4:\n        pass",
    "in a row": "y = x * 2\n    n = y.unsqueeze(0)\n    m = x.unsqueeze(0)",
    "a function of torch": "y = torch.exp(x)",
    "a view": "y = x.view(x.size(0), -1)",
    "a view of one length": "y = x.view(-1)",
    "before it is bound again": "x = x.permute(1, 0)",
    "in what a loop goes over": "for i in range(x.size(0)):\n        pass",
    "first of a condition": "if x.dim() > 1 and n:\n        pass",
    "in an assertion": "assert x.dim() == 2",
    "in the result": "return x.unsqueeze(0)",
}
NOT_PROVED = {
    "in a branch": "if n:\n        m = x.size(0)",
    "behind a way out": "if n:\n        return x\n    m = x.size(0)",
    "under another meaning": "x = make(x)\n    m = x.size(0)",
    "bound by a loop": "for x in n:\n        pass\n    m = x.size(0)",
    "in a function within": "f = lambda: x.size(0)",
    "in a comprehension": "m = [x.size(0) for _ in n]",
    "second of a condition": "if n and x.dim() > 1:\n        pass",
    "in one of two": "m = x.size(0) if n else 1",
    "a size of an array": "m = x.size",
    "a view of an array": "m = x.view(n)",
    "a method that arrays have": "m = x.reshape(-1).mean()",
    "a function of numpy": "m = numpy.exp(x)",
    "where errors end": "try:\n        m = x.size(0)\n    except AttributeError:\n        m = 1",
    "a generator": "yield 1\n    m = x.size(0)",
}


def proved(body: str) -> bool:
    (function,) = ast.parse(f"def f(x, n):\n    {body}\n").body
    assert isinstance(function, ast.FunctionDef)
    return "x" in proofs.proved_tensors(function)


@pytest.mark.parametrize("body", PROVED.values(), ids=PROVED.keys())
def test_a_parameter_is_a_tensor_or_the_function_raises(body: str) -> None:
    assert proved(body)


@pytest.mark.parametrize("body", NOT_PROVED.values(), ids=NOT_PROVED.keys())
def test_what_may_be_something_else_is_not_proved(body: str) -> None:
    assert not proved(body)


@pytest.mark.parametrize("method", sorted(proofs._METHODS | {"view"}))
def test_only_tensors_have_these_methods(method: str) -> None:
    assert callable(getattr(torch.ones(2), method))
    for other in (numpy.ones(2), 1.5, [1], torch.nn.Linear(1, 1), "text", torch.Size([1])):
        found = getattr(other, method, None)
        assert (
            not callable(found) or (method == "view" and isinstance(other, numpy.ndarray)) or method == "requires_grad_"
        )
    if method == "view":
        with pytest.raises(TypeError):
            numpy.ones(2).view(-1)


@pytest.mark.parametrize("function", sorted(proofs._FUNCTIONS))
@pytest.mark.parametrize("other", (numpy.ones(2), 1.5, torch.nn.Linear(1, 1)), ids=("array", "number", "module"))
def test_these_functions_take_tensors_alone(function: str, other: object) -> None:
    with pytest.raises((TypeError, AttributeError)):
        getattr(torch, function)(
            other, *([1] if function in ("chunk", "split", "squeeze", "unsqueeze", "softmax") else [])
        )


HELPER = """
import torch
import torch.nn as nn


class Center(nn.Module):
    def forward(self, x):
        {body}
        return (x - 1) / 2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(Center(), Center())

    def forward(self, x):
        y = self.body(x)
        y += x
        return y
"""


def test_what_is_computed_from_it_is_a_tensor() -> None:
    (fix,) = fixes(HELPER.format(body="n = x.size(0)"))
    assert fix.safe, fix.doubts
    (fix,) = fixes(HELPER.format(body="n = x.size"))
    assert not fix.safe
