"""What was detached is made again from the new tensor, as long as it has no gradient of its own."""

from __future__ import annotations

import pytest
from alias_fixing import judge, stays
from rewriting import fixes
from test_rewrite_listed import program

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
SAFE = {
    "read": "d = x.detach()\nx.add_(1)\nreturn x.square() + d",
    "a part of it": "d = x.detach()[0]\nx.mul_(2)\nreturn x, d",
    "a part is written": "d = x.detach()\nu = x[0]\nu.mul_(2)\nreturn x, d, u",
    "written without a gradient": "d = x.detach()\nd.add_(1)\nx.mul_(3)\nreturn x.square() + d, d",
    "in a loop": "for i in range(2):\n    d = x.detach()\n    x.add_(i)\n    x = x * d\nreturn x, d",
    "zeroed": "d = x.detach()\nk = d\nx.zero_()\nk.add_(5)\nreturn x, d, k",
}
LEFT = {
    "a gradient of its own": "d = x.detach()\nd += y\nx.mul_(3)\nreturn x, d",
    "a gradient by a part": "d = x.detach()\nv = d[0]\nv += y[0]\nx.mul_(3)\nreturn x, d",
    "a gradient on one way": "d = x.detach()\nif flag:\n    d.add_(y)\nx.mul_(3)\nreturn x, d",
    "a leaf": "d = x.detach().requires_grad_()\nx.add_(1)\n(d * 2).sum().backward()\nreturn x, d.grad",
    "a leaf, later": "d = x.detach()\nd.requires_grad = True\nx.add_(1)\n(d * 2).sum().backward()\nreturn x, d.grad",
    "in a list": "d = [x.detach()]\nx.add_(1)\nreturn x, d",
}


@pytest.mark.parametrize("body", SAFE.values(), ids=SAFE.keys())
def test_what_was_detached_is_made_again(body: str):
    found = judge(program(body))
    assert found.written
    assert found.wrong is None


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT.keys())
def test_what_has_a_gradient_of_its_own_is_left(body: str):
    assert stays(program(body))


def test_a_new_leaf_elsewhere_is_no_reason():
    text = program(SAFE["read"])
    more = "\n\ndef g():\n    return torch.ones(3).requires_grad_()\n"
    assert judge(text + more).written
    assert stays(text + more.replace("torch.ones(3)", "torch.ones(3).detach()"))
    assert stays(text + more.replace("torch.ones(3)", "KEPT[0]"))


HANDED = """
def halved(t):
    d = t{detached}
    u = t[0]
    u.mul_(d[0])

def main():
    x = torch.ones(2, 2, requires_grad=True) * 3
    halved(x)
    return x

main()
"""


def test_a_parameter_that_was_detached_is_not_handed_back():
    assert not fixes(HANDED.format(detached=".detach()"))
    assert fixes(HANDED.format(detached=".t()"))
