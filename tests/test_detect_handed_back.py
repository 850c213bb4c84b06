"""A function that returns its argument returns the view that it was given."""

from __future__ import annotations

import pytest
import torch
from rewriting import findings, fixed

PROGRAM = """import torch


def same(t: torch.Tensor):
    {body}return t


def pair(t: torch.Tensor):
    return t.exp(), t


def use(b: torch.Tensor):
    x = b + 1
    y = x.{view}
    u = {call}
    x += x.sum()
    return x, u * 1
"""


def results(text: str) -> list[torch.Tensor]:
    space: dict[str, object] = {}
    exec(compile(text, "m.py", "exec"), space)
    leaf = torch.arange(6.0, dtype=torch.double).view(2, 3).requires_grad_()
    one, other = space["use"](leaf)  # type: ignore[operator]
    (one.sum() + 3 * other.sum()).backward()
    return [one.detach(), other.detach(), leaf.grad]  # type: ignore[list-item]


@pytest.mark.parametrize("call", ["same(y)", "pair(y)[1]", "same(same(y))"])
@pytest.mark.parametrize("view", ["view(-1)", "t()", "view(2, 3)", "detach()"])
@pytest.mark.parametrize("body", ["", "t.mul_(2)\n    "])
def test_what_was_made_as_a_view_is_no_other_name(body: str, view: str, call: str) -> None:
    text = PROGRAM.format(body=body, view=view, call=call)

    changed = fixed(text, [one for one in findings(text) if getattr(one.outcome, "safe", False)])  # type: ignore[arg-type]

    assert "is old" not in changed
    assert all(map(torch.equal, results(changed), results(text)))


CONTIGUOUS = """import torch


def use(b: torch.Tensor):
    v = b * 2
    u = v[{rows}]
    v = u.{copy}
    v = torch.t(v)
    v[v > 0.8] = 0.25
    return u, v
"""


@pytest.mark.parametrize("copy", ["contiguous()", "reshape(-1, 3)"])
@pytest.mark.parametrize("rows", ["::2", "1:", ":, 1:"])
def test_a_clone_of_what_has_gaps_has_none(rows: str, copy: str) -> None:
    """`.contiguous()` of every second row is a copy, and of a clone of them it is none."""
    text = CONTIGUOUS.format(rows=rows, copy=copy)

    changed = fixed(text, [one for one in findings(text, run=False) if getattr(one.outcome, "safe", False)])  # type: ignore[arg-type]

    assert all(map(torch.equal, written(changed), written(text)))


def written(text: str) -> list[torch.Tensor]:
    space: dict[str, object] = {}
    exec(compile(text, "m.py", "exec"), space)
    return list(space["use"](torch.arange(18.0).view(6, 3)))  # type: ignore[operator]
