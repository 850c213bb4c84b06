"""`repair` where torch refuses the write at once: what stands in for an original that cannot run."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # each case runs the whole command

HEAD = """
import torch
from torch import nn


def main():
    torch.manual_seed(0)
    net = nn.Linear(4, 6)
    other = nn.Linear(4, 6)
    optimizer = torch.optim.SGD([*net.parameters(), *other.parameters()], lr=0.1)
    x = torch.randn(5, 4)
    for _ in range(2):
"""
TAIL = """
        loss = (net(x) * other(x)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
AFTER
    return {"loss": loss, "net": net.weight.grad, "other": other.weight.grad}
"""


def program(before: str = "", after: str = "") -> str:
    """A training loop of two steps; `before` runs before the forward, `after` behind the optimizer's step."""
    text = HEAD + textwrap.indent(before, " " * 8) + TAIL.replace("AFTER", textwrap.indent(after, " " * 8))
    return text.lstrip().replace("\n\n        loss =", "\n        loss =")


def repaired(command: Any, text: str) -> tuple[dict[str, Any], str]:
    """The JSON document of a repair, and the file afterwards."""
    Path("train.py").write_text(text)
    result = command("repair", "--output-format", "json", "train.py::main")
    document: dict[str, Any] = json.loads(result.stdout)
    return document, Path("train.py").read_text()


BY_HAND = {
    "a fill": program("net.bias[:2].fill_(1.0)"),
    "a scaling": program("net.weight *= 0.5"),
    "weights clipped behind the step": program(after="for each in net.parameters():\n    each.clamp_(-0.1, 0.1)"),
    "a store behind the step": program(after="net.weight[0] = 0"),
    "a random fill": program("nn.Module.get_parameter(net, 'bias').normal_()"),
    "a parameter of no module": program("scale = nn.Parameter(torch.ones(6))\nscale.clamp_(max=0.5)").replace(
        "net(x) * other(x)", "net(x) * other(x) * scale"
    ),
    "a new parameter of the same memory": program(
        "b = net.bias.view(2, 3)\nb[:, 0] += 0.5\nnet.bias = nn.Parameter(b.view(-1))"
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_parameter_set_by_hand_stays_in_place_and_the_whole_run_is_compared(name: str, command):
    document, text = repaired(command, BY_HAND[name])

    evidence = document["patch"]["evidence"][0]
    assert document["status"] == "repaired", document
    assert "with torch.no_grad():" in text
    assert evidence["checks_not_run"] == []
    assert any("what is written into a parameter is data" in note for note in evidence["notes"])


def test_what_depends_on_another_parameter_is_not_data(command):
    """Its gradient would be lost under `no_grad`, and only its author knows whether that is meant."""
    text = program("net.bias[0] = other.bias.sum()")

    document, after = repaired(command, text)

    assert document["status"] != "repaired"
    assert after == text


TOLD = {
    "`detach_` on two views": (
        """
        import torch
        from torch import nn


        def main():
            torch.manual_seed(0)
            cell = nn.LSTMCell(2, 3)
            state = torch.zeros(4, 6)
            losses = []
            for _ in range(2):
                h, c = state.chunk(2, dim=1)
                h.detach_()
                c.detach_()
                h, c = cell(torch.randn(4, 2), (h, c))
                state = torch.cat((h, c), dim=1)
                loss = state.square().mean()
                loss.backward()
                losses.append(loss.detach())
            return losses, [each.grad for each in cell.parameters()]
        """,
        ("h = h.detach()", "c = c.detach()"),
    ),
    "`out=` of an op without a forward formula for it": (
        """
        import torch
        from torch import nn


        def main():
            torch.manual_seed(0)
            net = nn.Linear(3, 3)
            buffer = torch.zeros(2, 3)
            error = net(torch.randn(2, 3)).abs()
            torch.where(error < 0.3, 0.5 * error * error, error, out=buffer)
            loss = buffer.mean()
            loss.backward()
            return loss, net.weight.grad
        """,
        ("buffer = torch.where(error < 0.3, 0.5 * error * error, error)",),
    ),
}


VIEW = """
        import torch
        from torch import nn


        def main():
            torch.manual_seed(0)
            net = nn.Linear(3, 3)
            memory = torch.zeros(4, 3)
            with torch.no_grad():
                scale = torch.ones(3)
                rows = memory[:2]
            rows += net(torch.randn(2, 3)) * scale
            loss = memory.square().mean()
            loss.backward()
            return loss, net.weight.grad
        """
TOLD |= {
    "a view that was taken without grad mode": (
        VIEW, ("memory = torch.zeros(4, 3)\n    rows = memory[:2]\n    with torch.no_grad():\n        scale",)
    ),
    "a view alone in its block": (
        VIEW.replace("                scale = torch.ones(3)\n", "").replace(" * scale", ""),
        ("memory = torch.zeros(4, 3)\n    rows = memory[:2]\n    rows += net(",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_forward_mode_runs_what_torch_refuses(name: str, command):
    source, lines = TOLD[name]

    document, text = repaired(command, textwrap.dedent(source).lstrip())

    assert document["status"] == "repaired", document
    for line in lines:
        assert line in text


def test_a_view_of_what_the_block_has_made_stays_there(command):
    text = textwrap.dedent(VIEW.replace("scale = torch.ones(3)", "memory = memory.clone()")).lstrip()

    document, after = repaired(command, text.replace(" * scale", ""))

    assert not any(p["repair"] == "view-outside" for one in document["tried"] for p in one["proposals"])
    assert "    with torch.no_grad():\n        memory = memory.clone()" in after


INFERENCE = """
import torch
from torch import nn


def main():
    torch.manual_seed(0)
    body, head = nn.Linear(3, 4), nn.Linear(4, 2)
    with torch.inference_mode():
        h = body(torch.randn(5, 3))
    loss = head(h).square().mean()
    loss.backward()
    return loss, head.weight.grad
"""


def test_the_block_that_made_an_inference_tensor_is_the_culprit(command):
    document, text = repaired(command, INFERENCE.lstrip())

    (culprit,) = document["culprits"]
    assert (culprit["rule"], culprit["culprit"]["line"], culprit["save"]["line"]) == ("FIP205", 8, 10)
    assert document["status"] == "repaired", document
    assert "with torch.no_grad():" in text
