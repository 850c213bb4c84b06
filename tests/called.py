"""A function `f` of one tensor in a program that calls it, so that its argument is seen to require grad."""

from __future__ import annotations

import torch

CALL = "\n\nx = torch.rand(3, 3, requires_grad=True)\nprint(f(x).sum())\n"
"""A program that calls `f`: its argument is seen to require grad."""


def program(body: str) -> str:
    return "import torch\n\n\ndef f(x):\n" + "".join(f"    {line}\n" for line in body.splitlines()) + CALL


def run(text: str):
    space: dict = {}
    exec(compile(text.removesuffix(CALL), "<program>", "exec"), space)
    x = torch.linspace(0.5, 2.0, 9, dtype=torch.float64).reshape(3, 3).requires_grad_()
    value = space["f"](x)
    value.sum().backward()
    return value.detach(), x.grad
