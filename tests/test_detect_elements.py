"""Elements of lists of modules that get a name before they are called: residual networks of several scales."""

from __future__ import annotations

import pytest
from rewriting import fixes

NET = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 3, 1) for _ in range(n)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(3) for _ in range(n)])
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        kept = []
        y = torch.sin(x)
        {loop}
            z = conv(y)
            z = norm(z)
            z = self.relu(z)
            kept.append(z)
        return torch.cat(kept, 1) + y
"""
CALLED = {
    "two lists": "for conv, norm in zip(self.convs, self.norms):",
    "two lists, counted": "for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):",
    "by a number": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]",
    "two by a number": "for i in range(3):\n            conv, norm = self.convs[i], self.norms[i]",
    "whose layers are set up": "self.norms.apply(print)\n        for i, conv in enumerate(self.convs):\n            norm = self.norms[i]",
    "whose parameters are seen": "n = sum(p.sum() for p in self.norms.parameters())\n        for i, conv in enumerate(self.convs):\n            norm = self.norms[i]",
    "if there is one": "for i, conv in enumerate(self.convs):\n            if self.norms[i] is None:\n                continue\n            norm = self.norms[i]",
    "if it is of a class": "for i, conv in enumerate(self.convs):\n            if isinstance(self.norms[i], nn.Identity):\n                continue\n            norm = self.norms[i]",
}  # fmt: skip


@pytest.mark.parametrize("loop", CALLED.values(), ids=CALLED.keys())
def test_an_element_that_is_only_called_is_followed(loop: str) -> None:
    (fix,) = fixes(NET.format(loop=loop))
    assert fix.safe, fix.doubts


OTHER = {
    "it is handed on": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]\n            kept.append(norm)",
    "it is kept": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]\n            self.last = norm",
    "it is shared": "global norm\n        for i, conv in enumerate(self.convs):\n            norm = self.norms[i]",
    "it is changed": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]\n            norm.extend(x)",
    "one of them is": "for i in range(3):\n            conv, norm = self.convs[i], self.norms[i]\n            kept.append(norm)",
    "several at once": "for i, conv in enumerate(self.convs):\n            norm = self.norms[:i]",
    "it is set up and handed on": "other = self.norms.apply(print)\n        for i, conv in enumerate(self.convs):\n            norm = self.norms[i]",
    "it is asked for": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]\n            if self.norms[i] in kept:\n                continue",
    "it is compared": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]\n            if self.norms[i] == None:\n                continue",
    "a class of its own tells": "for i, conv in enumerate(self.convs):\n            norm = self.norms[i]\n            if isinstance(x, self.norms[i]):\n                continue",
    "a number of names": "for i in range(3):\n            conv, *norm = self.convs[i], self.norms[i], x",
    "the list is put elsewhere": "other = self.norms\n        for i, conv in enumerate(self.convs):\n            norm = self.norms[i]",
}  # fmt: skip


@pytest.mark.parametrize("loop", OTHER.values(), ids=OTHER.keys())
def test_an_element_that_is_more_than_called_is_not(loop: str) -> None:
    assert not any(fix.safe for fix in fixes(NET.format(loop=loop)))


GROWN = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = nn.ModuleList()
        self.layers += [nn.Sequential(nn.Conv1d(1, 4, 3), nn.LeakyReLU(0.2, inplace=True))]
        for _ in range(n):
            {grow}

    def forward(self, x):
        kept = []
        for f in self.layers:
            x = f(x)
            kept += [x]
        return kept
"""
GROWS = {
    "a list of one": ("self.layers += [nn.Sequential(nn.Conv1d(4, 4, 1), nn.LeakyReLU(0.2, inplace=True))]", True),
    "an element": ("self.layers.append(nn.Conv1d(4, 4, 1))", True),
    "what is passed in": ("self.layers += n", False),
    "somebody else's": ("n.layers += [nn.Conv1d(4, 4, 1)]", False),
}


@pytest.mark.parametrize(("grow", "safe"), GROWS.values(), ids=GROWS.keys())
def test_a_list_of_modules_grows_by_sums(grow: str, safe: bool) -> None:
    found = fixes(GROWN.format(grow=grow))
    assert (bool(found) and all(fix.safe for fix in found)) is safe, [fix.doubts for fix in found]


