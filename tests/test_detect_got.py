"""`getattr` of a tensor: a view under another spelling."""

from __future__ import annotations

import pytest
import torch
from rewriting import findings, fixed, fixes

PROGRAM = """import torch


def use(x: torch.Tensor, name: str = "T"):
    y = x + 1
    z = {got}
    {write}
    return z * 2
"""
SHARES = ('getattr(y, "T")', 'getattr(y, "mT")', 'getattr(y, "real")', 'getattr(y, "data")', "getattr(y, name)",
          'getattr(y, "T", None)', 'getattr(y, "t")()', 'getattr(y, "relu_")()', 'getattr(y, "view")(-1)')  # fmt: skip
COPIES = ('getattr(y, "ndim") * torch.ones(2)', 'getattr(y, "shape")[0] * torch.ones(2)',
          'torch.ones(2) * (getattr(y, "mask", None) is None)')  # fmt: skip


def result(text: str) -> torch.Tensor:
    space: dict[str, object] = {}
    exec(compile(text, "m.py", "exec"), space)
    made = space["use"](torch.arange(4.0).view(2, 2))  # type: ignore[operator]
    assert isinstance(made, torch.Tensor)
    return made


@pytest.mark.parametrize("write", ["y.mul_(2)", "y[0] = 5", "y += 1"])
@pytest.mark.parametrize("got", SHARES)
def test_what_may_share_the_memory_is_not_rewritten_as_safe(got: str, write: str) -> None:
    text = PROGRAM.format(got=got, write=write)

    changed = fixed(text, [one for one in findings(text) if getattr(one.outcome, "safe", False)])  # type: ignore[arg-type]

    assert torch.equal(result(changed), result(text))


@pytest.mark.parametrize("got", COPIES)
def test_what_tells_something_about_it_is_no_view(got: str) -> None:
    assert all(one.safe for one in fixes(PROGRAM.format(got=got, write="y.mul_(2)").replace("z * 2", "z * y")))
    assert fixes(PROGRAM.format(got=got, write="y.mul_(2)"))


@pytest.mark.parametrize(("made", "asks"), [("abs(y)", False), ("max(y, x.sin())", True)])
def test_abs_gives_a_tensor_of_its_own_and_max_one_of_two(made: str, asks: bool) -> None:
    text = PROGRAM.format(got=made, write="z.mul_(2)").replace("z * 2", "y * z")

    changed = fixed(text, findings(text))

    assert ("is old" in changed or "z.mul_(2)" in changed) is asks
    assert torch.equal(result(changed.replace("max(y, x.sin())", "y")), result(text.replace("max(y, x.sin())", "y")))


def test_a_name_that_is_only_added_to_in_place_is_no_question() -> None:
    text = PROGRAM.format(got="getattr(y, name)", write="y.mul_(2)\n    z += 1").replace("z * 2", "y * 2")

    changed = fixed(text, [one for one in findings(text) if getattr(one.outcome, "safe", False)])  # type: ignore[arg-type]

    assert torch.equal(result(changed), result(text))
