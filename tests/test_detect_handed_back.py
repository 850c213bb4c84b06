"""A function that returns its argument returns the view that it was given."""

from __future__ import annotations

import pytest
import torch
from rewriting import findings, fixed, fixes

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
    u = {rows}
    v = u.{copy}
    v = torch.t(v)
    v[v > 0.8] = 0.25
    return u, v
"""


@pytest.mark.parametrize("copy", ["contiguous()", "reshape(-1, 3)"])
@pytest.mark.parametrize("rows", ["v[::2]", "v[1:]", "v[:, 1:]"])
def test_a_clone_of_what_has_gaps_has_none(rows: str, copy: str) -> None:
    """`.contiguous()` of every second row is a copy, and of a clone of them it is none."""
    text = CONTIGUOUS.format(rows=rows, copy=copy)

    changed = fixed(text, [one for one in findings(text, run=False) if getattr(one.outcome, "safe", False)])  # type: ignore[arg-type]

    assert all(map(torch.equal, written(changed), written(text)))


def written(text: str) -> list[torch.Tensor]:
    space: dict[str, object] = {}
    exec(compile(text, "m.py", "exec"), space)
    return list(space["use"](torch.arange(18.0).view(6, 3)))  # type: ignore[operator]


STRIDES = """

def same(t: torch.Tensor):
    return t


def use(x: torch.Tensor):
    flat = x.view(-1)
    h = same(x.exp(){part})
    h /= 3
    return h, flat
"""


@pytest.mark.parametrize(("part", "safe"), [("", True), (".t()", True), ("[:, 1:]", False), ("[:, ::2]", False)])
def test_what_is_handed_back_has_the_gaps_that_it_had(part: str, safe: bool) -> None:
    assert [one.safe for one in fixes(STRIDES.format(part=part))] == [safe]
