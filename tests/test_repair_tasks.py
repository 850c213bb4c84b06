"""Several tasks on one trunk, an optimizer for each: what every option computes, and when it is not offered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from choice_programs import PROGRAMS
from choice_tasks import THREE
from choosing import PATH, Program, equal, offences, run, traced

from fixinplace.repair import chained
from fixinplace.repair.base import Proposal
from fixinplace.repair.patching import compose
from fixinplace.repair.proposed import choices

TRUNK, DICT = PROGRAMS["two_optimizers_of_one_trunk"], PROGRAMS["tasks_in_a_dict"]
TASKS = {name: PROGRAMS[f"tasks_{name}"] for name in ("in_a_dict", "in_a_list", "written_out")}


def offered(one: Program, word: str) -> list[Proposal]:
    return [each for each in one.proposals() if word in f"{each.title} {each.meaning}"]


@pytest.mark.parametrize("name", TASKS)
def test_kept_gradients_train_as_the_original_was_meant(name: str):
    (proposal,) = offered(TASKS[name], "which are kept")

    assert equal(run(TASKS[name].text, cloned=True).parameters, run(TASKS[name].patched(proposal)).parameters)


@pytest.mark.parametrize("name", TASKS)
def test_one_optimizer_steps_everything_once_on_the_sum(name: str):
    """As plain descent on the sum of both losses would; stepped once by each, the trunk goes twice as far."""
    one = TASKS[name]
    once = replace(one, text=one.text.replace("randn(2, 5, 4)", "randn(1, 5, 4)"))
    (joint,), (summed,) = offered(once, "One optimizer for all"), offered(once, "before all rounds")
    start = run(once.text.replace("step()", "zero_grad()"), cloned=True).parameters
    joined, twice = run(once.patched(joint)), run(once.patched(summed)).parameters

    for key, first in start.items():
        total = sum(gradients[key] for gradients in joined.backwards if key in gradients)
        moved = -0.1 * total
        assert (joined.parameters[key] - first - moved).abs().max() < 1e-6
        assert (twice[key] - first - moved * (2 if key.startswith("0.") else 1)).abs().max() < 1e-6


def test_one_optimizer_of_two_takes_one_step_for_both():
    once = replace(TRUNK, text=TRUNK.text.replace("randn(2, 5, 4)", "randn(1, 5, 4)"))
    (joint,) = offered(once, "One optimizer for all")
    text = once.patched(joint)

    assert "[*trunk.parameters(), *left.parameters(), *right.parameters()]" in text and "opt_right" not in text
    start, found = run(once.text.replace("step()", "zero_grad()"), cloned=True).parameters, run(text)
    for key, first in start.items():
        total = sum(gradients[key] for gradients in found.backwards if key in gradients)
        assert (found.parameters[key] - first + 0.1 * total).abs().max() < 1e-6


LAST = "        opt_right.step()\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("*right.parameters()], lr=0.1", "*right.parameters()], lr=0.2"),  # what they share would get one of two rates
        ("[*trunk.parameters(), *right.parameters()]", "right.parameters()"),  # they share nothing
        (LAST, f"{LAST}    print(len(opt_right.state))\n"),
        ("        opt_right.zero_grad()\n", "        opt_left.zero_grad()\n        opt_right.zero_grad()\n"),
    ],
)
def test_two_optimizers_are_not_made_one_where_that_would_be_something_else(old: str, new: str):
    other = replace(TRUNK, text=TRUNK.text.replace(old, new))

    assert other.text != TRUNK.text
    assert not offered(other, "One optimizer for all")


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("lr=0.1", "lr=0.1 if name == 'left' else 0.2", ["One optimizer"]),
        ("    return [trunk", "    print(len(optimizers))\n    return [trunk", ["One optimizer"]),
        ("zero_grad()", "zero_grad(set_to_none=False)", ["One optimizer", "before all rounds", "which are kept"]),
        ("            optimizers[name].zero_grad()\n", "", ["One optimizer", "before all rounds", "which are kept"]),
        ("[*trunk.parameters(), *heads[name].parameters()]", "heads[name].parameters()",
         ["One optimizer", "before all rounds", "which are kept"]),
    ],
)  # fmt: skip
def test_a_loop_over_tasks_is_not_rewritten_where_that_would_be_something_else(old: str, new: str, missing: list[str]):
    other = replace(DICT, text=DICT.text.replace(old, new))

    assert other.text != DICT.text
    assert [
        word for word in ("One optimizer", "before all rounds", "which are kept") if not offered(other, word)
    ] == missing


def test_what_limits_each_backward_to_its_optimizer_is_not_offered_where_they_share():
    """The last clearing would leave every step with the gradients of the last round."""
    apart = replace(
        DICT, text=DICT.text.replace("[*trunk.parameters(), *heads[name].parameters()]", "heads[name].parameters()")
    )

    assert offered(apart, "limited to its optimizer") and not offered(DICT, "limited to its optimizer")


def test_a_line_that_sees_other_weights_than_before_is_told():
    clearing, line = "        opt_right.zero_grad()\n", "        seen = trunk(x).sum()\n"
    other = replace(TRUNK, text=TRUNK.text.replace(clearing, line + clearing), save="trunk(x)@1")
    told = [each.meaning for one in (TRUNK, other) for each in offered(one, "One optimizer for all")]

    assert ["weights from before the step" in each for each in told] == [False, True]


@pytest.mark.parametrize("kind", ["taken_ahead", "reordered", "jointly", "recomputed"])
def test_a_choice_goes_on_to_the_last_of_three_losses(kind: str):
    files = {PATH: THREE.code}.get
    proposal = next(each for each in traced(THREE) if each.kind.startswith(kind))
    once = compose({PATH: THREE.code}, [proposal])
    more = chained.once_more(proposal, once, offences(once.rewritten[0].text), files, choices)

    assert "modified by an inplace operation" in run(THREE.text).error
    assert (more is None) is (kind == "jointly")  # which looks at all of them at once
    if more is not None:
        text = compose({PATH: THREE.code}, [more]).rewritten[0].text
        assert "modified by an inplace operation" in run(once.rewritten[0].text).error and run(text).error == ""
        sentences = more.meaning.rstrip(".").split(". ")
        assert len(sentences) == len(set(sentences)) and "_last" in f"{more.title} {more.meaning}"


def test_a_list_that_others_are_put_together_from_counts_as_shared():
    """A backward limited to the one would clear the other's gradients of what they share."""
    text = TRUNK.text.replace("    opt_left =", "    shared = list(trunk.parameters())\n    opt_left =")
    for name in ("left", "right"):
        text = text.replace(f"[*trunk.parameters(), *{name}.parameters()]", f"shared + list({name}.parameters())")
    other = replace(TRUNK, text=text)

    assert text.count("shared +") == 2
    assert not offered(other, "limited to") and offered(other, "One optimizer for all")
