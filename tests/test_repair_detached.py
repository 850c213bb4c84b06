"""`detach_` on a view, which torch refuses: a name bound anew is a repair only where somebody reads it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from proposing import function, offence, patched, proposed

from fixinplace.repair.base import Tier

DETACH = "h.detach_()"
READ = ["h = h.detach()"]
BODIES = {
    "read behind it": ("h = x[0]\nh.detach_()\nreturn act(h)", READ),
    "read before alone": ("h = x[0]\nact(h)\nh.detach_()\nreturn x", []),
    "a loop variable": ("for h in x:\n    h.detach_()\nreturn act(x)", []),
    "a loop variable that is read": ("for h in x:\n    h.detach_()\n    act(h)", READ),
    "bound in each round": ("for s in x:\n    h, c = s\n    act(h)\n    h.detach_()\nreturn x", []),
    "carried into the next round": ("h = x[0]\nfor s in skip:\n    act(h)\n    h.detach_()", READ),
    "another write of it": ("h = x[0]\nh.detach_()\nh = act(x)\nreturn x", []),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_detached_view_is_bound_anew_where_it_is_read(name: str):
    body, lines = BODIES[name]
    text = function(body)
    one = offence(text, DETACH, None, "")
    one = replace(one, writes=(replace(one.writes[0], op="detach_"),))
    found = [patched(text, each) for each in proposed(text, one) if each.repair == "out-of-place"]

    assert found == ([lines] if lines else [])


LOOPS = {
    "every row": ("for h in x:\n    h.detach_()\nreturn act(x)", ["x = x.detach()"]),
    "of an attribute": ("for h in self.x:\n    h.detach_()\nreturn act(self.x)", ["self.x = self.x.detach()"]),
    "another name": ("for s in x:\n    h = s\n    h.detach_()\nreturn act(x)", []),
    "with something else": ("for h in x:\n    h.detach_()\n    act(h)", []),
    "of its pieces": ("for h in x.unbind(1):\n    h.detach_()\nreturn act(x)", ["x.detach_()"]),
    "of pieces of an attribute": (
        "for h in self.x.split(2):\n    h.detach_()\nreturn act(self.x)",
        ["self.x.detach_()"],
    ),
    "of another call": ("for h in x.flip(1):\n    h.detach_()\nreturn act(x)", []),
    "of a function's result": ("for h in act(x):\n    h.detach_()\nreturn act(x)", []),
    "with an else": ("for h in x:\n    h.detach_()\nelse:\n    act(x)", []),
    "in no loop": ("h = x[0]\nh.detach_()\nreturn act(x)", []),
}


@pytest.mark.parametrize("name", LOOPS)
def test_rows_that_a_loop_detaches_are_detached_as_a_whole(name: str):
    body, lines = LOOPS[name]
    text = function(body)
    one = offence(text, DETACH, None, "")
    one = replace(one, writes=(replace(one.writes[0], op="detach_"),))
    found = [patched(text, each) for each in proposed(text, one, Tier.CHOOSE) if each.repair == "detached-rows"]

    assert found == ([lines] if lines else [])


CARRIED = """
import torch
from torch import nn


def repackage(hidden):
    for layer in hidden:
        layer.detach_()
    return hidden


def main():
    torch.manual_seed(0)
    cell = nn.GRUCell(4, 4)
    hidden, losses = torch.zeros(2, 3, 4), []
    for _ in range(2):
        hidden = repackage(hidden)
        hidden = torch.stack([cell(row, row) for row in hidden])
        loss = hidden.pow(2).sum()
        loss.backward()
        losses.append(loss.item())
    return losses
"""


def test_a_hidden_state_that_is_repackaged_row_by_row(command):
    Path("prog.py").write_text(CARRIED)
    result = command("repair", "--output-format", "json", "--choose", "1", "prog.py::main")
    document = json.loads(result.stdout)

    assert (document["status"], document["written"]) == ("choice", True)
    assert "def repackage(hidden):\n    hidden = hidden.detach()\n    return hidden\n" in Path("prog.py").read_text()
