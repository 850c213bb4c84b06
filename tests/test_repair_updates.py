"""Choices where parameters are updated by hand: what an update that comes later has used, and what it finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from choice_programs import PROGRAMS
from choosing import equal, run


def test_an_update_by_hand_behind_both_backwards_takes_their_sum():
    """Where both updates write the same parameters, the first clears what it has used, and the second finds nothing."""
    one = PROGRAMS["by_hand_past_autograd"]
    (proposal,) = [each for each in one.proposals() if "moved behind" in each.title]
    first, last = (f"step([*body.parameters(), *{name}.parameters()], 0.1)" for name in ("near", "far"))
    whole = last.replace("*far", "*near.parameters(), *far")
    wanted = run(one.text.replace(f"        {first}\n", "").replace(last, whole))

    assert wanted.error == ""
    assert equal(wanted.parameters, run(one.patched(proposal)).parameters)
    assert "a later update finds no gradient" in proposal.meaning


@pytest.mark.parametrize(
    ("clearing", "instead"),
    [
        ("            p.grad = None\n", ""),
        ("            p.grad = None\n", "            rate.grad = None\n"),
        ("            p.grad = None\n", "            if rate > 1:\n                p.grad = None\n"),
    ],
)
def test_an_update_by_hand_that_keeps_its_gradients_is_not_moved_before_the_next(clearing: str, instead: str):
    """The next one would take them a second time."""
    one = PROGRAMS["by_hand_past_autograd"]
    assert clearing in one.text
    other = replace(one, text=one.text.replace(clearing, instead))

    assert other.proposals()
    assert not [each for each in other.proposals() if "moved behind" in each.title]
