"""`repair` where the culprit and what was saved are in different functions, files or packages."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each case runs the whole command

COLUMNS = """
import torch
from torch import nn


class Force(nn.Module):
    def __init__(self):
        super().__init__()
        self.damping = nn.Parameter(torch.tensor(0.1))

    def forward(self, position, velocity):
        return position.sin() - self.damping * velocity


def main():
    torch.manual_seed(0)
    force = Force()
    state = torch.randn(4, 2)
    for _ in range(3):
        acceleration = force(state[:, 0], state[:, 1])
        state[:, 1] += 0.1 * acceleration
        state[:, 0] += 0.1 * state[:, 1]
    loss = state.square().mean()
    loss.backward()
    return loss, force.damping.grad
"""
SLOTS = """
import torch
from torch import nn


class Trajectory:
    def __init__(self, length):
        self.rows, self.seen = torch.zeros(length + 1, 3), 0

    def current(self):
        return self.rows[self.seen]

    def push(self, row):
        self.seen += 1
        self.rows[self.seen] = row


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(3, 3)

    def forward(self, x, h):
        f = torch.sigmoid(self.gate(x))
        return (1 - f) * h + f * torch.tanh(f * h)


def main():
    torch.manual_seed(0)
    cell, trajectory = Cell(), Trajectory(6)
    for x in torch.randn(6, 3):
        trajectory.push(cell(x, trajectory.current()))
    loss = trajectory.rows.square().mean()
    loss.backward()
    return loss, cell.gate.weight.grad
"""
LIBRARY = """
import torch


def squashed(x):
    y = torch.sigmoid(x)
    y += 1
    return y
"""
USER = """
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent / "site-packages"))

from squash import squashed


def main():
    torch.manual_seed(0)
    x = torch.randn(3, requires_grad=True)
    loss = squashed(x).square().mean()
    loss.backward()
    return loss, x.grad
"""


def test_what_a_function_keeps_is_cloned_where_it_is_called(command):
    Path("swing.py").write_text(COLUMNS.lstrip())

    result = command("repair", "--output-format", "json", "swing.py::main")

    document = json.loads(result.stdout)
    assert document["status"] == "repaired", document
    assert "force(state[:, 0].clone(), state[:, 1].clone())" in Path("swing.py").read_text()


def test_late_in_a_loop_the_copy_is_as_small_as_at_its_start(command):
    Path("slots.py").write_text(SLOTS.lstrip())

    result = command("repair", "--output-format", "json", "slots.py::main")

    patch = json.loads(result.stdout)["patch"]
    added = [line[1:].strip() for line in patch["diff"].splitlines() if line.startswith("+") and line[:3] != "+++"]
    assert added == ["trajectory.push(cell(x, trajectory.current().clone()))"]


def packaged() -> Path:
    """A user's file and an installed package whose one line is to blame; the package's file."""
    library = Path("site-packages/squash.py")
    library.parent.mkdir()
    library.write_text(LIBRARY.lstrip())
    Path("use.py").write_text(USER.lstrip())
    return library


def test_the_patch_of_a_package_is_proved_and_shown_and_never_written(command):
    library = packaged()

    result = command("repair", "use.py::main")

    assert result.exit_code == 1
    assert f"{library}:6:5  FIP101" in result.stderr
    assert "called at  use.py:14:12  squashed(x)" in result.stderr
    assert "proved: " in result.stderr
    assert "`squash` is installed and never edited" in result.stderr
    assert "+++ b/site-packages/squash.py" in result.stdout
    assert "+    y = y + 1" in result.stdout
    assert library.read_text() == LIBRARY.lstrip()
    assert Path("use.py").read_text() == USER.lstrip()


def test_the_users_own_code_is_edited_before_a_package(command):
    """The package only does what it is told; the copy belongs to the caller."""
    library = packaged()
    library.write_text(
        textwrap.dedent("""
        def squashed(y):
            y += 1
            return y
        """)
    )
    Path("use.py").write_text(USER.lstrip().replace("squashed(x)", "squashed(torch.sigmoid(x))"))

    result = command("repair", "--output-format", "json", "use.py::main")

    document = json.loads(result.stdout)
    assert document["status"] == "repaired", document
    assert "squashed(torch.sigmoid(x).clone())" in Path("use.py").read_text()
