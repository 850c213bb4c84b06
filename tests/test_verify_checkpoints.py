"""Reentrant checkpoints: their backward runs inside another one, and the derivative is that of what they compute."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import program

from fixinplace.model import Verdict
from fixinplace.verify.independent import CHECK
from fixinplace.verify.runner import Runner

HEAD = """
import torch
from torch.utils.checkpoint import checkpoint
x = torch.randn(4, 4, requires_grad=True)
w = torch.randn(4, 4, requires_grad=True)
"""
CALL = "y = checkpoint(f, x * 1, use_reentrant=True)\n"
SAVED = "def f(a):\n    b = (a * w).exp()\n    b *= 2\n    return b\n"
WRITTEN = "def f(a):\n    r = a * w\n    a += r\n    return a * 1\n"

AGREES = {
    "leaves inside and outside": (SAVED + CALL + "(y * w).sum().backward()\n", "b *= 2", "b = b * 2"),
    "one in the other": (
        SAVED + "def g(a):\n    return checkpoint(f, a * w, use_reentrant=True) + a\n"
        "checkpoint(g, x * 1, use_reentrant=True).sum().backward()\n",
        "b *= 2",
        "b = b * 2",
    ),
    "a tracked tensor that is no argument": (
        "k = w * 3\n" + SAVED.replace("a * w", "a * k") + CALL + "y.sum().backward()\n",
        "b *= 2",
        "b = b * 2",
    ),
    "no tracked argument": (
        SAVED
        + "y = checkpoint(f, x.detach(), use_reentrant=True)\nz = (x * w).exp()\nz *= 3\n(y * z).sum().backward()\n",
        "z *= 3",
        "z = z * 3",
    ),
}


@pytest.mark.parametrize("name", AGREES)
def test_the_derivative_is_compared_through_a_checkpoint(name: str, lab: Runner, tmp_path: Path):
    text, old, new = AGREES[name]
    ruling = program(tmp_path, HEAD + text).judge(lab, old, new).ruling
    assert ruling.verdict is Verdict.PROVED, ruling
    assert CHECK in ruling.evidence[0].checks, ruling.evidence[0].notes


ONLY_FORWARD = {
    "the argument is written": WRITTEN + CALL + "y.sum().backward()\n",
    "and leaves are used outside as well": WRITTEN + CALL + "(y * w * x).sum().backward()\n",
    "two in a row": WRITTEN + "y = x * 1\nfor _ in range(2):\n    y = checkpoint(f, y, use_reentrant=True)\n"
    "y.sum().backward()\n",
    "the argument is given back": WRITTEN.replace("a * 1", "a") + CALL + "y.sum().backward()\n",
}


@pytest.mark.parametrize("name", ONLY_FORWARD)
def test_an_argument_that_became_a_leaf_is_right_out_of_place(name: str, lab: Runner, tmp_path: Path):
    """Whether a caller looks at the argument again is for `repair` to find out, which has the whole command."""
    ruling = program(tmp_path, HEAD + ONLY_FORWARD[name]).judge(lab, "a += r", "a = a + r").ruling
    assert ruling.reason == "hidden-caller", ruling
    assert CHECK in ruling.evidence[0].checks


@pytest.mark.parametrize("name", ONLY_FORWARD)
@pytest.mark.parametrize("new", ["a = a + r.detach()", "a = a.detach() + r", "a = a.clone(); a.data += r"])
def test_what_loses_a_gradient_inside_is_refuted(new: str, name: str, lab: Runner, tmp_path: Path):
    ruling = program(tmp_path, HEAD + ONLY_FORWARD[name]).judge(lab, "a += r", new).ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, "gradient-differs"), ruling


def test_a_backward_of_the_programs_own_inside_is_not_added(lab: Runner, tmp_path: Path):
    """It belongs to the code that is computed again, and gives gradients of something else."""
    text = SAVED.replace(
        "    return b", "    if torch.is_grad_enabled():\n        (w * 5).sum().backward()\n    return b"
    )
    ruling = program(tmp_path, HEAD + text + CALL + "y.sum().backward()\n").judge(lab, "b *= 2", "b = b * 2").ruling
    assert CHECK in ruling.evidence[0].checks_not_run, ruling
