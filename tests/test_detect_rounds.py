"""What a round of a loop made is not what the next one makes, whichever branch makes it."""

from __future__ import annotations

import pytest
from rewriting import fixes

from fixinplace.detect import rounds

FUSE = """\
import torch
import torch.nn as nn


class Fuse(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.num_branches = n
        self.layers = nn.ModuleList([nn.ModuleList([nn.Conv2d(3, 3, 1) for _ in range(n)]) for _ in range(n)])
        self.relu = nn.ReLU(True)

    def forward(self, x):
        {guard}
        outs = []
        for i in range(len(self.layers)):
            y = x[0] if i == 0 else self.layers[i][0](x[0])
            for j in {rounds}:
                if i == j:
                    y = y + x[j]
                else:
                    y = y + self.layers[i][j](x[j])
            {last}
        return outs
"""
ONE = "if self.num_branches == 1:\n            return [x[0]]"
SEVERAL = {
    "a number known": ("pass", "(1, 2)"),
    "one returned for": (ONE, "range(1, self.num_branches)"),
    "one or less": (ONE.replace("==", "<="), "range(1, self.num_branches)"),
    "one raised for": (ONE.replace("return [x[0]]", "raise ValueError(x)"), "range(1, self.num_branches)"),
}


@pytest.mark.parametrize("guard, rounds", SEVERAL.values(), ids=SEVERAL.keys())
def test_a_sum_that_begins_with_what_was_passed_in_is_new_behind_a_loop_that_adds(guard: str, rounds: str) -> None:
    (fix,) = fixes(FUSE.format(guard=guard, rounds=rounds, last="outs.append(self.relu(y))"))
    assert fix.safe, fix.doubts


PERHAPS = {
    "no round": ("pass", "range(1, self.num_branches)"),
    "two returned for": (ONE.replace("1:", "2:", 1), "range(1, self.num_branches)"),
    "another number": (ONE, "range(1, len(x))"),
    "nothing returned": (ONE.replace("return", "print"), "range(1, self.num_branches)"),
    "more than one": (ONE.replace("==", "!="), "range(1, self.num_branches)"),
    "changed since": (f"{ONE}\n        self.num_branches = self.num_branches - 1", "range(1, self.num_branches)"),
    "of another": (f"{ONE}\n        self = x[-1]", "range(1, self.num_branches)"),
    "two more": (ONE, "range(2, self.num_branches)"),
    "a function of that name": (f"range = x.rounds\n        {ONE}", "range(1, self.num_branches)"),
}


@pytest.mark.parametrize("guard, rounds", PERHAPS.values(), ids=PERHAPS.keys())
def test_it_may_be_what_was_passed_in_if_no_round_adds(guard: str, rounds: str) -> None:
    assert not any(fix.safe for fix in fixes(FUSE.format(guard=guard, rounds=rounds, last="outs.append(self.relu(y))")))


def test_a_number_of_steps_may_be_none() -> None:
    text = FUSE.format(guard=ONE, rounds="range(1, self.num_branches)", last="outs.append(self.relu(y))")
    assert not any(fix.safe for fix in fixes(text.replace("num_branches", "num_steps")))
    assert [rounds.SEVERAL in fix.assumes for fix in fixes(text)] == [True]


def test_a_number_that_a_method_changes_may_be_none() -> None:
    text = FUSE.format(guard=ONE, rounds="range(1, self.num_branches)", last="outs.append(self.relu(y))")
    shrink = "\n    def shrink(self):\n        self.num_branches -= 1\n"
    assert not any(fix.safe for fix in fixes(text + shrink))


def test_the_guard_stands_before_the_loop() -> None:
    text = FUSE.format(guard="pass", rounds="range(1, self.num_branches)", last="outs.append(self.relu(y))")
    assert not any(
        fix.safe for fix in fixes(text.replace("        return outs", f"        {ONE}\n        return outs"))
    )


KEPT = {
    "the list has it already": "outs.append(y)\n            self.relu(y)",
    "the list of the last round is read": "outs.append(y)\n            if i > 0:\n                self.relu(outs[-2])",
    "a name carries it over": "outs.append(y)\n            y = outs[0]\n            self.relu(y)",
}


@pytest.mark.parametrize("last", KEPT.values(), ids=KEPT.keys())
def test_what_the_list_holds_is_still_held(last: str) -> None:
    assert not any(fix.safe for fix in fixes(FUSE.format(guard="pass", rounds="(1, 2)", last=last)))
