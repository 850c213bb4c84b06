"""Lists of modules that grow inside a list: `self.branches[-1].append(block)`."""

from __future__ import annotations

import pytest
from rewriting import fixes

CODE = """\
import torch
import torch.nn as nn


def block(n):
    return nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(inplace=True))


class Net(nn.Module):
    def __init__(self, n=2):
        super().__init__()
        self.rows = nn.ModuleList()
        for i in range(n):
            self.rows.append(nn.ModuleList())
            for j in range(n):
                {grow}
        {more}

    def forward(self, x, k=0):
        for i, row in enumerate(self.rows):
            y = {call}
            x = y + x
        return x
"""


def safe(grow: str = "self.rows[-1].append(block(4))", call: str = "row[k](x)", more: str = "pass") -> bool:
    return all(fix.safe for fix in fixes(CODE.format(grow=grow, call=call, more=more)))


@pytest.mark.parametrize("call", ["row[k](x)", "self.rows[i][k](x)", "row[0](x) * 2"])
def test_the_lists_of_a_list_are_followed(call: str) -> None:
    assert safe(call=call)
    assert safe(call=call, grow="self.rows[i].append(block(4))")
    assert safe(call=call, grow="self.rows[i].extend([block(4), nn.Conv2d(4, 4, 1)])")


@pytest.mark.parametrize("call", ["row[k](x)", "self.rows[i][k](x)", "row[0](x) * 2"])
def test_what_may_be_the_first_of_them_writes_what_it_is_called_with(call: str) -> None:
    found = fixes(CODE.format(grow="self.rows[-1].append(nn.ReLU(inplace=True))", call=call, more="pass"))
    assert len(found) == 2
    assert not (found[1].safe and len(found[1].edits) == 1)


OTHERS = {
    "another list": "self.rows.append(make(n))",
    "one that is bound": "self.rows = make(n)",
    "one that is replaced": "self.rows[0] = nn.ModuleList([nn.ReLU(inplace=True)])",
    "one that is kept": "self.first = self.rows[0]",
    "one that is handed on": "fill(self.rows[0])",
    "one that grows in front": "self.rows.insert(0, make(n))",
    "a slice": "self.rows[:1].append(block(4))",
}


@pytest.mark.parametrize("more", OTHERS.values(), ids=OTHERS.keys())
def test_lists_that_others_may_change_are_not_followed(more: str) -> None:
    assert not safe(more=more)
