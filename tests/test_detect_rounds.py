"""Comprehensions that write the tensors of a list: out of place where each round has a tensor that nobody else has."""

from __future__ import annotations

import pytest
import torch
from called import program, run
from rewriting import findings, fixed

from fixinplace.model import Fix, Refused

ROUNDS = {
    "each of them": "parts = [x * k for k in (1, 2)]\ndone = [p.add_(1) for p in parts]\nreturn done[0] * done[1]",
    "beside others": "parts = [x * k for k in (1, 2)]\ndone = [p.mul_(n) for n, p in enumerate(parts)]\nreturn done[0] + done[1]",
    "in a chain": "parts = [x * k for k in (1, 2)]\ndone = [p.add_(1).mul_(2) for p in parts]\nreturn done[0] * done[1]",
    "with itself": "parts = [x * k for k in (1, 2)]\ndone = [p.add_(q) for p, q in zip(parts, parts)]\nreturn done[0] * done[1]",
}


@pytest.mark.parametrize("body", ROUNDS.values(), ids=ROUNDS.keys())
def test_what_a_comprehension_goes_through_once_is_made_anew(body: str):
    text = program(body)
    planned = findings(text)
    new = fixed(text, planned)

    assert "_(" not in new
    assert all(f.outcome.safe for f in planned if isinstance(f.outcome, Fix)) is ("(parts" not in body)
    for before, after in zip(run(text), run(new), strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=0)


REFUSED = {
    "list that is read behind its rounds": (
        "ps = [x * k for k in (1, 2)]\nd = [p.add_(1) for p in ps]\nreturn d[0] * ps[1]",
        "container-slot",
    ),
    "list that is read in its rounds": (
        "ps = [x * k for k in (1, 2)]\nd = [p.add_(ps[0]) for p in ps]\nreturn d[0] * d[1]",
        "container-slot",
    ),
    "name that is read in the rounds": (
        "ps = [x * k for k in (1, 2)]\na = ps[0]\nd = [p.add_(a) for p in ps]\nreturn d[0] * d[1]",
        "live-alias",
    ),
    "rounds in rounds": (
        "ps = [x * k for k in (1, 2)]\nd = [p.add_(1) for p in ps for _ in (1, 2)]\nreturn d[0] * d[2]",
        "container-slot",
    ),
    "rounds in a loop": (
        "ps = [x * k for k in (1, 2)]\nfor _ in (1, 2):\n    x = x + [p.add_(1).sum() for p in ps][1]\nreturn x",
        "container-slot",
    ),
    "one tensor in every round": (
        "h = x * 2\nps = [h for _ in (1, 2)]\nd = [p.add_(1) for p in ps]\nreturn d[0] * d[1]",
        "container-slot",
    ),
    "name that another round reads": (
        "ps = [x * k for k in (1, 2)]\na = ps[0]\nd = [(p.add_(1) if p.sum() > 5 else a * p) for p in ps]\nreturn d[0] * d[1]",
        "live-alias",
    ),
    "tensor of the round that is read": (
        "ps = [x * k for k in (1, 2)]\nd = [p.add_(1) * p for p in ps]\nreturn d[0] * d[1]",
        "no-safe-place",
    ),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_comprehension_writes_stays(body: str, reason: str):
    text = program(body)

    assert reason in {f.outcome.refusal for f in findings(text) if isinstance(f.outcome, Refused)}
    assert fixed(text, findings(text)) == text


BRANCHES = {
    "in both": ("y = x * 3\nz = y.mul_(2) if x.sum() > 5 else y.sub_(2)\nreturn z * x",
                "z = y.mul(2) if x.sum() > 5 else y.sub(2)"),
    "in one": ("y = x * 3\nz = y.mul_(2) if x.sum() > 5 else y.exp()\nreturn z * x", "z = y.mul(2) if x.sum() > 5 else y.exp()"),
    "read behind": ("y = x * 3\nz = y.mul_(2) if x.sum() > 5 else y\nreturn z * y", "z = (y := y.mul(2)) if x.sum() > 5 else y"),
    "in a loop": ("y = x * 3\nfor i in range(3):\n    x = x + (y.mul_(2) if i else y.exp())\nreturn x",
                  "    x = x + ((y := y.mul(2)) if i else y.exp())"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "line"), BRANCHES.values(), ids=BRANCHES.keys())
def test_the_other_branch_of_an_expression_reads_nothing_later(body: str, line: str):
    text = program(body)
    new = fixed(text, findings(text))

    assert f"    {line}\n" in new
    for before, after in zip(run(text), run(new), strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=0)
