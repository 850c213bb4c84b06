"""A list that holds the tensor that is written several times: as today, or each entry as it was."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from computing import computed, same
from typer.testing import Result

Command = Callable[..., Result]

STEPS = """
import torch
from torch import nn


class Walk:
    def __init__(self, place):
        self.place, self.seen = place, []

    def keep(self):
        self.seen.append(self.place)

    def go(self, step):
        self.place += step


def main():
    torch.manual_seed(0)
    force = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 2))
    walk, cost = Walk(torch.randn(4, 2)), 0.0
    for _ in range(3):
        walk.keep()
        cost = cost + walk.place.square().mean()
        walk.go(0.1 * force(walk.place.clone()))
    loss = cost + PATH
    loss.backward()
    return [loss.detach(), *[p.grad for p in force.parameters()]]
"""
PATH = "(walk.seen[-1] - walk.seen[0]).square().mean()"


def repaired(command: Command, path: str) -> dict[str, Any]:
    Path("walk.py").write_text(STEPS.replace("PATH", path))
    return json.loads(command("repair", "--output-format", "json", "walk.py::main").stdout)


@pytest.mark.slow
def test_entries_of_one_tensor_are_a_choice(command: Command, tmp_path: Path):
    text, data = STEPS.replace("PATH", PATH), repaired(command, PATH)
    meant = [
        ("walk.place.square()", "walk.place.clone().square()"),
        ("self.place += step", "self.place = self.place + step"),
    ]

    assert (data["status"], data["written"], data["patch"]) == ("choice", False, None)
    assert [each["verdict"] for each in data["choices"]] == ["proved", "unproved"]
    for number, (choice, (old, new)) in enumerate(zip(data["choices"], meant, strict=True)):
        ours, theirs = tmp_path / f"ours{number}", tmp_path / f"theirs{number}"
        for folder, written in ((ours, text), (theirs, text.replace(old, new))):
            folder.mkdir()
            (folder / "walk.py").write_text(written)
        subprocess.run(["git", "apply", "--unsafe-paths", "-"], input=choice["diff"], text=True, cwd=ours, check=True)
        assert same(*computed(ours / "walk.py", theirs / "walk.py")), choice["diff"]


@pytest.mark.slow
def test_entries_that_nobody_reads_are_none(command: Command):
    data = repaired(command, "0.0 * len(walk.seen)")

    assert data["status"] == "repaired" and not data["choices"]
