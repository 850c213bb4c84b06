"""Layers that may have been passed in, or come from a default that a table has no key for: nothing of that is `safe`."""

from __future__ import annotations

import pytest
from test_detect_large_files import safe

from fixinplace import config, pipeline
from fixinplace.model import Fix
from fixinplace.rewrite.forms import ask_names
from fixinplace.source import parse

NET = """\
class Net(nn.Module):
    def __init__(self, dim, {parameter}):
        super().__init__()
        self.fc = nn.Linear(dim, dim)
        {made}

    def forward(self, x):
        y = self.fc(x)
        z = self.extra(y)
        z += 1
        return z * y.exp()

"""
LAYER = "nn.Linear(dim, dim)"
MADE = {
    "a list or one": ("blocks=None", f"self.extra = nn.Sequential(*(blocks or [{LAYER}]))"),
    "one of two": ("blocks=None", f"self.extra = nn.Sequential(*([{LAYER}] if blocks is None else blocks))"),
    "one that is bound": (
        "blocks=None", f"if blocks is None:\n            blocks = [{LAYER}]\n        self.extra = nn.Sequential(*blocks)"),
    "the first": ("layers=None", f"self.extra = (layers or [{LAYER}])[0]"),
    "a table": ("table=None, kind='a'", f"self.extra = (table or {{'a': {LAYER}}})[kind]"),
    "a table of classes": ("table=None", "table = table or {'a': nn.Tanh}\n        self.extra = table['a']()"),
    "a default": ("kind='a'", f"self.extra = {{'a': {LAYER}}}.get(kind, nn.Identity())"),
    "a default of a name": ("kind='a'", f"table = {{'a': {LAYER}}}\n        self.extra = table.pop(kind, nn.Identity())"),
}  # fmt: skip
SETS = {
    "by a computed name": "def without(model):\n    for name, part in model.named_children():\n"
    "        setattr(model, name, nn.Identity())\n",
    "added": "def without(model):\n    model.add_module('extra', nn.Identity())\n",
}


@pytest.mark.parametrize("name", MADE)
def test_what_may_be_passed_in_may_hand_on_its_input(name):
    parameter, made = MADE[name]

    assert not safe(NET.format(parameter=parameter, made=made))


@pytest.mark.parametrize("name", SETS)
def test_a_function_that_sets_parts_of_any_module_may_be_given_this_one(name):
    assert not safe(NET.format(parameter="n=1", made=f"self.extra = {LAYER}") + SETS[name])


def test_what_is_made_here_alone_is_new():
    for made in (
        LAYER,
        f"nn.Sequential(*([{LAYER}] or [{LAYER}]))",
        f"{{'a': {LAYER}}}.get(n, {LAYER})",
        f"{{'a': {LAYER}}}['a']",
    ):
        assert safe(NET.format(parameter="n='a'", made=f"self.extra = {made}")), made


@pytest.mark.parametrize(("shorter", "assumed"), [("self.down(y)", True), ("y.clone()", False)])
def test_a_name_for_what_code_out_of_sight_returned_is_told_to_be_no_view(shorter, assumed):
    text = f"""\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim, down=None):
        super().__init__()
        self.fc, self.down = nn.Linear(dim, dim), down

    def forward(self, x):
        y = self.fc(x)
        z = {shorter} if len(x) > 2 else y
        z += 1
        return z * y.exp()
"""
    (finding,) = pipeline.analyse(parse("block.py", text.encode()), config.selected((), ())).findings

    assert isinstance(finding.outcome, Fix)
    assert finding.outcome.rewrite == "ask-names"
    assert (ask_names.ASSUMES in finding.outcome.assumes) is assumed
