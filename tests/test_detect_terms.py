"""Sums that begin with a number, where dtypes may be mixed: their terms have one dtype if one line computes them."""

from __future__ import annotations

import pytest
from rewriting import fixes

LOSS = (
    "import numpy as np\nSCALE = np.ones(3)\nclass Loss(nn.Module):\n    def __init__(self, crit):\n"
    "        super().__init__()\n        self.crit = crit\n    def forward(self, xs, ys):\n{}        return loss\n"
)
TERM = "            loss += torch.mean(self.crit(x, y).abs())\n"
LOOP = "        loss = 0\n        for x, y in zip(xs, ys):\n"
SAFE = {
    "a sum": LOSS.format(LOOP + TERM),
    "a mean": LOSS.format(LOOP + TERM + "        loss /= len(xs)\n"),
    "a difference": LOSS.format(LOOP + TERM.replace("+=", "-=")),
    "two sums": LOSS.format(LOOP + TERM + LOOP + "            pass\n"),
}
OPEN = {
    "terms of two lines": LOSS.format(LOOP + TERM + TERM.replace("x, y", "y, x")),
    "another line that changes it": LOSS.format(LOOP + "            loss = loss * 2\n" + TERM),
    "what begins with a tensor of another file": LOSS.format(LOOP.replace("loss = 0", "loss = self.crit(0, 0)") + TERM),
    "what a loop binds": LOSS.format("        for loss in xs:\n            y = x = loss\n" + TERM),
}


@pytest.mark.parametrize("code", SAFE.values(), ids=SAFE.keys())
def test_one_line_computes_terms_of_one_dtype(code: str) -> None:
    found = fixes(code)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]
    assert any("the terms of one sum have one dtype" in fix.assumes for fix in found)


@pytest.mark.parametrize("code", OPEN.values(), ids=OPEN.keys())
def test_other_sums_are_left_to_a_run(code: str) -> None:
    assert not any(fix.safe for fix in fixes(code))
