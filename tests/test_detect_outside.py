"""What code in other files returns may require grad; only what is known not to is called untracked."""

from __future__ import annotations

import textwrap

import pytest
from test_detect_lookalikes import found

IMPORTS = "from net import Net, helper\nimport net as nets\nimport random, cv2, scipy.ndimage\nfrom PIL import Image\n"

MODULES = {
    "imported class": "net = Net()\nh = net(torch.randn(2, 3))\nh += 1",
    "class of an imported file": "h = nets.Net(3)(torch.randn(2, 3))\nh += 1",
    "chosen class": "net = Net(1) if random.random() else nn.Identity()\nh = net(torch.randn(2, 3))\nh += 1",
    "attribute of self": """
        class N(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = Net()
            def forward(self, n):
                h = self.net(torch.zeros(3))
                h += 1
                return h
    """,
    "attribute of a trainer": """
        class Trainer:
            def __init__(self):
                self.net = Net()
            def step(self):
                h = self.net(torch.randn(2, 3))
                h += 1
                return h.sum()
    """,
    "one of many": """
        class N(nn.Module):
            def __init__(self):
                super().__init__()
                self.nets = nn.ModuleList([Net() for _ in range(3)])
            def forward(self, n):
                h = self.nets[0](torch.zeros(3))
                h += 1
                return h
    """,
}


def tracked(code: str) -> list[bool | None]:
    return [f.facts.tracked for f in found(IMPORTS + textwrap.dedent(code))]


@pytest.mark.parametrize("code", MODULES.values(), ids=MODULES.keys())
def test_an_instance_of_an_unseen_class_is_taken_for_a_module(code: str) -> None:
    assert tracked(code) == [True]


MAYBE = {
    "function": "h = helper(torch.zeros(3))\nh += 1",
    "function of an imported file": "h = nets.helper(torch.zeros(3))\nh += 1",
    "list of tensors": "h = helper([torch.zeros(3)])\nh += 1",
    "method of an instance": "h = Net().encode(torch.zeros(3))\nh += 1",
    "checkpoint": "import torch.utils.checkpoint as c\nh = c.checkpoint(helper, torch.zeros(3))\nh += 1",
    "functional call": "h = torch.func.functional_call(helper, {}, torch.zeros(3))\nh += 1",
    "callable parameter": "def f(function):\n    h = function(torch.zeros(3))\n    h += 1\n    return h",
    "stack of a list from elsewhere": "def f(xs: list):\n    h = torch.stack(xs)\n    h += 1\n    return h",
}


@pytest.mark.parametrize("code", MAYBE.values(), ids=MAYBE.keys())
def test_a_plain_unseen_function_may_return_either(code: str) -> None:
    assert tracked(code) == [None]


UNTRACKED = {
    "grad mode off": "net = Net()\nwith torch.no_grad():\n    h = net(torch.randn(2, 3))\n    h += 1",
    "made with grad mode off": "net = Net()\nwith torch.no_grad():\n    h = net(torch.randn(2, 3)).mean(0)\nh += 1",
    "detached": "h = Net()(torch.randn(2, 3)).detach().clone()\nh += 1",
    "torch's own function": "h = torch.zeros(3).exp()\nh += torch.cdist(h, h)",
    "stored item": "h = torch.zeros(3).exp()\nh[0] += Net()(torch.ones(3)).item()",
    "random": "h = torch.zeros(3).exp()\nh *= random.choice([1, 2])",
}


@pytest.mark.parametrize("code", UNTRACKED.values(), ids=UNTRACKED.keys())
def test_what_cannot_require_grad_stays_untracked(code: str) -> None:
    assert tracked(code) == [False]


ARRAYS = {
    "scipy": "h = scipy.ndimage.zoom(torch.zeros(3), 2)\nh += 1",
    "cv2": "h = cv2.blur(torch.zeros(3), 2)\nh[0] = 1",
    "constructed": "h = Net(torch.zeros(3))\nh += 1",
}


@pytest.mark.parametrize("code", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_and_objects_of_other_libraries_are_no_tensors(code: str) -> None:
    assert tracked(code) == []
