"""Writes that autograd does not see, where nothing had been saved: named where tracking them gives other gradients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fixinplace.trace.events import Trace
from fixinplace.trace.tracer import Options, Tracer

SCALED = """
import torch
from torch import nn


class Scaler(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x):
        self.h = self.lin(x)
        {write}
        return self.h


def main():
    torch.manual_seed(0)
    net = Scaler()
    out = net(torch.randn(5, 4))
    mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    scores = out @ out.t()
    scores.data.masked_fill_(mask, -float("inf"))
    loss = (scores.softmax(-1) @ out).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        for p in net.parameters():
            p.data.clamp_(-1, 1)
    return {{"loss": loss.item(), "grads": [p.grad for p in net.parameters()]}}
""".lstrip()
REVERSED = """
import torch
from torch import nn


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return {value}, None


def main():
    torch.manual_seed(0)
    net, head = nn.Linear(4, 3), nn.Linear(4, 3)
    x = torch.randn(5, 4)
    loss = (head(x) + Reverse.apply(net(x), 0.5)).pow(2).sum()
    loss.backward()
    return {{"grads": [p.grad for part in (net, head) for p in part.parameters()]}}
""".lstrip()


def repaired(command, text: str, *words: str) -> tuple[dict, str]:
    Path("prog.py").write_text(text)
    result = command("repair", "--output-format", "json", *words, "prog.py::main")
    return json.loads(result.stdout), Path("prog.py").read_text()


WRITES = {
    "self.h.data *= 0.5": "self.h = self.h * 0.5",
    "self.h.data.mul_(0.5)": "self.h = self.h.mul(0.5)",
    "self.h.data[:, 0] *= 0.5": "self.h[:, 0] *= 0.5",
    "self.h.data[0] = 0": "self.h[0] = 0",
    "self.h.data[:, :2].clamp_(min=0)": "self.h[:, :2].clamp_(min=0)",
    "self.h.data -= self.h.mean() + 1": "self.h = self.h - (self.h.mean() + 1)",
}


@pytest.mark.parametrize("write", WRITES)
def test_a_write_through_data_is_a_choice(command, write: str):
    document, _ = repaired(command, SCALED.format(write=write), "--diff")

    assert (document["status"], document["exit"], document["written"]) == ("choice", 1, False)
    (culprit,) = document["culprits"]
    assert (culprit["rule"], culprit["culprit"]["line"]) == ("FIP308", 12)
    (choice,) = document["choices"]
    rows = [row for row in choice["diff"].splitlines() if row[:1] in "+-" and row[:3] not in ("+++", "---")]
    assert rows == [f"-        {write}", f"+        {WRITES[write]}"]
    assert "is not what the program gives today" in choice["sentence"]


NAMED = {
    "d = self.h.data\n        d *= 0.5": "self.h",
    "d = self.h.data  # no history\n        e = 0.5\n        d[:, 1].mul_(e)": "self.h",
    "d = x.data\n        d = self.h.data\n        d[0] = 0": "self.h",
}


@pytest.mark.parametrize("write", NAMED)
def test_a_write_to_a_name_of_the_data_is_a_choice(command, write: str):
    document, _ = repaired(command, SCALED.format(write=write), "--diff")

    (culprit,), (choice,) = document["culprits"], document["choices"]
    assert culprit["rule"] == "FIP308"
    assert culprit["culprit"]["text"] == write.rsplit("        ", 1)[-1].split(" = 0", maxsplit=1)[0]
    rows = [row for row in choice["diff"].splitlines() if row[:1] in "+-" and row[:3] not in ("+++", "---")]
    assert [row.split("  #")[0] for row in rows] == ["-        d = self.h.data", "+        d = self.h"]


def test_a_chosen_one_is_written(command):
    document, text = repaired(command, SCALED.format(write="self.h.data *= 0.5"), "--choose", "1")

    assert document["written"]
    assert "self.h = self.h * 0.5" in text


@pytest.mark.parametrize(
    "write",
    [
        "pass",
        "self.h.data *= 1",  # changes nothing
        "self.h.detach().clone().mul_(2)",
        "with torch.no_grad(): self.lin.weight.data *= 0.5",
        "self.lin.weight.data *= 0.5",  # a leaf: what is written is data
    ],
)
def test_what_changes_no_gradient_is_clean(command, write: str):
    """The mask before the softmax of `main` is written through `.data` in all of them."""
    document, _ = repaired(command, SCALED.format(write=write), "--diff")

    assert (document["status"], document["exit"], document["culprits"]) == ("clean", 0, [])


def test_a_gradient_that_a_backward_overwrites(command):
    document, _ = repaired(command, REVERSED.format(value="grad_output.neg_() * ctx.alpha"), "--diff")

    (culprit,) = document["culprits"]
    assert (culprit["rule"], culprit["culprit"]["text"]) == ("FIP309", "grad_output.neg_()")
    (choice,) = document["choices"]
    assert "+        return grad_output.neg() * ctx.alpha, None" in choice["diff"]


@pytest.mark.parametrize("value", ["grad_output.neg() * ctx.alpha", "grad_output.clone().neg_() * ctx.alpha"])
def test_a_gradient_that_is_left_alone(command, value: str):
    document, _ = repaired(command, REVERSED.format(value=value), "--diff")

    assert (document["status"], document["culprits"]) == ("clean", [])


# --- the trace


def behind(text: str, path: Path, own: bool = True) -> Trace:
    """The trace of a program, run as if it stood in that file; what is on the disk may be something else."""
    tracer = Tracer(Options(own=lambda file: own and file == str(path), texts={str(path): text}))
    with tracer:
        exec(compile(text, str(path), "exec"), {"torch": torch})
    return tracer.trace()


PLAIN = "h = torch.ones(3, requires_grad=True) * 2\nh.data *= 2\nh.sum().backward()\n"


def test_the_text_that_ran_is_read(tmp_path: Path):
    (tmp_path / "it.py").write_text("# nothing\n" * 3)

    trace = behind(PLAIN, tmp_path / "it.py")

    assert [each.rule for each in trace.behind] == ["FIP308"]
    assert trace.behind[0].writes[0].names == ("h",)
    assert trace.offences == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("* 2\nh.data", "\nh.data"),  # a leaf
        ("h.data *= 2", "k = torch.ones(3); h.data; k *= 2"),
        ("h.data *= 2", "h.detach()"),
        ("h.data *= 2", "with torch.no_grad(): h.data *= 2"),
    ],
)
def test_what_is_not_behind_autograd(old: str, new: str, tmp_path: Path):
    assert old in PLAIN
    assert behind(PLAIN.replace(old, new), tmp_path / "it.py").behind == ()


def test_code_of_others_is_theirs(tmp_path: Path):
    assert behind(PLAIN, tmp_path / "it.py", own=False).behind == ()


def test_what_was_saved_is_an_offence_already(tmp_path: Path):
    text = PLAIN.replace("h.data", "s = h.pow(2)\nh.data").replace("h.sum", "s.sum")

    assert behind(text, tmp_path / "it.py").behind == ()
