"""Modules that may hold one of their own class: see Note [Own kind]."""

from __future__ import annotations

import pytest
from rewriting import fixes

UNET = """\
import torch
import torch.nn as nn

SEEN = []


class Block(nn.Module):
    def __init__(self, outer, inner, submodule=None, outermost=False, innermost=False, norm=nn.BatchNorm2d):
        super().__init__()
        self.outermost = outermost
        down = [nn.Conv2d(outer, inner, 4, 2, 1), norm(inner)]
        up = [nn.ReLU(True), nn.ConvTranspose2d(inner, outer, 4, 2, 1)]
        if innermost:
            model = {innermost}
        else:
            model = {middle}
        self.model = nn.Sequential(*model)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        if self.outermost:
            return {outermost}
        {before}
        return {value}


class Other(nn.Module):
    def forward(self, x):
        return x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        block = Block(8, 8, innermost=True)
        for _ in range(2):
            block = Block(8, 8, submodule=block)
        self.model = Block(8, 8, submodule=block, outermost=True)

    def forward(self, x):
        return self.model(x)
"""
PARTS = {
    "innermost": "down + up", "middle": "down + [submodule] + up", "outermost": "self.model(x)", "before": "pass",
    "value": "torch.cat([x, self.model(x)], 1)",
}  # fmt: skip


def safe(**parts: str) -> bool:
    found = fixes(UNET.format(**PARTS | parts))  # none is one that is refused
    return [fix.safe for fix in found] == [True]


def test_what_the_inner_one_returns_is_new_if_the_whole_is() -> None:
    assert safe()
    assert safe(value="torch.cat([x, self.drop(self.model(x))], 1)")
    assert safe(value="x + self.model(x)", outermost="torch.tanh(self.model(x))")


@pytest.mark.parametrize("parts", [
    {"value": "x if x.dim() == 3 else self.model(x)"},
    {"value": "self.model(x)", "innermost": "[nn.Identity()]"},
    {"before": "self.last = x"},
    {"before": "SEEN.append(x)"},
    {"before": "y = self.model(x)\n        SEEN.append(y)", "value": "y"},
    {"outermost": "x"},
    {"outermost": "x.view(-1)"},
    {"middle": "[submodule] + up"},
    {"value": "(x, self.model(x))"},
    {"middle": "[Other()] + up"},
    {"middle": "down + [Other(), submodule] + up", "innermost": "[Other()] + up"},
])  # fmt: skip
def test_what_may_be_the_argument_or_is_kept_is_not(parts: dict[str, str]) -> None:
    assert not safe(**parts)


def test_a_class_with_an_heir_may_return_something_else() -> None:
    heir = "\n\nclass Other(Block):\n    def forward(self, x):\n        return x\n"
    (found,) = fixes(UNET.format(**PARTS) + heir)
    assert not found.safe