def test_an_element_that_is_in_place_is_left_alone_and_the_part_of_another_is_not() -> None:
    found = fixes(GROWN.format(grow="self.layers += [nn.LeakyReLU(0.2, inplace=True)]"))
    assert ["Conv1d" in fix.title for fix in found if fix.safe] == [True]


CHANGED = {
    "a sum under another name": "body = self.body\n        body += nn.Sequential(other)",
    "a part under another name": "body = self.body\n        body.add_module('2', other)",
    "parts of parts": "for part in self.children():\n            part.append(other)",
    "parts of parts by number": "for part in self.children():\n            part.add_module('2', other)",
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
def test_a_container_that_grows_elsewhere_is_left_to_a_run(change: str) -> None:
    text = (
        "import torch\nimport torch.nn as nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.body = nn.Sequential(nn.Linear(4, 4))\n\n    def put(self, other):\n        {}\n\n"
        "    def forward(self, x):\n        h = self.body(x)\n        h += x\n        return h\n"
    )
    (fix,) = fixes(text.format("pass"))
    assert fix.safe, fix.doubts
    assert not any(fix.safe for fix in fixes(text.format(change)))


SUMMED = """\
import torch
import torch.nn as nn


class Loss(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)

    def forward(self, xs, other):
        loss = {start}
        for x in xs:
            {add}
        {scale}
        return loss
"""
TERM = "loss += torch.exp(self.lin(x)).mean()"
BESIDE = """

class Other({base}):
    def __init__(self):
        super().__init__()
        norms = build()
        self.norms = {norms}

    def forward(self, x):
        return self.norms(x)
"""


@pytest.mark.parametrize(("base", "norms", "safe"), [
    ("nn.Module", "nn.BatchNorm2d(3)", True), ("nn.Module", "norms", False), ("Net", "nn.BatchNorm2d(3)", False), ("nn.Module", "nn.ModuleList()", False),
])  # fmt: skip
def test_an_attribute_of_another_class_is_another_thing(base: str, norms: str, safe: bool) -> None:
    text = NET.format(loop=CALLED["two by a number"]) + BESIDE.format(base=base, norms=norms)
    assert any(fix.safe for fix in fixes(text)) is safe


def test_an_attribute_of_a_class_that_another_one_joins_is_the_same() -> None:
    text = NET.format(loop=CALLED["two by a number"]) + BESIDE.format(base="nn.Module", norms="nn.BatchNorm2d(3)")
    assert not any(fix.safe for fix in fixes(text + "\n\nclass Both(Net, Other):\n    pass\n"))


SCALED = {
    "by a length": ("0", TERM, "loss /= len(xs)", 2),
    "by a number": ("0.0", TERM, "loss *= 0.5", 2),
    "twice": ("0", TERM, "loss *= 0.5\n        loss /= 3", 3),
    "by a tensor": ("0", TERM, "loss /= self.lin(other).sum()", 2),
    "by what is not known": ("0", TERM, "loss /= other", 1),
    "a sum of what is not known": ("0", "loss += x", "loss /= 3", 0),
    "a sum of numbers": ("0", "loss += 1", "loss /= 3", 0),
    "what is handed in": ("other", TERM, "loss /= 3", 0),
    "under another name": ("0", f"last = loss\n            {TERM}\n            other.append(loss - last)", "pass", 0),
    "under another name afterwards": ("0", TERM, "last = loss\n        loss /= 3\n        other.append(last)", 1),
    "in a list": ("0", TERM, "kept = [loss]\n        loss /= 3\n        other.append(kept)", 1),
    "in an attribute": ("0", TERM, "self.last = loss\n        loss /= 3\n        other.append(self.last)", 1),
}


@pytest.mark.parametrize(("start", "add", "scale", "safe"), SCALED.values(), ids=SCALED.keys())
def test_what_was_a_number_at_first_is_scaled(start: str, add: str, scale: str, safe: int) -> None:
    found = fixes(SUMMED.format(start=start, add=add, scale=scale))
    assert sum(fix.safe for fix in found) == safe, [fix.doubts for fix in found]
