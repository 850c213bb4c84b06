"""Choices where something is updated by hand: parameters, and averages that a loop carries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from choice_programs import PROGRAMS
from choosing import Program, equal, run

from fixinplace.repair.base import Proposal


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


MEANS = PROGRAMS["memory_of_means"]


def constants(one: Program) -> list[Proposal]:
    return [each for each in one.proposals() if "constant altogether" in each.meaning]


def test_an_average_of_detached_values_is_a_constant():
    (proposal,) = constants(MEANS)
    wanted = run(MEANS.text.replace("(classify(h, bank)", "(classify(h, bank.detach())"))
    found = run(MEANS.patched(proposal))

    assert "bank = updated(bank, h.detach(), y)" in MEANS.patched(proposal)
    assert equal(wanted.parameters, found.parameters)
    assert len(set(found.nodes)) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bank = torch.eye(2)", "bank = net(torch.eye(2, 3))"),  # it begins with a graph
        ("classify(h, bank), y", "classify(torch.ones(4, 2), bank), y"),  # the loss would teach nobody
        ("= updated(bank, h, y)", "= updated(bank, h, y) + net[2].bias"),  # weights of its own
        ("= updated(bank, h, y)", "= F.normalize(bank) + 0.1 * net[:2](x).mean(0) + h.mean(0)"),
    ],
)
def test_an_average_is_no_constant_where_something_of_it_would_stay_tracked(old: str, new: str):
    other = replace(MEANS, text=MEANS.text.replace(old, new), save="net(x)@1" if new.count("net(x)") else "net(x)")

    assert other.text != MEANS.text and other.proposals()
    assert not constants(other)


CLIMB = PROGRAMS["climb_and_return"]


def climbing_late(one: Program) -> list[Proposal]:
    return [each for each in one.proposals() if "`ascent.climb()` moved behind" in each.title]


def test_a_climb_behind_both_backwards_is_plain_descent():
    (proposal,) = climbing_late(CLIMB)
    plain = "        optimizer.zero_grad()\n        loss.backward()\n        optimizer.step()\n"
    start, end = CLIMB.text.index("        optimizer.zero_grad()"), CLIMB.text.index("    return [net]")
    wanted, found = run(CLIMB.text[:start] + plain + CLIMB.text[end:]), run(CLIMB.patched(proposal))

    assert equal(wanted.parameters, found.parameters)
    assert equal(found.backwards[0], found.backwards[1])
    assert "has no part in them" in proposal.meaning


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # gradients of both would add up before the climb
        ("ascent.climb()\n        optimizer.zero_grad()\n", "ascent.climb()\n"),
        # the step would find none
        ("p.add_(move)\n", "p.add_(move)\n            p.grad = None\n"),
        ("p.add_(move)\n", "p.add_(move)\n        self.come_back()\n"),
        # another loss, or not the same any more
        ("loss.backward(retain_graph=True)", "loss.sqrt().backward(retain_graph=True)"),
        ("ascent.climb()\n        opt", "loss = loss + 1\n        ascent.climb()\n        opt"),
        # a line between that is no clearing
        ("ascent.climb()\n        opt", "ascent.climb()\n        print(ascent.moves)\n        opt"),
    ],
)
def test_a_climb_is_not_moved_where_it_would_not_find_the_same(old: str, new: str):
    other = replace(CLIMB, text=CLIMB.text.replace(old, new))

    assert other.text != CLIMB.text and other.proposals()
    assert not climbing_late(other)


DECAY = PROGRAMS["decay_in_a_helper"]


def decayed_late(one: Program) -> list[Proposal]:
    return [each for each in one.proposals() if "moved behind" in each.title]


def test_a_decay_by_hand_behind_the_backward_leaves_its_gradients_right():
    (proposal,) = decayed_late(DECAY)
    patched = DECAY.patched(proposal)

    assert "        loss.backward()\n        shrink(0.1, net)\n" in patched
    assert equal(run(DECAY.text, cloned=True).parameters, run(patched).parameters)
    assert "`net` are changed afterwards" in proposal.meaning and "earlier backward" not in proposal.meaning


def test_what_a_helper_goes_through_is_what_it_was_given_by_name_too():
    text = DECAY.text.replace("shrink(0.1, net)", "shrink(rate=0.1, model=net)")
    other = replace(DECAY, text=text, step=["p.data.mul_(1 - rate)", "shrink(rate=0.1, model=net)"])

    assert len(decayed_late(other)) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("model.named_parameters()", "OTHER.named_parameters()"),  # not what it was given
        ("        loss.backward()", "        if x.sum() > 9:\n            break\n        loss.backward()"),
    ],
)
def test_a_decay_is_not_moved_where_it_is_not_known_to_be_of_the_loss_or_another_line_may_jump(old: str, new: str):
    other = replace(DECAY, text=DECAY.text.replace(old, new))

    assert other.text != DECAY.text
    assert not decayed_late(other)


def test_an_update_by_gradients_says_that_they_add_up():
    text = DECAY.text.replace("p.data.mul_(1 - rate)", "p.data -= rate * p.grad")
    text = text.replace("        shrink", "        net(x).mean().backward()\n        shrink")
    other = replace(DECAY, text=text, save="net(x)@1", step=["p.data -= rate * p.grad", "shrink(0.1, net)"])

    assert any("earlier backward" in each.meaning for each in decayed_late(other))


SAM = PROGRAMS["climb_cleared_by_an_optimizer"]
FOUND_TWICE = "they are added to those of the earlier backward"


def moved(one: Program) -> list[Proposal]:
    return [each for each in one.proposals() if each.title.endswith("moved behind `loss.backward()`")]


def test_gradients_that_are_cleared_before_the_update_now_are_not_called_added():
    (proposal,) = moved(SAM)
    start, end = SAM.text.index("        with torch.no_grad()"), SAM.text.index("        opt.step()")
    wanted = run(SAM.text[:start] + SAM.text[end:])

    assert "`opt.zero_grad()` clears those of the earlier backward" in proposal.meaning
    assert FOUND_TWICE not in proposal.meaning
    assert equal(wanted.parameters, run(SAM.patched(proposal)).parameters)


@pytest.mark.parametrize(
    ("optimizer", "clearing", "said"),
    [
        ("net.parameters()", "opt.zero_grad()", "`opt.zero_grad()` clears those of the earlier backward"),
        ("net.parameters()", "if x.sum() > 0:\n            opt.zero_grad()", "unless `opt.zero_grad()` clears those"),
        ("some(net)", "opt.zero_grad()", "added to those of the earlier backward before the step, unless"),
        ("mlp(3, 2).parameters()", "print()", "added to those of the earlier backward before the step."),
    ],
)
def test_what_clears_the_gradients_in_between_decides_what_the_update_finds(optimizer: str, clearing: str, said: str):
    text = SAM.text.replace("SGD(net.parameters()", f"SGD({optimizer}")
    start = text.rindex("opt.zero_grad()")
    text = text[:start] + clearing + text[start + len("opt.zero_grad()") :]
    (proposal,) = moved(replace(SAM, text=text))

    assert said in proposal.meaning
