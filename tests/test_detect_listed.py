"""Lists of modules that a forward goes through: their parts are known if nobody changes the list."""

from __future__ import annotations

import pytest
from rewriting import findings, fixed, fixes

from fixinplace.model import Fix

IMPORTS = "import torch\nfrom torch import nn\n"

CODE = """class UNet(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.downs = nn.ModuleList([double(4, 4), double(4, 4)])
        {init}

    def forward(self, x):
        kept = []
        {loop}
        return x, kept


def double(i, o):
    return nn.Sequential(nn.Linear(i, o), nn.ReLU(inplace=True), nn.Linear(o, o), nn.ReLU(inplace=True))


{rest}
"""
LOOP = "for down in self.downs:\n            x = down(x)\n            kept.append(x)"


def code(init: str = "pass", loop: str = LOOP, rest: str = "") -> str:
    return CODE.format(init=init, loop=loop, rest=rest)


FIXED = {
    "gone through": code(),
    "measured": code("self.count = len(self.downs)"),
    "counted": code(loop=LOOP.replace("down in self.downs", "i, down in enumerate(self.downs)")),
    "beside others": code(loop=LOOP.replace("down in self.downs", "down, k in zip(self.downs, range(2))")),
    "one by one": code(loop="x = self.downs[0](x)\n        kept.append(x)\n        x = self.downs[1](x)"),
    "by a number": code(loop="for i in range(2):\n            x = self.downs[i](x)\n            kept.append(x)"),
    "other layers": code().replace("double(4, 4), double(4, 4)", "nn.Linear(4, 4), double(4, 4)"),
    "from a comprehension": code().replace("[double(4, 4), double(4, 4)]", "[double(4, 4) for _ in range(n)]"),
}  # fmt: skip
ADDED = "for down in self.downs:\n            x = down(x)\n            x += 1\n            kept.append(x)"
CHANGED = {
    "added to": code("self.downs.append(nn.Identity())", ADDED),
    "added to as a sum": code("self.downs += [nn.Identity()]", ADDED),
    "an element replaced": code("self.downs[0] = nn.Identity()", ADDED),
    "under another name": code("downs = self.downs\n        downs.append(nn.Identity())", ADDED),
    "handed on": code("extend(self.downs)", ADDED, "def extend(downs):\n    downs.append(nn.Identity())"),
    "by its name": code("getattr(self, 'downs').append(nn.Identity())", ADDED),
    "set by its name": code("setattr(self, 'downs', [nn.Identity()])", ADDED),
    "bound again": code("self.downs = [nn.Identity()]", ADDED),
    "bound again elsewhere": code("pass", ADDED, "def change(net):\n    net.downs = [nn.Identity()]"),
    "added to by a class below": code(
        "pass",
        ADDED,
        "class Below(UNet):\n    def __init__(self):\n        super().__init__(4)\n"
        "        self.downs.append(nn.Identity())",
    ),
    "added to by a function": code("pass", ADDED, "def fill(net):\n    net.downs.append(nn.Identity())"),
    "added to by a nested function": code(
        "def fill(net):\n            net.downs.append(nn.Identity())\n        fill(self)", ADDED
    ),
    "a part of it": code("pass", ADDED.replace("self.downs", "self.downs[:n]")),
}
PARTS = {
    "parts of its elements": code(loop="for down in self.downs:\n            for part in down:\n                x = part(x)\n"
                                  "                kept.append(x)"),
    "a part replaced": code("for down in self.downs:\n            down[0] = nn.Identity()"),
    "a part taken out": code("for down in self.downs:\n            down.pop(0)"),
    "a part added": code("for down in self.downs:\n            down.add_module('0', nn.Identity())"),
}  # fmt: skip
FIRST = {
    "one part of an element": code(loop="x = self.downs[0][0](x)\n        kept.append(x)\n        x = self.downs[0][1](x)"),
    "an element that begins in place": code().replace("nn.Sequential(nn.Linear(i, o), ", "nn.Sequential("),
}  # fmt: skip


def test_what_comes_from_a_fixed_list_is_new() -> None:
    assert [fix.safe for fix in fixes(code(loop=ADDED)) if "x + 1" in fix.title] == [True]


@pytest.mark.parametrize("text", CHANGED.values(), ids=CHANGED.keys())
def test_a_list_that_somebody_may_change_may_hold_what_hands_on(text: str) -> None:
    assert not any(fix.safe for fix in fixes(text) if "x + 1" in fix.title)


@pytest.mark.parametrize("text", FIXED.values(), ids=FIXED.keys())
def test_parts_of_a_list_that_nobody_changes_are_known(text: str) -> None:
    found = fixes(text)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize("text", PARTS.values(), ids=PARTS.keys())
def test_parts_of_elements_that_are_reached_or_changed_are_left_to_a_run(text: str) -> None:
    assert not any(fix.safe for fix in fixes(text))


@pytest.mark.parametrize("text", FIRST.values(), ids=FIRST.keys())
def test_the_first_flag_is_left_to_a_run_and_the_one_behind_a_linear_is_not(text: str) -> None:
    (safe,) = [fix for fix in findings(IMPORTS + text) if isinstance(fix.outcome, Fix) and fix.outcome.safe]
    assert fixed(IMPORTS + text, (safe,)) == IMPORTS + "nn.ReLU()".join(text.rsplit("nn.ReLU(inplace=True)", 1))


def test_an_element_that_is_in_place_is_left_alone() -> None:
    found = fixes(code().replace("double(4, 4), double", "nn.ReLU(inplace=True), double"))
    assert ["Linear" in fix.title for fix in found if fix.safe] == [True, True]
