"""Helpers that write an argument and return nothing: they return it, on every way out."""

from __future__ import annotations

import ast

import pytest
from alias_fixing import judge

PROGRAM = """import torch

KEPT = []


{helper}


def f(a: torch.Tensor, b: torch.Tensor, flag: int):
    h = torch.sigmoid(a)
    s = h * h
    {call}
    return h, s


if __name__ == "__main__":
    print(f(torch.ones(3, 4), torch.ones(3, 4), 1))
"""
EARLY = "def scale_(h, k){told}:\n    if k == 1:\n        return{nothing}\n    h *= k\n"
RETURNING = {
    "an early way out": (EARLY.format(told="", nothing=""), ["return h", "return h"]),
    "an early way out that says None": (EARLY.format(told="", nothing=" None"), ["return h", "return h"]),
    "at its end": ("def scale_(h, k):\n    h *= k\n    return None", ["return h"]),
    "in a branch at its end": (
        "def scale_(h, k):\n    if k > 1:\n        h *= k\n        return\n    else:\n        h += k",
        ["return h", "return h"],
    ),
    "in a loop": (
        "def scale_(h, k):\n    for n in range(3):\n        if n > k:\n            return\n    h *= k",
        ["return h", "return h"],
    ),
}


def program(helper: str, call: str = "scale_(h, flag + 1)") -> str:
    return PROGRAM.format(helper=helper.rstrip("\n"), call=call)


@pytest.mark.parametrize(("helper", "ends"), RETURNING.values(), ids=RETURNING.keys())
def test_every_way_out_returns_the_argument(helper: str, ends: list[str]) -> None:
    found = judge(program(helper))

    first = ast.parse(found.fixed).body[2]
    assert [ast.unparse(one) for one in ast.walk(first) if isinstance(one, ast.Return)] == ends
    assert "    h = scale_(h, flag + 1)\n" in found.fixed
    assert found.ran and found.wrong is None


@pytest.mark.parametrize(
    ("told", "then"),
    [
        ("def scale_(h: torch.Tensor, k: int) -> None:", "def scale_(h: torch.Tensor, k: int) -> torch.Tensor:"),
        ("def scale_(h: 'torch.Tensor', k) -> None :", "def scale_(h: 'torch.Tensor', k) -> 'torch.Tensor' :"),
        ("def scale_(h, k) -> None:", "def scale_(h, k):"),
        ("def scale_(h: torch.Tensor, k) -> 'None':", "def scale_(h: torch.Tensor, k) -> 'None':"),
        ("def scale_(\n    h,\n    k,\n) -> None:", "def scale_(\n    h,\n    k,\n):"),
        ("def scale_(h, k):", "def scale_(h, k):"),
    ],
)
def test_it_says_no_longer_that_it_returns_nothing(told: str, then: str) -> None:
    found = judge(program(f"{told}\n    h *= k"))

    assert f"{then}\n    h = h * k\n    return h\n" in found.fixed
    assert found.ran and found.wrong is None


@pytest.mark.parametrize("call", ["s = s if scale_(h, 2) else h", "print(scale_(h, 2))", "s = [scale_(h, 2), s][1]"])
def test_whoever_uses_the_none_keeps_it(call: str) -> None:
    text = program("def scale_(h, k):\n    if k == 1:\n        return\n    h *= k", call)

    assert judge(text).fixed == text


def test_what_a_finally_writes_is_not_returned_before() -> None:
    helper = "def scale_(h, k):\n    try:\n        if k > 1:\n            return\n    finally:\n        h += k"

    assert judge(program(helper)).fixed == program(helper)
