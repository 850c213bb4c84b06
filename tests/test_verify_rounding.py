"""What is zero but for rounding is no difference, and nothing else may pass for rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from programs import program

from fixinplace.model import Verdict
from fixinplace.verify.runner import Runner
from fixinplace.verify.tolerance import rounding
from fixinplace.verify.widened import Widened

NORMALISED = """
import torch
from torch import nn

def main():
    stem = nn.Sequential(nn.Conv2d(4, 12, 3, padding=1), nn.BatchNorm2d(12), nn.SiLU())
    head = nn.Conv2d(12, 6, 1)
    raw = head(stem(torch.randn(2, 4, 5, 6)INPUT)).permute(0, 2, 3, 1).contiguous()
    y = raw.sigmoid()
    y[..., 0:2] = y[..., 0:2] * 2 - 0.5
    y[..., 2:4] = (y[..., 2:4] * 2) ** 2
    inter = y[..., :2].prod(-1)
    union = y[..., 2:4].prod(-1) + inter + 1
    loss = (1 - inter / union).mean() + raw[..., 4].pow(2).mean() + (y[..., 4] * y[..., 5]).pow(2).mean()
    loss.backward()
    return {"loss": loss.detach(), "bias": stem[0].bias.grad}
"""
CLONED = ("raw.sigmoid()\n", "(raw * 3 / 3).sigmoid().clone()\n")
"""Right, and rounded in another way."""


@pytest.mark.parametrize("wanted", ["", ".float()", ".to(torch.float32)", ".type(torch.float32)"])
def test_the_gradient_of_a_bias_in_front_of_a_normalisation_is_rounding(wanted: str, lab: Runner, tmp_path: Path):
    one = program(tmp_path, NORMALISED.replace("INPUT", wanted).replace("torch.randn(2, 4, 5, 6)",
                  "torch.arange(240).view(2, 4, 5, 6).sin()" if wanted else "torch.randn(2, 4, 5, 6)"))  # fmt: skip

    ruling = one.judge(lab, *CLONED).ruling

    assert ruling.verdict is Verdict.PROVED, ruling.sentence
    assert "once more in float64" in ruling.evidence[0].checks
    assert any(note.startswith("rounding only") and "bias" in note for note in ruling.evidence[0].notes)


HEAD = "import torch\nx = torch.randn(4, 4, requires_grad=True)\n"
WRONG = {
    "a small gradient": (
        HEAD + "w = torch.ones(4, requires_grad=True)\ny = x * 1\nz = y.exp()\ny += w * 1e-9\n"
        "(z.sum() + y.sum()).backward()\n",
        ("y += w * 1e-9", "y = y + w * 1e-9 + (w * 1e-9 - (w * 1e-9).detach())"),
        "gradient-differs",
    ),
    "a small part of what float64 has": (
        HEAD + "w = torch.ones(4, requires_grad=True)\ny = x * 1\nz = y.exp()\ny += w\n"
        "(z.sum() + y.sum()).backward()\n",
        ("y += w", "y = y + w * (1 + 1e-5)"),
        "forward-differs",
    ),
    "more than float32 can tell, beside what is rounding": (
        NORMALISED.replace("INPUT", ""),
        (CLONED[0], CLONED[1].replace("* 3 / 3", "* 3 / 3 * (1 + 1e-9)")),
        "forward-differs",
    ),
    "a type that no run in float64 widens": (
        NORMALISED.replace("INPUT", "")
        .replace("    y = raw", "    kept = torch.from_numpy(ARRAY).clone()\n    y = raw")
        .replace('{"loss"', '{"kept": kept, "loss"')
        + "ARRAY = __import__('numpy').full(3, 0.7, dtype='float32')\n",
        (CLONED[0], CLONED[1].replace("\n", "; kept = kept.nextafter(kept + 1)\n")),
        "forward-differs",
    ),
    "an alias in float64 alone": (
        "import torch\nx = torch.randn(4, dtype=torch.get_default_dtype())\nw = torch.ones(4, requires_grad=True)\n"
        "y = x.double()\ny *= 3\n(w * x).sum().backward()\n",
        ("y *= 3", "y = y * 3; x = y.to(x.dtype)"),
        "forward-differs",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_there_in_both_types_is_refuted(name: str, lab: Runner, tmp_path: Path):
    text, (old, new), reason = WRONG[name]

    ruling = program(tmp_path, text).judge(lab, old, new).ruling

    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, reason), ruling.sentence


def test_what_rounding_leaves_shrinks_with_the_type():
    rough = torch.tensor([2e-9, -1e-9, float("nan")])
    ratio = torch.finfo(torch.float64).eps / torch.finfo(torch.float32).eps

    assert rounding(rough, torch.float64) == pytest.approx(16 * ratio * 2e-9)
    assert rounding(rough.double(), torch.float64) == 0.0
    assert rounding(torch.arange(3), torch.float64) == 0.0
    assert rounding(torch.empty(0), torch.float64) == 0.0


def test_float32_by_name_is_float64_and_what_has_it_stays_an_alias():
    narrow, wide, whole = torch.ones(2), torch.ones(2, dtype=torch.float64), torch.ones(2, dtype=torch.int64)
    with Widened():
        assert narrow.float() is narrow
        assert narrow.to(torch.float32) is narrow
        assert wide.float() is wide
        found = [whole.float(), whole.to(torch.float32), whole.sum(dtype=torch.float32),
                 torch.zeros(2, dtype=torch.float32), whole.new_ones(2, dtype=torch.float32)]  # fmt: skip
        array = narrow.numpy()
        assert torch.as_tensor(array, dtype=torch.float32).data_ptr() == narrow.data_ptr()
    assert {each.dtype for each in found} == {torch.float64}
    assert whole.float().dtype is torch.float32
