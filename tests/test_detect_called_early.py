"""Functions that are called above the line, or inside the function, that says what they do, with their own result."""

from __future__ import annotations

import pytest
import torch
from rewriting import findings, fixed

from fixinplace.model import Fix

STEP = """def {name}(t):
    v = t.sin() + t
    v[..., 0] = t[..., 1]
    return v
"""
USE = "y = {name}(x * 2)\n    y.div_(2)\n    return {name}(y) * y\n"
RUN = "\n\ndef main():\n    x = torch.rand(2, 3, requires_grad=True)\n    return forward(x), x\n"
HEAD = "import torch\n\n\n"


def below() -> str:
    return HEAD + "def forward(x):\n    " + USE.format(name="step") + "\n\n" + STEP.format(name="step") + RUN


def inside() -> str:
    inner = "".join(f"    {line}\n" for line in STEP.format(name="step").splitlines())
    return HEAD + f"def forward(x):\n{inner}\n    " + USE.format(name="step") + RUN


def in_rounds() -> str:
    loop = "y = x * 2\n    for _ in range(3):\n        y = step(y)\n    return y * x\n"
    return HEAD + "def forward(x):\n    " + loop + "\n\n" + STEP.format(name="step") + RUN


def forward_and_gradient(text: str) -> tuple[torch.Tensor, torch.Tensor]:
    space: dict[str, object] = {}
    exec(compile(text, "m.py", "exec"), space)
    torch.manual_seed(1)
    result, x = space["main"]()  # type: ignore[operator]
    result.square().sum().backward()
    return result.detach(), x.grad


@pytest.mark.parametrize("text", [below(), inside(), in_rounds()], ids=["below", "inside", "in rounds"])
def test_a_step_of_its_own_result_is_given_a_tensor(text: str):
    planned = findings(text, run=False)
    assert {f.outcome.safe for f in planned if isinstance(f.outcome, Fix)} == {True}
    new = fixed(text, planned)
    assert new.count("v = v.clone()") == 1
    for ours, theirs in zip(forward_and_gradient(new), forward_and_gradient(text), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize(
    "given",
    ["y = step([x])\n    return step(y) * x\n", "y = step(numpy.ones(3))\n    return step(y)\n", "return step(step)\n"],
)
def test_what_starts_with_something_else_is_not_known(given: str):
    text = (
        HEAD + "import numpy\n\n\ndef forward(x):\n    " + given + "\n\ndef step(t):\n    t *= 2\n    return t\n" + RUN
    )
    assert not any(f.outcome.safe for f in findings(text, run=False) if isinstance(f.outcome, Fix))
