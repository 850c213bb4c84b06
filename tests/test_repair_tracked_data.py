"""A write through `.data` into what was computed and kept: out of place, with a gradient of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixinplace.verify.standing import NOTHING_WRONG

MEMORY = """
import torch
from torch import nn


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 4)
        self.score = nn.Linear(4, 2)

    def forward(self, word, state):
        state = self.cell(word, state)
        return self.score(state), state


def main():
    torch.manual_seed(5)
    reader = Reader()
    optimizer = torch.optim.SGD(reader.parameters(), lr=0.1)
    words, ends = torch.randn(4, 6, 3), torch.rand(4, 6, 1) < 0.4
    state, loss = torch.zeros(6, 4), 0.0
    for word, end in zip(words, ends):
        {write}
        scores, state = reader(word, state)
        loss = loss + scores.logsumexp(-1).mean() + scores.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return [p.grad for p in reader.parameters()]
""".lstrip()
FOLLOWED = "the write through `.data` is differentiated like any other"


def repaired(command, write: str) -> tuple[dict, str]:
    Path("prog.py").write_text(MEMORY.format(write=write))
    result = command("repair", "--output-format", "json", "prog.py::main")
    return json.loads(result.stdout), Path("prog.py").read_text()


@pytest.mark.parametrize(
    ("write", "line"),
    [
        ("state.data *= ~end", "state = state * (~end)"),
        ("state.data.mul_(1 - end.float())", "state = state.mul(1 - end.float())"),
        ("state.data.masked_fill_(end, 0)", "state = state.masked_fill(end, 0)"),
        ("state.data[end[:, 0]] = 0", "state = state.clone()\n        state[end[:, 0]] = 0"),
    ],
)
def test_what_is_written_through_data_gets_its_gradient(command, write: str, line: str):
    document, text = repaired(command, write)

    assert document["status"] == "repaired", document
    assert f"        {line}\n" in text
    assert FOLLOWED in json.dumps(document)


GATE = """
import torch
from torch import nn


def main():
    torch.manual_seed(0)
    a, b = nn.Linear(4, 4), nn.Linear(4, 4)
    x = torch.randn(5, 4)
    gate = torch.sigmoid(a(x))
    gate.data[gate.data < 0.4] = 0
    (gate * b(x)).pow(2).sum().backward()
    return [p.grad for p in a.parameters()]
""".lstrip()


def test_what_is_right_as_it_stands_is_not_written_anew(command):
    """A sigmoid's backward is zero where its result was set to zero, as the derivative of the mask is."""
    Path("gate.py").write_text(GATE)
    document = json.loads(command("repair", "--output-format", "json", "gate.py::main").stdout)

    assert document["status"] != "repaired", document
    assert NOTHING_WRONG in json.dumps(document)
    assert Path("gate.py").read_text() == GATE


def test_what_is_rounded_through_data_keeps_the_gradient_that_passes_it_by(command):
    document, text = repaired(command, "state.data.round_()")

    assert document["status"] == "repaired", document
    assert "state.data.round_()" in text and ".clone()" in text


def test_what_nobody_reads_afterwards_is_proved_by_the_saved_values(command):
    """Behind the last use the two meanings are one, and nothing is said of a convention."""
    written = "    state.data.mul_(8)\n    optimizer.zero_grad()\n"
    text = MEMORY.format(write="pass").replace("    optimizer.zero_grad()\n", written)
    Path("prog.py").write_text(text)
    document = json.loads(command("repair", "--output-format", "json", "prog.py::main").stdout)

    assert document["status"] == "repaired", document
    assert "state = state.mul(8)" in Path("prog.py").read_text()
    assert FOLLOWED not in json.dumps(document)
