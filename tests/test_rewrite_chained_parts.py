"""Chains of calls on a part of a tensor: one clone before them, if no link keeps what the next one overwrites."""

from __future__ import annotations

import ast

import pytest
import torch
from rewriting import findings, fixed

from fixinplace.model import Refused
from fixinplace.rewrite.forms.clone_first import _KEEP_NO_RESULT

PROGRAM = """import torch


def warp(x: torch.Tensor, w: torch.Tensor):
    grid = x.exp()
    seen = grid * grid
    {chain}
    return seen.sum() + (grid * w).sum()
"""
ARGUMENTS = {
    "masked_fill_": "w > 1, w", "lerp_": "w, 0.3", "addcmul_": "w, w", "addcdiv_": "w, w", "clamp_": "0.9, 1.5",
    "clip_": "0.9, 1.5", "clamp_min_": "1.2", "clamp_max_": "1.2",
} | dict.fromkeys(("add_", "sub_", "mul_", "div_", "subtract_", "multiply_", "divide_", "true_divide_", "fill_",
                   "copy_"), "w")  # fmt: skip


def gradients(text: str) -> list[torch.Tensor]:
    space: dict[str, object] = {}
    exec(compile(text, "m.py", "exec"), space)
    x = torch.tensor([[0.3, 0.1], [-0.2, 0.7]], dtype=torch.double, requires_grad=True)
    w = torch.tensor(1.7, dtype=torch.double, requires_grad=True)
    loss = space["warp"](x, w)  # type: ignore[operator]
    loss.backward()
    return [loss.detach(), x.grad, w.grad]  # type: ignore[list-item]


@pytest.mark.parametrize("op", sorted(_KEEP_NO_RESULT))
def test_no_link_keeps_what_the_next_one_overwrites(op: str) -> None:
    text = PROGRAM.format(chain=f"grid[:, 0].{op}({ARGUMENTS.get(op, '')}).mul_(w)")

    changed = fixed(text, findings(text))

    assert "    grid = grid.clone()\n    grid[:, 0]." in changed
    out_of_place = text.replace("grid[:, 0]", "part").replace("_(", "(").replace("part.", "part = part.")
    if op in ("fill_", "zero_", "copy_"):
        new = "part * 0" if op == "zero_" else "part * 0 + w"
        out_of_place = PROGRAM.format(chain=f"part = ({new}) * w")
    reference = out_of_place.replace("    part = ", "    part = grid[:, 0]\n    part = ", 1).replace(
        "    return", "    grid = torch.stack([part, grid[:, 1]], 1)\n    return"
    )
    for new, old in zip(gradients(changed), gradients(reference), strict=True):
        torch.testing.assert_close(new, old)


@pytest.mark.parametrize("chain", ["grid[:, 0].sigmoid_().mul_(w)", "grid[:, 0].sub_(1).exp_().mul_(w)",
                                   "grid[:, 0].clone().mul_(w).sub_(1)", "grid[[0, 1]].mul_(w).sub_(1)",
                                   "grid[:, 0].mul_(grid[:, 1]).sub_(1)"])  # fmt: skip
def test_left_as_it_is(chain: str) -> None:
    text = PROGRAM.format(chain=chain)

    found = findings(text)

    assert ast.dump(ast.parse(fixed(text, found))) == ast.dump(ast.parse(text))
    assert all(isinstance(one.outcome, Refused) for one in found)
