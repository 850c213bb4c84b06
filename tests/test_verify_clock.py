"""What a program prints of the clock is not compared; every other number is."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import program

from fixinplace.model import Verdict
from fixinplace.verify.clock import timeless
from fixinplace.verify.runner import Runner

TIMES = [
    ("1 passed in 0.38s", "1 passed in 12.4s"),
    ("1 passed in 61.80s (0:01:01)", "1 passed in 59.10s (0:00:59)"),
    ("2026-11-28 19:58:07,123 step 3", "2026-11-28 19:58:08,001 step 3"),
    (" 10%|# | 1/10 [00:01<00:09,  1.30s/it]", " 10%|# | 1/10 [00:02<00:12,  2.11s/it]"),
    ("[1/10] 87.12it/s loss 2.0", "[1/10] 91.3it/s loss 2.0"),
    ("1203.4 samples/sec", "999.0 samples/sec"),
    ("Time  0.123 ( 0.130) Loss 1.5", "Time  0.093 ( 0.101) Loss 1.5"),
    ("elapsed: 3.2e-05", "elapsed: 1e-04"),
    ("took 12 ms", "took 9 ms"),
    ("12 seconds", "13 seconds"),
]
NO_TIMES = [
    ("loss 0.38", "loss 0.39"),
    ("step 3", "step 4"),
    ("1 passed", "2 passed"),
    ("tensor([0.38, 1.20])", "tensor([0.39, 1.20])"),
    ("3 samples", "4 samples"),
    ("epoch 1: 0.5", "epoch 1: 0.6"),
    ("10:3", "10:4"),
    ("times 3", "times 4"),
    ("time 0.1 loss 0.38", "time 0.1 loss 0.39"),
    ("0.38 steps", "0.39 steps"),
    ("v1s", "v2s"),
]


@pytest.mark.parametrize(("one", "other"), TIMES)
def test_times_are_not_compared(one: str, other: str):
    assert timeless(one) == timeless(other)


@pytest.mark.parametrize(("one", "other"), NO_TIMES)
def test_every_other_number_is(one: str, other: str):
    assert timeless(one) != timeless(other)


TEST = """
import torch

x = torch.ones(3, requires_grad=True)
y = x * 1
y += 1
y.sum().backward()
print("1 passed in 0.38s")
"""


def test_a_duration_that_differs_once_refutes_nothing(lab: Runner, tmp_path: Path):
    ruling = program(tmp_path, TEST).judge(lab, "in 0.38s", "in 0.41s").ruling
    assert ruling.verdict is Verdict.PROVED, ruling


def test_a_count_that_differs_refutes(lab: Runner, tmp_path: Path):
    ruling = program(tmp_path, TEST).judge(lab, "1 passed", "2 passed").ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, "output-differs"), ruling
