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
    assert "with torch.no_grad():" in text or "@torch.no_grad()" in text
    assert evidence["checks_not_run"] == []
    assert any("what is written into a parameter is data" in note for note in evidence["notes"])


AVERAGE = """
import copy

import torch
from torch import nn


def main():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    average = copy.deepcopy(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(5, 4)
    losses = []
    for _ in range(2):
BEFORE
        loss = LOSS
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for p, q in zip(average.parameters(), net.parameters()):
WRITE
        losses.append(loss.detach())
AFTER
    return {"losses": losses, "net": net, "average": list(average.parameters())}
"""


def averaged(write: str, loss: str = "net(x).square().mean()", before: str = "", after: str = "") -> str:
    """Two steps of training with an averaged copy: how it is written, what is minimised, what is done at the end."""
    pieces = {"WRITE": (write, 12), "LOSS": (loss, 0), "BEFORE": (before, 8), "AFTER": (after, 4)}
    text = AVERAGE.lstrip()
    for key, (piece, width) in pieces.items():
        text = text.replace(key, textwrap.indent(piece, " " * width))
    return text.replace("\n\n        loss", "\n        loss").replace("\n\n    return", "\n    return")


AVERAGES = {
    "a chain": averaged("p.mul_(0.9).add_(q, alpha=0.1)"),
    "a copy": averaged("p.copy_(p * 0.9 + q * 0.1)"),
    "a lerp": averaged("p.lerp_(q, 0.1)"),
    "two statements": averaged("p.mul_(1 - 0.1)\np.add_(0.1 * q)"),
    "augmented": averaged("p *= 0.9\np += 0.1 * q"),
    "tracked values of no_grad": averaged(
        "p.lerp_(q, 0.1)",
        "(net(x) - target).square().mean()",
        "with torch.no_grad():\n    target = average(x).sin()",
    ),
    "a detached target": averaged(
        "p.lerp_(q, 0.1)",
        "(net(x) - target).square().mean()",
        "target = nn.functional.softmax(average(x), dim=1).detach()",
    ),
    "by name": averaged("p.lerp_(q, 0.1)").replace(
        "for p, q in zip(average.parameters(), net.parameters()):\n            p.lerp_(q, 0.1)",
        "trained = dict(net.named_parameters())\n"
        "        for name, p in average.state_dict(keep_vars=True).items():\n"
        "            p.copy_(0.9 * p + 0.1 * trained[name])",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AVERAGES)
def test_an_average_that_no_backward_reaches_is_data(name: str, command):
    document, text = repaired(command, AVERAGES[name])

    assert document["status"] == "repaired", document
    evidence = document["patch"]["evidence"][0]
    assert (
        text.replace("with torch.no_grad():", "").split() == AVERAGES[name].replace("with torch.no_grad():", "").split()
    )
    assert text.count("with torch.no_grad():") > AVERAGES[name].count("with torch.no_grad():")
    assert evidence["checks_not_run"] == []
    assert any("convention" in note and "no later backward" in note for note in evidence["notes"])


def test_a_frozen_copy_written_in_the_graph_is_no_data(command):
    """torch allows that write, and the gradient flows through it; the other one, of a leaf, is data."""
    write = "for p, q in zip(fast.parameters(), net.parameters()):\n    p.copy_(q * 0.5)\n    p.mul_(2)"
    before = f"fast = copy.deepcopy(net).requires_grad_(False)\n{write}\naverage[0].bias.clamp_(-1, 1)"

    document, text = repaired(command, averaged("p.lerp_(q.detach(), 0.1)", "fast(x).square().mean()", before))

    assert document["status"] == "repaired", document
    assert document["patch"]["evidence"][0]["checks_not_run"] == []
    assert text.count("with torch.no_grad():\n") == 2
    assert "            p.copy_(q * 0.5)\n            p.mul_(2)\n" in text


DIFFERENTIATED = {
    "a store into what the next loss uses": program("net.bias[0] = other.bias.sum()"),
    "a target that is not detached": averaged("p.lerp_(q, 0.1)", "(net(x) - average(x)).square().mean()"),
    "a loss at the end": averaged("p.lerp_(q, 0.1)", after="average(x).sum().backward()"),
    "a gradient at the end": averaged(
        "p.lerp_(q, 0.1)",
        after="losses += torch.autograd.grad(average(x).sum(), [*net.parameters()], allow_unused=True)",
    ),
    "a result that is tracked": averaged("p.lerp_(q, 0.1)", after="losses.append(average(x))"),
    "a penalty on the distance": averaged(
        "p.lerp_(q, 0.1)",
        "net(x).square().mean() + sum((p - q).square().sum() for p, q in zip(average.parameters(), net.parameters()))",
    ),
    "an inner step that is differentiated": averaged(
        "p.copy_(q - 0.1 * g)",
        "average(x).square().mean() + net(x).abs().mean()",
        "inner = torch.autograd.grad(net(x).square().mean(), [*net.parameters()], create_graph=True)",
    ).replace("p, q in zip(average.parameters(), net.parameters())",
              "p, q, g in zip(average.parameters(), net.parameters(), inner)"),
    "only a backward behind an in-place error": averaged(
        "p.lerp_(q, 0.1)", after="h = x.requires_grad_().exp()\nh += 1\n(h.sum() + average(x).sum()).backward()"
    ),
    "checkpointed": averaged(
        "p.lerp_(q, 0.1)",
        after="import torch.utils.checkpoint as c\n"
        "c.checkpoint(average, x.requires_grad_(), use_reentrant=True).sum().backward()",
    ),
}  # fmt: skip


for _name in ("a target that is not detached", "a loss at the end"):
    DIFFERENTIATED[f"{_name}, and nothing read behind a backward"] = DIFFERENTIATED[_name].replace(
        "losses.append(loss.detach())", "losses.append(0.0)"
    )
DIFFERENTIATED["by a function"] = DIFFERENTIATED["a loss at the end"].replace("p.lerp_(q, 0.1)", "p.copy_(mean(p, q))"
    ).replace("def main", "def mean(p, q):\n    return 0.9 * p + 0.1 * q\n\n\ndef main")  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_what_depends_on_another_parameter_and_is_differentiated_is_not_data(name: str, command):
    """Its gradient would be lost under `no_grad`, and only its author knows whether that is meant."""
    document, after = repaired(command, DIFFERENTIATED[name])

    assert document["status"] != "repaired", document
    assert after == DIFFERENTIATED[name]


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


def test_a_view_of_what_the_block_has_made_is_taken_behind_it(command):
    text = textwrap.dedent(VIEW.replace("scale = torch.ones(3)", "memory = memory.clone()")).lstrip()

    document, after = repaired(command, text.replace(" * scale", ""))

    assert document["status"] == "repaired", document
    assert (
        "    with torch.no_grad():\n        memory = memory.clone()\n    rows = memory[:2]\n    rows += net(" in after
    )


def test_a_view_that_the_block_goes_on_with_stays_there(command):
    made = VIEW.replace("scale = torch.ones(3)", "memory = memory.clone()").replace(" * scale", "")
    text = textwrap.dedent(
        made.replace("rows = memory[:2]\n", "rows = memory[:2]\n                print(rows.sum())\n")
    )

    document, after = repaired(command, text.lstrip())

    assert not any(p["repair"] == "view-outside" for one in document["tried"] for p in one["proposals"])
    assert "        rows = memory[:2]\n        print(" in after


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


MOMENTUM = """
import torch


def main():
    torch.manual_seed(0)
    w = torch.randn(3, requires_grad=True)
    speed, x = torch.zeros(3), torch.randn(4, 3)
    losses = []
    for _ in range(3):
        loss = (x @ w).square().mean()
        loss.backward()
        losses.append(loss.detach())
        speed.mul_(0.9).add_(w.grad)
        w -= 0.1 * speed
        w.grad.zero_()
    return {"losses": losses, "w": w.detach().clone()}
""".lstrip()


def test_a_plain_leaf_whose_gradient_is_asked_for_again_is_data(command):
    document, text = repaired(command, MOMENTUM)

    evidence = document["patch"]["evidence"][0]
    assert document["status"] == "repaired", document
    assert "with torch.no_grad():\n            w -= 0.1 * speed" in text
    assert evidence["checks_not_run"] == []


def test_a_plain_leaf_whose_gradient_nobody_asks_for_is_not(command):
    document, text = repaired(
        command, MOMENTUM.replace("        w.grad.zero_()\n", "        w = w.detach().requires_grad_()\n")
    )

    assert document["status"] != "repaired"
    assert "        w -= 0.1 * speed" in text
