"""A sum that is stored where the index names elements twice: two meanings, each computing what it says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from computing import computed, same
from typer.testing import Result

Command = Callable[..., Result]

MESSAGES = """
import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.message, self.update = nn.Linear(4, 3), nn.GRUCell(3, 4)

    def forward(self, h, source, target):
        sent = torch.tanh(self.message(h[source]))
        total = torch.zeros(len(h), 3)
        STORE
        return self.update(total, h)


def main():
    torch.manual_seed(0)
    layer, h = Layer(), torch.randn(4, 4)
    source, target = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([1, 1, 0, 1, 2])
    loss = layer(h, source, target).square().mean()
    loss.backward()
    return [loss.detach(), *[p.grad for p in layer.parameters()]]
"""
LAST = "total = torch.stack([(total[at] {} sent[{}]) if at != 3 else total[at] for at in range(4)])"
EACH = "3 if at == 1 else 2 if at == 0 else 4"
WAYS = {
    "total[target] += sent": ("total = total + torch.zeros(4, 3).index_add(0, target, sent)", LAST.format("+", EACH)),
    "total[target] -= sent": ("total = total - torch.zeros(4, 3).index_add(0, target, sent)", LAST.format("-", EACH)),
    "total[target, target] += sent[:, 0]": (
        "total = total + torch.zeros(4, 3).index_put((target, target), sent[:, 0], accumulate=True)",
        "total = total + torch.diag(torch.stack([sent[2, 0], sent[3, 0], sent[4, 0]])).new_zeros(4, 3)."
        "index_put((torch.arange(3), torch.arange(3)), torch.stack([sent[2, 0], sent[3, 0], sent[4, 0]]))",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("store", WAYS)
def test_both_meanings_of_a_sum_that_is_stored(store: str, command: Command, tmp_path: Path):
    text = MESSAGES.replace("STORE", store)
    Path("messages.py").write_text(text)
    data = json.loads(command("repair", "--output-format", "json", "messages.py::main").stdout)

    assert (data["status"], data["written"], [each["rule"] for each in data["culprits"]]) == (
        "choice",
        False,
        ["FIP304"],
    )
    assert [each["verdict"] for each in data["choices"]] == ["unproved", "proved"]
    for number, (choice, meant) in enumerate(zip(data["choices"], WAYS[store], strict=True)):
        ours, theirs = tmp_path / f"ours{number}", tmp_path / f"theirs{number}"
        for folder, written in ((ours, text), (theirs, MESSAGES.replace("STORE", meant))):
            folder.mkdir()
            (folder / "messages.py").write_text(written)
        subprocess.run(["git", "apply", "--unsafe-paths", "-"], input=choice["diff"], text=True, cwd=ours, check=True)
        assert same(*computed(ours / "messages.py", theirs / "messages.py")), choice["diff"]


@pytest.mark.slow
@pytest.mark.parametrize("store", ["total[target] *= sent", "total[target + 0] += sent"])
def test_what_is_no_sum_by_names_is_told_alone(store: str, command: Command):
    Path("messages.py").write_text(MESSAGES.replace("STORE", store))
    data = json.loads(command("repair", "--output-format", "json", "messages.py::main").stdout)

    assert data["status"] == "found" and not data["choices"]
    assert "index_add" in data["culprits"][0]["explanations"][0]["title"]
