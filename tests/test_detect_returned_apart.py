"""Several values that a function of the file returns: which of them are tensors of their own."""

from __future__ import annotations

import pytest
import torch
from rewriting import cloned, findings, fixed, fixes

USE = """

def use(x: torch.Tensor):
    a, b = made(x)
    a *= 2
    b += 1
    return a, b
"""
APART = {
    "two results": "def made(x: torch.Tensor):\n    return x.exp(), x.sin()\n",
    "by names": "def made(x: torch.Tensor):\n    a = x.exp()\n    b = a.sin()\n    return a, b\n",
    "in a list": "def made(x: torch.Tensor):\n    return [x.exp(), x.sin()]\n",
    "by way of another": "def both(x: torch.Tensor):\n    return x.exp(), x.sin()\n\n\ndef made(x: torch.Tensor):\n    return both(x)\n",
    "either way": "def made(x: torch.Tensor):\n    if len(x) > 2:\n        return x.exp(), x.sin()\n    return x.cos(), x.tan()\n",
}
SHARED = {
    "one twice": "def made(x: torch.Tensor):\n    a = x.exp()\n    return a, a\n",
    "a view": "def made(x: torch.Tensor):\n    a = x.exp()\n    return a, a.view(-1)\n",
    "crosswise": "def made(x: torch.Tensor):\n    a, b = x.exp(), x.sin()\n    if len(x) > 2:\n        b = a\n    return a, b\n",
    "perhaps one": "def made(x: torch.Tensor):\n    a = x.exp()\n    return a, a.contiguous()\n",
    "from a list": "def made(x: torch.Tensor):\n    c = [x.exp()]\n    return c[0], c[-1]\n",
}


def results(text: str) -> list[torch.Tensor]:
    space: dict[str, object] = {}
    exec(compile(text, "m.py", "exec"), space)
    x = torch.linspace(0.1, 1.2, 3, dtype=torch.double, requires_grad=True)
    a, b = space["use"](x)  # type: ignore[operator]
    (a.sum() + 3 * b.sum()).backward()
    return [a.detach(), b.detach(), x.grad]  # type: ignore[list-item]


@pytest.mark.parametrize("name", APART)
def test_each_has_its_own(name: str) -> None:
    text = f"import torch\n\n\n{APART[name]}{USE}"

    changed = fixed(text, findings(text))

    assert "    a = a * 2\n    b = b + 1\n" in changed
    assert all(one.safe for one in fixes(text))
    with cloned():
        reference = results(text)
    for new, old in zip(results(changed), reference, strict=True):
        assert torch.equal(new, old)


@pytest.mark.parametrize("name", SHARED)
def test_one_may_see_the_other(name: str) -> None:
    text = f"import torch\n\n\n{SHARED[name]}{USE}".replace("x.exp()", "(x + 3)").replace("x.sin()", "(x + 5)")

    changed = fixed(text, findings(text))

    assert "    a = a * 2\n    b = b + 1\n" not in changed
    for new, old in zip(results(changed), results(text), strict=True):
        assert torch.equal(new, old)
