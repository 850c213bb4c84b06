"""Entries of dicts that count are no tensors; classes that come from a table or a call make modules all the same."""

from __future__ import annotations

import pytest
from rewriting import findings
from test_rewrite_listed import program

from fixinplace.model import Fix

COUNTED = {
    "beside a tensor": "s = {'h': x * 1, 'n': 0}\nfor _ in range(3):\n    s['n'] += 1\nreturn s['h'] / s['n']",
    "given later": "s = {'h': x * 1}\ns['n'] = 0\ns['n'] -= 2\nreturn s['h'] / s['n']",
    "by a word": "s = dict(h=x * 1, n=1.5)\ns['n'] *= 2\nreturn s['h'] / s['n']",
    "by a length": "s = {'h': x * 1, 'n': 0}\ns['n'] += len(x)\nreturn s['h'] / s['n']",
}
WRITTEN = {
    "a tensor": "s = {'h': x * 1, 'n': 0}\ns['h'] += 1\nreturn s['h'] + s['n']",
    "a number or a tensor": "s = {'h': x * 1, 'n': 0}\ns['n'] = x * 2\ns['n'] += 1\nreturn s['h'] + s['n']",
    "a tensor that is added": "s = {'h': x * 1, 'n': 0}\nfor _ in range(3):\n    s['n'] += x\nreturn s['h'] + s['n']",
    "put in by a method": "s = {'h': x * 1, 'n': 0}\ns.update({'n': x * 2})\ns['n'] += 1\nreturn s['h'] + s['n']",
    "under a name": "s = {'h': x * 1, 'n': 0}\nk = 'h'\ns[k] += 1\nreturn s['h'] + s['n']",
}
MODEL = """\
from torch import nn
from layers import Act, get_act


class Net(nn.Module):
    def __init__(self, kind):
        super().__init__()
        made = Act[kind]
        self.conv = nn.Conv2d(3, 3, 1)
        self.act = {act}

    def forward(self, x):
        return self.act(self.conv(x))
"""
CLASSES = [
    "made(inplace=True)", "get_act(kind)(inplace=True)", "nn.Sequential(made(inplace=True))",
    "{'relu': nn.ReLU, 'elu': nn.ELU}[kind](inplace=True)",
]  # fmt: skip
OTHERS = [
    "made(inplace=False)", "get_act(kind)(3)", "made(conv, inplace=True)", "kind.drop(inplace=True)", "print(inplace=True)",
]  # fmt: skip


@pytest.mark.parametrize("body", COUNTED.values(), ids=COUNTED.keys())
def test_an_entry_that_counts_is_no_tensor(body: str):
    assert not [one for one in findings(program(body)) if "'n'" in one.message]


@pytest.mark.parametrize("body", WRITTEN.values(), ids=WRITTEN.keys())
def test_an_entry_that_may_be_a_tensor_is_found(body: str):
    assert [one for one in findings(program(body)) if "s[" in one.message]


@pytest.mark.parametrize("act", CLASSES)
def test_a_class_out_of_a_table_or_a_call_makes_a_module_that_writes(act: str):
    (one,) = findings(MODEL.replace("{act}", act))
    assert one.rule == "FIP107" and isinstance(one.outcome, Fix) and not one.outcome.safe
    assert "which class is passed in is not known" in one.outcome.doubts


@pytest.mark.parametrize("act", OTHERS)
def test_what_is_given_a_tensor_or_is_no_class_is_left_alone(act: str):
    assert not findings(MODEL.replace("{act}", act))
