"""Constructors that test a switch more than once: which parts a `Sequential` has under either value."""

from __future__ import annotations

import ast
from itertools import product

import pytest
import torch
from rewriting import cloned, findings, fixed, fixes
from test_detect_flags import net, results

from fixinplace.detect.assumed import NOTHING, outcome, readings

SWITCHES = ", reps=1, grow=True, start=True"
GROWN = """
rep = []
if grow:
    rep.append(nn.ReLU(inplace=True))
    rep.append(nn.Conv2d(n, n, 1))
    rep.append(nn.BatchNorm2d(n))
for _ in range(reps - 1):
    rep.append(nn.ReLU(inplace=True))
    rep.append(nn.Conv2d(n, n, 1))
if not grow:
    rep.append(nn.ReLU(inplace=True))
    rep.append(nn.Conv2d(n, n, 1))
if not start:
    rep = rep[1:]
else:
    rep[0] = nn.ReLU(inplace=False)
self.rep = nn.Sequential(*rep)
""".strip()
ADDED = "h = self.conv(x)\ny = self.rep(h)\ny += h\nreturn y"
OWN_INPUT = "y = self.rep(x)\ny += x\nreturn y"


def block(init: str = GROWN, forward: str = OWN_INPUT, switches: str = SWITCHES) -> str:
    """A residual block whose branch is put together under switches."""
    return net(init, forward, more=switches)


def added(text: str) -> bool:
    """True if `y += ...` is safe; it is planned in any case."""
    (fix,) = [one for one in fixes(text) if "y = y + " in one.title]
    return fix.safe


@pytest.mark.parametrize("forward", [ADDED, OWN_INPUT])
def test_one_of_two_branches_adds_a_part(forward: str):
    assert added(block(forward=forward))


@pytest.mark.parametrize("values", [*product((1, 2), (True, False), (True, False))])
def test_the_block_computes_the_same_under_every_value(values: tuple[int, bool, bool]):
    text = block(switches=", reps={}, grow={}, start={}".format(*values))
    changed = fixed(text, findings(text))
    assert changed != text
    with cloned():
        before = results(text, "Net")
    assert all(map(torch.equal, before, results(changed, "Net")))


EMPTY = {
    "the same test twice": block(GROWN.replace("if not grow", "if grow")),
    "two switches": block(GROWN.replace("if not grow", "if not start").replace("else:\n    rep[0] = nn.ReLU(inplace=False)\n", "")),
    "bound again in between": block(GROWN.replace("for _ in", "grow = True\nfor _ in")),
    "bound by a loop": block(GROWN.replace("for _ in", "for grow in")),
    "no bool by its default": block(switches=", reps=1, grow=None, start=True"),
    "without a default": block(GROWN, switches=", reps=1, grow=(), start=True"),
    "only one of them": block(GROWN.replace("if not grow:", "if reps > 7:")),
    "all but the first": block(GROWN.replace("    rep.append(nn.Conv2d(n, n, 1))\n    rep.append(nn.BatchNorm2d(n))\n", "")
                               .replace("    rep.append(nn.ReLU(inplace=True))\n    rep.append(nn.Conv2d(n, n, 1))\nif not start",
                                        "    rep.append(nn.ReLU(inplace=True))\nif not start")),
}  # fmt: skip


@pytest.mark.parametrize("name", EMPTY)
def test_a_branch_that_may_have_no_part_returns_its_input(name: str):
    assert not added(EMPTY[name])


def test_a_view_of_what_it_is_given_is_not_the_thing_itself():
    """A part that may turn its input round makes `y` and `h` share memory in another order."""
    turned = "rep = []\nif n > 3:\n    rep.append(nn.Unflatten(1, (1, n)))\nself.rep = nn.Sequential(*rep)"
    assert added(block("rep = []\nif n > 3:\n    rep.append(nn.ReLU())\nself.rep = nn.Sequential(*rep)", ADDED))
    assert not added(block(turned, ADDED))


def test_what_is_assumed_of_a_test():
    function = ast.parse("def __init__(self, a=True, *, b: bool, c=1, d=False):\n if a: pass\n if not a: pass\n"
                         " while b:\n  if b: pass\n if not b: pass\n if c: pass\n if c: pass\n if d: pass").body[0]  # fmt: skip
    assert isinstance(function, ast.FunctionDef)
    assert [dict(each) for each in readings(function)] == [
        {"a": one, "b": other} for one, other in product((True, False), repeat=2)
    ]
    tests = {text: ast.parse(text, mode="eval").body for text in ("a", "not a", "not not a", "a and b", "z")}
    assert {text: outcome(test, {"a": False}) for text, test in tests.items()} == {
        "a": False, "not a": True, "not not a": None, "a and b": None, "z": None,
    }  # fmt: skip


def test_only_constructors_are_read_more_than_once():
    function = ast.parse("def forward(self, a=True):\n if a: pass\n if not a: pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    assert readings(function) == [NOTHING]
