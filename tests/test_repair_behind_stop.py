"""Writes that do nothing in the first step: what forward mode proves up to there holds to the end, or is refuted."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
import torch

from fixinplace.verify.pieces import OneByOne

PROGRAM = """
import torch
from torch import nn


def gated(h, drop):
    first, second = h.chunk(2, 1)
    second[drop] = 0
    return first.sum()


def scaled(h, by):
    piece = h.unbind(1)[2]
    piece.mul_(by)


def main():
    torch.manual_seed(6)
    net = nn.Linear(3, 4)
    head = nn.Linear(4, 1)
    optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.5)
    losses = []
    for step in range(3):
        h = torch.sigmoid(net(torch.randn(6, 3)))
        drop = torch.rand(6) < 0.4 * step
BODY
        loss = (head(h) - 3).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.detach() for p in (*net.parameters(), *head.parameters())]
""".lstrip()
LATER = {
    "a mask of a piece": ("gated(h, drop)", 1),
    "a leaf": ("noise = torch.rand(4, requires_grad=True)\nnoise *= 1 + step\nh = h + noise", 0),
    "rows that are clipped": ("for row in h:\n    row.clamp_(max=1 - 0.4 * step)", 0),
    "a piece by number": ("scaled(h, 1 + step)", 1),
}
NOTE = "to its end the original was run with the write allowed and saved tensors cloned"


@pytest.mark.parametrize(("body", "lost"), LATER.values(), ids=LATER.keys())
def test_what_does_nothing_in_the_first_step_is_run_to_the_end(body: str, lost: int, command):
    """lost: how many patches that lose the write are tried and refuted before one that keeps it."""
    text = PROGRAM.replace("BODY", textwrap.indent(body, " " * 8))
    Path("later.py").write_text(text)

    document = json.loads(command("repair", "--output-format", "json", "later.py::main").stdout)

    cloned = [each for each in document["tried"] if each["proposals"][0]["repair"] == "pieces-cloned"]
    assert [each["verdict"] for each in cloned] == ["refuted"] * lost, document["tried"]
    assert document["status"] == "repaired"
    notes = document["patch"]["evidence"][0]["notes"]
    assert any(note.startswith(NOTE) for note in notes) and not any("compared with nothing" in n for n in notes)


@pytest.mark.parametrize(
    "cut",
    [
        lambda x: x.chunk(2, 1), lambda x: x.split(1), lambda x: torch.split(x, [1, 2]), lambda x: x.unbind(1),
        lambda x: torch.tensor_split(x, 3), lambda x: x.hsplit(2), lambda x: [*x], lambda x: x.t().chunk(2),
        lambda x: torch.unbind(input=x), lambda x: x[1:].unbind(),
    ],
)  # fmt: skip
def test_pieces_are_the_same_memory_and_can_be_written(cut):
    leaf = torch.arange(12.0).view(3, 4).requires_grad_()
    plain = cut(leaf * 1)
    with OneByOne():
        whole = leaf * 1
        pieces = cut(whole)
        assert type(pieces) is type(plain) and all(map(torch.equal, pieces, plain))
        pieces[1].mul_(3)
        whole.square().sum().backward()
    factor = torch.ones(3, 4)
    cut(factor)[1].mul_(3)
    assert torch.equal(leaf.grad, 2 * leaf.detach() * factor * factor)


def test_out_is_a_copy_of_what_is_computed():
    leaf, into = torch.ones(3, requires_grad=True), torch.zeros(3)
    with OneByOne():
        torch.mul(leaf, 2, out=into)
        into.sum().backward()
    assert leaf.grad.tolist() == [2.0, 2.0, 2.0]


def test_pieces_that_are_no_views_of_what_is_cut_are_left_as_they_are():
    with OneByOne():
        rows = torch.eye(3).to_sparse().requires_grad_().unbind()
        slopes = torch.func.vmap(torch.func.grad(lambda x: x.unbind()[1] ** 2), in_dims=1)(torch.arange(6.0).view(2, 3))
    assert [each.is_sparse for each in rows] == [True] * 3
    assert slopes.tolist() == [[0.0, 6.0], [0.0, 8.0], [0.0, 10.0]]
