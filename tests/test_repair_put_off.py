"""Weights that are updated by hand between a forward and its backward: the update goes behind the backward."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from choosing import Program, equal, program, run, traced
from typer.testing import Result

from fixinplace.repair.base import Tier

AVERAGE = program(
    """
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.online, self.target = mlp(3, 3), mlp(3, 3)
            self.target.requires_grad_(False)

        @torch.no_grad()
        def follow(self, pace=0.9):
            for mine, theirs in zip(self.online.parameters(), self.target.parameters()):
                theirs.mul_(pace).add_(mine, alpha=1 - pace)


    def main():
        pair, shift = Pair(), nn.Linear(3, 3)
        optimizer = torch.optim.SGD([*pair.online.parameters(), *shift.parameters()], lr=0.1)
        for x in torch.randn(3, 5, 3):
            loss = F.mse_loss(pair.online(x), pair.target(shift(x)))
            optimizer.zero_grad()
            pair.follow()
            print(end="")
            loss.backward()
            optimizer.step()
        return [pair, shift]
    """,
    "pair.target(shift(x))", "pair.follow()", "loss.backward()",
)  # fmt: skip
SHARP = program(
    """
    class Sharp:
        def __init__(self, net):
            self.parameters, self.moved = list(net.parameters()), []

        @torch.no_grad()
        def climb(self):
            self.moved = [0.05 * p.grad for p in self.parameters]
            for p, far in zip(self.parameters, self.moved):
                p.add_(far)

        @torch.no_grad()
        def restore(self):
            for p, far in zip(self.parameters, self.moved):
                p.sub_(far)


    def main():
        net = mlp(3, 2)
        sharp, optimizer = Sharp(net), torch.optim.SGD(net.parameters(), lr=0.1)
        for x in torch.randn(3, 5, 3):
            loss = net(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            sharp.climb()
            again = net(x).square().mean()
            optimizer.zero_grad()
            sharp.restore()
            again.backward()
            optimizer.step()
        return [net]
    """,
    "net(x)@2", "sharp.restore()", "again.backward()",
)  # fmt: skip
PROGRAMS = {"an average": AVERAGE, "weights put back": SHARP}
MOVED = {"an average": "`pair.follow()` moved behind `loss.backward()`",
         "weights put back": "`sharp.restore()` moved behind `again.backward()`"}  # fmt: skip


def changed(one: Program, *pairs: tuple[str, str]) -> Program:
    text = one.text
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return Program(text, one.save, one.step, one.needed)


def moved(one: Program) -> list[str]:
    return [each.title for each in traced(one) if "moved behind" in each.title]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_update_comes_behind_the_backward(name: str):
    """All gradients are those at the saved weights, and all weights at the end are what they were to be."""
    one = PROGRAMS[name]
    (proposal,) = [each for each in traced(one) if each.title == MOVED[name]]
    assert proposal.tier is (Tier.PATCH if name == "an average" else Tier.CHOOSE)
    wanted, found = run(one.text, cloned=True), run(one.patched(proposal))

    assert "modified by an inplace operation" in run(one.text).error
    assert found.error == wanted.error == ""
    assert equal(wanted.parameters, found.parameters)
    assert all(map(equal, wanted.backwards, found.backwards))


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        # a line between has to do with it
        ("an average", [('print(end="")', "print(end=str(pair.target[0].weight[0, 0].item())[:0])")]),
        ("an average", [('print(end="")', "pair.online[0].weight.data.mul_(0.5)")]),
        # a line between may leave the loop
        ("an average", [('print(end="")', "if x.sum() > 99: break")]),
        (
            "weights put back",
            [("        sharp.restore()\n", "        sharp.restore()\n        if x.sum() > 99: break\n")],
        ),
        # a step on gradients: which of them it finds is another question
        ("weights put back", [("p.sub_(far)", "p.sub_(p.grad if p.grad is not None else far)")]),
    ],
)
def test_what_is_not_apart_stays(name: str, pairs: list[tuple[str, str]]):
    one = changed(PROGRAMS[name], *pairs)
    assert "modified by an inplace operation" in run(one.text).error

    assert moved(one) == []


def test_the_loss_again_names_what_changed_the_weights():
    """Weights that are put back are no step."""
    (again,) = [each for each in traced(SHARP) if "computed again" in each.title]

    assert again.meaning.startswith("`again` is computed with the weights that `sharp.restore()` leaves, and")


CACHED = """
import torch
from torch import nn


class Bank:
    def __init__(self):
        self.store = {}

    def get(self, key, x):
        if key not in self.store:
            with torch.inference_mode():
                self.store[key] = torch.tanh(x)
        return self.store[key]


def head(features, offset):
    features += offset
    return features.square().mean()


def main():
    torch.manual_seed(0)
    bank, offset, x = Bank(), nn.Parameter(torch.ones(3)), torch.randn(4, 3)
    optimizer = torch.optim.SGD([offset], lr=0.1)
    for _ in range(ROUNDS):
        loss = head(bank.get("train", x), offset)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"offset": offset.detach()}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("rounds", "write"), [(1, "+="), (3, "+="), (3, "*=")])
def test_a_cached_inference_tensor_that_is_written_has_two_meanings(
    rounds: int, write: str, command: Callable[..., Result]
):
    """With `no_grad` the cache would change in every round, and where it is multiplied, the graph of the last round
    be used again, which dies and is not offered; where nobody comes back to it, there is but one meaning."""
    text = textwrap.dedent(CACHED).replace("ROUNDS", str(rounds)).replace("+=", write)
    Path("bank.py").write_text(text)
    data = json.loads(command("repair", "--diff", "--output-format", "json", "bank.py::main").stdout)

    if rounds == 1:
        assert (data["status"], len(data["choices"])) == ("repaired", 0)
        return
    assert data["status"] == "choice"
    titles = ["`features` copied before it is written", "`torch.no_grad` instead of `torch.inference_mode`"]
    assert [each["proposals"][0]["title"] for each in data["choices"]] == titles[: 2 if write == "+=" else 1]
    assert "+    features = features.clone()" in data["choices"][0]["diff"]
    assert write == "*=" or "in every round anew" in data["choices"][1]["proposals"][0]["meaning"]
