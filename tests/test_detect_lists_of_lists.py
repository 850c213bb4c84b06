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


GROUPS = """\
import torch
import torch.nn as nn


class Critic(nn.Module):
    def __init__(self, n=3, norm=nn.BatchNorm2d):
        super().__init__()
        self.n = n
        groups = [{first}]
        for _ in range(n):
            groups += [[nn.Conv2d(4, 4, 1), norm(4), nn.LeakyReLU(0.2, True)]]
        groups += [[nn.Conv2d(4, 1, 1)]]
        for i in range(len(groups)):
            setattr(self, 'part' + str(i), nn.Sequential(*groups[i]))

    def forward(self, x):
        seen = [x]
        for i in range(self.n + 2):
            part = getattr(self, 'part' + str(i))
            seen.append(part(seen[-1]))
        return seen[1:]
"""


def test_two_modules_in_a_list_are_no_pair_of_a_name_and_a_module() -> None:
    found = fixes(GROUPS.format(first="[nn.Conv2d(4, 4, 1), nn.LeakyReLU(0.2, True)]"))
    assert len(found) == 2 and all(fix.safe for fix in found), [fix.doubts for fix in found]


def test_of_two_modules_the_first_writes_what_it_is_called_with() -> None:
    found = fixes(GROUPS.format(first="[nn.LeakyReLU(0.2, True), nn.Conv2d(4, 4, 1)]"))
    assert not all(fix.safe for fix in found) or len(found) < 2


INSERTED = """\
import torch
import torch.nn as nn


class Block(nn.Module):
    def __init__(self, n, more=True, k=0):
        super().__init__()
        layers = [nn.Conv2d(n, n, 1), nn.ReLU(inplace=True)]
        {change}
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        y = self.block(x)
        return y + x
"""
VIEWED = """\
import torch
import torch.nn as nn


class View(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, tensor):
        return {value}


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), View((-1, 2, 4)), nn.ReLU(True), nn.Conv1d(2, 2, 1))

    def forward(self, x):
        return self.body(x)
"""


@pytest.mark.parametrize(("value", "known"), [
    ("tensor.view(self.size)", True), ("tensor.reshape(*self.size)", True), ("self.size.view(tensor.shape)", False),
])  # fmt: skip
def test_a_view_of_what_the_part_before_has_made(value: str, known: bool) -> None:
    (fix,) = fixes(VIEWED.format(value=value))
    assert fix.safe is known, fix.doubts


BEHIND = {
    "between them": "layers.insert(1, nn.BatchNorm2d(n))",
    "on some way": "if more:\n            layers.insert(1, nn.BatchNorm2d(n))",
    "in front": "layers.insert(0, nn.Conv2d(n, n, 1))",
    "before more is appended": "layers.insert(1, nn.BatchNorm2d(n))\n        layers.append(nn.ReLU(inplace=True))",
}
IN_FRONT = {
    "an activation in front": "layers.insert(0, nn.ReLU(inplace=True))",
    "somewhere": "layers.insert(k, nn.ReLU(inplace=True))",
    "counted from the end": "layers.insert(-2, nn.ReLU(inplace=True))",
    "by another name": "other = layers\n        other.insert(0, nn.ReLU(inplace=True))",
    "what hands on what it is given": "layers = layers[1:]\n        layers.insert(0, nn.Identity())",
}


@pytest.mark.parametrize("change", BEHIND.values(), ids=BEHIND.keys())
def test_a_module_that_is_inserted_at_a_place_stands_there(change: str) -> None:
    found = fixes(INSERTED.format(change=change))
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize("change", IN_FRONT.values(), ids=IN_FRONT.keys())
def test_what_may_stand_in_front_writes_what_it_is_called_with(change: str) -> None:
    found = fixes(INSERTED.format(change=change))
    assert not all(fix.safe and len(fix.edits) == 1 for fix in found) or len(found) < change.count("ReLU") + 1
