"""Leaves that are written and then differentiated: a result from then on, where nobody can mean a leaf."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from fixinplace.verify.as_result import AsResult

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute")


class Grid(torch.Tensor):
    """A tensor with a class of its own."""


PROGRAM = """
import numpy
import torch
from torch import nn


def main():
    torch.manual_seed(4)
    net = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(2):
        BEFORE
        WRITE
        BEHIND
        slope = torch.autograd.grad(net(points).sum(), ASKED, create_graph=True)[0]
        loss = (slope - 1).square().mean() + net(points).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        AFTER
    return {"losses": losses, "grads": [p.grad for p in net.parameters()]}
""".lstrip()
LEAF = "points = torch.rand(5, 2, requires_grad=True)"
RESULTS = {
    "a factor": ("points *= 3.0", "points = points * 3.0"),
    "its own mean": ("points -= points.mean(0)", "points = points - points.mean(0)"),
    "what has no gradient": ("points -= 2 * torch.floor(points / 2)", "points = points - 2 * torch.floor(points / 2)"),
    "a method": ("points.mul_(torch.tensor([2.0, 0.5]))", "points = points.mul(torch.tensor([2.0, 0.5]))"),
}
LEAVES = {
    "its `.grad` is read": {"AFTER": "losses.append(points.grad)"},
    "an optimizer has it": {"BEHIND": "torch.optim.SGD([points], lr=0.1).step()"},
    "an optimizer has got it before": {
        "BEFORE": f"{LEAF}\nmoving = torch.optim.SGD([points], lr=0.1)",
        "AFTER": "moving.step()",
    },
    "a parameter": {"BEFORE": "points = nn.Parameter(torch.rand(5, 2))"},
    "a view of it": {"BEFORE": f"{LEAF}\nrow = points[0]", "AFTER": "losses.append(row.sum().item())"},
    "an alias of it": {"BEFORE": f"{LEAF}\nraw = points.data", "AFTER": "losses.append(raw.sum().item())"},
    "an array": {
        "BEFORE": "kept = numpy.ones((5, 2), numpy.float32)\npoints = torch.from_numpy(kept).requires_grad_()",
        "AFTER": "losses.append(float(kept.sum()))",
    },
    "what was saved before": {"BEFORE": f"{LEAF}\nsize = points * points", "AFTER": "losses.append(size.sum().item())"},
}


def program(**pieces: str) -> str:
    text = PROGRAM
    for key, piece in (
        {"BEFORE": LEAF, "WRITE": "points *= 3.0", "BEHIND": "", "ASKED": "points", "AFTER": ""} | pieces
    ).items():
        old = f"        {key}\n"
        text = text.replace(old, textwrap.indent(f"{piece}\n", " " * 8) if piece else "").replace(key, piece)
    return text


def repaired(command, text: str) -> tuple[dict, str]:
    Path("points.py").write_text(text)
    result = command("repair", "--output-format", "json", "points.py::main")
    return json.loads(result.stdout), Path("points.py").read_text()


@pytest.mark.parametrize(("write", "then"), RESULTS.values(), ids=RESULTS.keys())
def test_a_gradient_that_is_asked_for_is_the_one_at_the_written_value(write: str, then: str, command):
    text = program(WRITE=write)
    document, after = repaired(command, text)

    assert document["status"] == "repaired", document["tried"]
    assert after == text.replace(write, then)
    notes = document["patch"]["evidence"][0]["notes"]
    assert any("a leaf that is written is a result from then on" in note for note in notes)


@pytest.mark.parametrize("pieces", LEAVES.values(), ids=LEAVES.keys())
def test_who_may_mean_the_leaf_is_asked(pieces: dict[str, str], command):
    text = program(**pieces)
    compile(text, "points.py", "exec")
    document, after = repaired(command, text)

    proved = [each for each in document["tried"] if each["verdict"] == "proved"]
    said = [note for each in proved for evidence in each["evidence"] for note in evidence["notes"]]
    assert not any("a leaf that is written is a result from then on" in note for note in said), after


@pytest.mark.parametrize("make", [nn.Parameter, lambda given: given.as_subclass(Grid).requires_grad_()])
def test_only_a_plain_tensor_becomes_a_result(make: Callable[[torch.Tensor], torch.Tensor]):
    leaf = make(torch.ones(2))
    with AsResult(), pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        leaf.mul_(2)
    assert leaf.is_leaf

    plain = torch.ones(2, requires_grad=True)
    with AsResult() as mode:
        plain.mul_(2)
        assert not plain.is_leaf and not mode.read
        assert plain.grad is None and mode.read
    assert torch.autograd.grad((plain * plain).sum(), plain)[0].tolist() == [4.0, 4.0]
