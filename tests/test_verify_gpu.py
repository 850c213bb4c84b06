"""The same verdicts on a GPU, inside the same sandbox: what `test_verify_judge` asks of a CPU, with CUDA as default."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from programs import program
from test_verify_judge import PROVED, REFUTED

from fixinplace.model import Verdict
from fixinplace.verify import tensors
from fixinplace.verify.runner import Runner

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU that torch can use"),
]


def on_gpu(text: str) -> str:
    """The program with every new tensor on the GPU, its lines as they were."""
    moved = text.replace("import torch\n", "import torch; torch.set_default_device('cuda')\n", 1)
    assert moved != text
    return moved


DRAWN_OTHERWISE = {"random numbers drawn twice": "forward-differs"}
"""Dropout in place and out of place draw other numbers on a GPU, and the same ones on a CPU."""


@pytest.mark.parametrize("name", REFUTED)
def test_wrong_rewrites_are_refuted(name: str, lab: Runner, tmp_path: Path):
    text, (old, new), reason = REFUTED[name]
    ruling = program(tmp_path, on_gpu(text)).judge(lab, old, new).ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, DRAWN_OTHERWISE.get(name, reason)), ruling.sentence


@pytest.mark.parametrize("name", sorted(PROVED.keys() - {"callable under another default device"}))
def test_right_rewrites_are_proved(name: str, lab: Runner, tmp_path: Path):
    text, (old, new) = PROVED[name]
    judgement = program(tmp_path, on_gpu(text)).judge(lab, old, new)
    assert judgement.ruling.verdict is Verdict.PROVED, judgement.ruling
    assert judgement.reached == {0}


def test_a_place_in_memory_is_that_of_the_gpu():
    whole = torch.arange(6.0, device="cuda")
    found = tensors.read(whole[2:]).facts

    assert (found["memory"]["address"], found["device"]) == (whole.data_ptr() + 8, "cuda:0")
