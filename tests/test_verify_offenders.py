"""The rewritten version under the tracer: what is refuted, what is a note, what could not be traced."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import fix, program

from fixinplace.model import Ruling, Verdict
from fixinplace.verify.bench import Bench
from fixinplace.verify.offenders import CHECK, check
from fixinplace.verify.runner import Runner
from fixinplace.verify.search import rewrite

HEAD = """
import torch
x = torch.randn(4, 4, requires_grad=True)
w = torch.randn(4, 4, requires_grad=True)
"""
LINE = HEAD + "y = (x * w).tanh()\ny *= 2\ny.sum().backward()\n"
SILENT = HEAD + "a = (x * w).tanh()\na.data *= 0.5\ny = (x * w).tanh()\ny *= 2\n(a + y).sum().backward()\n"


def traced(lab: Runner, folder: Path, text: str, old: str, new: str) -> tuple[Bench, Ruling | None]:
    """The check alone, on one edit of a program."""
    assert lab.problem is None
    written = program(folder, text)
    rewritten, marks = rewrite(written.text, [fix(written.text, old, new)])
    bench = Bench(lab, written.case(rewritten))
    return bench, check(bench, marks)


def test_a_right_rewrite_leaves_no_offender(lab: Runner, tmp_path: Path):
    bench, ruling = traced(lab, tmp_path, LINE, "y *= 2", "y = y * 2")
    assert ruling is None
    assert (bench.checks, bench.missing, bench.notes) == ([CHECK], [], [])


EDITS = {
    "an error that became silent": (LINE, "y *= 2", "y.data *= 2"),
    "a silent write that stays": (SILENT.replace("y *= 2", "y = y * 2"), "a.data *= 0.5", "a.data = a.data.mul_(0.5)"),
    "one that was not there": (
        HEAD + "y = (x * w).tanh()\nk = y.data\nz = k * 1\ny.sum().backward()\n",
        "z = k * 1",
        "z = k.mul_(2)",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_offender_of_the_edit_is_refuted(name: str, lab: Runner, tmp_path: Path):
    _, ruling = traced(lab, tmp_path, *EDITS[name])
    assert ruling is not None
    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, "gradient-differs")
    assert "TanhBackward0" in ruling.sentence


def test_what_the_original_overwrites_elsewhere_is_a_note(lab: Runner, tmp_path: Path):
    ruling = program(tmp_path, SILENT.replace("y *= 2", "y = y + 1\ny += 2")).judge(lab, "y += 2", "y = y + 2").ruling
    assert ruling.verdict is Verdict.PROVED
    (evidence,) = ruling.evidence
    assert CHECK in evidence.checks
    (note,) = [note for note in evidence.notes if note.startswith("not of this edit")]
    assert "a.data *= 0.5" in note


def test_equality_with_a_gradient_that_torch_gets_wrong_is_no_proof(lab: Runner, tmp_path: Path):
    text = HEAD + "y = x.exp()\ny[torch.tensor([0, 0])] = w[:2]\n(y * y).sum().backward()\n"
    edit = ("y = x.exp()\n", "y = x.exp()\ny = y.clone()\n")
    ruling = program(tmp_path, text).judge(lab, *edit).ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "no-forward-reference")
    assert "names one element twice" in ruling.sentence


def test_the_note_is_also_for_what_the_original_does_not_live_to_see(lab: Runner, tmp_path: Path):
    text = LINE + "a = (x * w).tanh()\na.data *= 0.5\na.sum().backward()\n"
    bench, ruling = traced(lab, tmp_path, text, "y *= 2", "y = y * 2")
    assert ruling is None
    assert any("a.data *= 0.5" in note for note in bench.notes)


def test_what_cannot_be_traced_is_a_check_that_did_not_run(lab: Runner, tmp_path: Path):
    text = LINE + "import sys\nfrom torch.utils._python_dispatch import _get_current_dispatch_mode as mode\n"
    text += "if mode() is not None: raise KeyError('watched')\n"
    bench, ruling = traced(lab, tmp_path, text, "y *= 2", "y = y * 2")
    assert ruling is None
    assert (bench.checks, bench.missing) == ([], [CHECK])
    assert any("KeyError: 'watched'" in note for note in bench.notes)
