"""Layouts that are known: views that leave out nothing, and tensors that are made of numbers.

Where a file uses `.view`, what may have gaps, or share the memory of an array, is not rewritten as safe.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rewriting import fixes


def program(lines: str) -> str:
    """A module that uses what depends on strides, and writes `h` in place."""
    body = "".join(f"        {line}\n" for line in lines.split("\n"))
    return (
        "import numpy as np\nimport torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.conv = nn.Conv2d(3, 3, 1)\n\n"
        f"    def forward(self, x, y):\n        flat = x.view(-1)\n{body}        return h, flat\n"
    )


@pytest.mark.parametrize(
    "lines",
    [
        "h = self.conv(x).sum(1)[:, None]\nh /= 3",
        "h = self.conv(x).sum(1)[:, np.newaxis]\nh /= 3",
        "h = self.conv(x)[..., None]\nh /= 3",
        "h = self.conv(x)[:, :, :]\nh /= 3",
        "h = torch.Tensor([0.0])\nh += self.conv(x).mean()\nh /= 3",
        "h = torch.FloatTensor(1)\nh += self.conv(x).mean()",
    ],
)
def test_nothing_is_left_out(lines: str) -> None:
    found = fixes(program(lines))
    assert found and all(one.safe for one in found), [one.doubts for one in found]


@pytest.mark.parametrize(
    "lines",
    [
        "h = self.conv(x)[:, 1:, None]\nh /= 3",
        "h = self.conv(x)[:, ::2]\nh /= 3",
        "h = self.conv(x)[..., 0]\nh /= 3",
        "h = torch.Tensor(y)\nh += self.conv(x).mean()",
        "h = torch.Tensor(np.ones(3, dtype=np.float32))\nh += self.conv(x).mean()",
    ],
)
def test_something_may_be(lines: str) -> None:
    assert not any(one.safe for one in fixes(program(lines)))


def test_what_the_older_constructors_share() -> None:
    array, numbers = np.ones(3, dtype=np.float32), [1.0, 2.0]
    shared, copied = torch.Tensor(array), torch.Tensor(numbers)
    shared += 1
    copied += 1
    assert array.tolist() == [2.0, 2.0, 2.0]
    assert numbers == [1.0, 2.0]
    assert torch.Tensor(shared).data_ptr() == shared.data_ptr()
