"""Writes to a part of a tensor of which the text shows that it has nothing to do with the other parts."""

from __future__ import annotations

import pytest
from alias_fixing import fix, judge, stays
from test_rewrite_listed import program

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
LINE = "z = torch.arange(6.0) + torch.ones(6, requires_grad=True)\n"
SAFE = {
    "another row": "x[0] = x[1]\nreturn x * y",
    "another row, augmented": "x[1][0] *= x[0][0]\nreturn x * y",
    "another part of another row": "x[1, 0:1] = x[0, :1]\nreturn x * y",
    "two ranges": "u = x.narrow(1, 0, 1)\nv = x.narrow(1, 1, 1)\nu *= 2\nv -= u\nreturn x, v",
    "copied from another range": "u = x.narrow(1, 0, 1)\nv = x.narrow(1, 1, 1)\nv.copy_(u)\nreturn x, v",
    "steps that keep elements apart": LINE + "v = z.as_strided((2,), (2,), 1)\nv.add_(1)\nreturn z.cos()",
    "steps in another order": LINE + "v = z.as_strided((2, 2), (1, 3))\nv.add_(1)\nreturn z.cos()",
    "windows side by side": "x = x.reshape(-1).clone()\nv = x.unfold(0, 2, 2)\nv.mul_(2)\nreturn x.cos()",
}
IN_DOUBT = {
    "copied from its transpose": "x = x[:, :2].clone()\nx.copy_(x.t())\nreturn x * 2",
    "copied from a range that overlaps": "u = x.narrow(1, 0, 2)\nv = x.narrow(1, 1, 2)\nv.copy_(u)\nreturn x, v",
    "the same row": "x[0] = x[0]\nreturn x * y",
    "perhaps the same row": "x[-1] = x[0]\nreturn x * y",
    "overlapping rows": "x[1:] = x[:-1]\nreturn x * y",
    "elements that are one": LINE + "v = z.as_strided((2, 2), (1, 1))\nv.add_(1)\nreturn z.cos()",
    "elements that are one by a step of none": LINE + "v = z.as_strided((2,), (0,))\nv.add_(1)\nreturn z.cos()",
    "steps that a name gives": LINE + "n = 0\nv = z.as_strided((2,), (n,))\nv.add_(1)\nreturn z.cos()",
    "from before its own tensor": LINE + "t = z[2:]\nv = t.as_strided((2,), (1,), 0)\nt.mul_(2)\nreturn z, t, v",
    "past its own tensor": LINE + "t = z[:2]\nv = t.as_strided((4,), (1,))\nk = z[2:]\nt.mul_(2)\nreturn t, v, k",
    "before a tensor whose base is gone": LINE + "t = z[2:]\nv = t.as_strided((2,), (1,), 0)\nt.mul_(2)\nreturn t, v",
    "windows that overlap": "x = x.reshape(-1).clone()\nv = x.unfold(0, 2, 1)\nv.mul_(2)\nreturn x.cos()",
}


@pytest.mark.parametrize("body", SAFE.values(), ids=SAFE.keys())
def test_parts_that_have_nothing_in_common_are_fixed(body: str):
    found = judge(program(body))
    assert found.written
    assert found.wrong is None
    assert not fix(found.fixed).changed


@pytest.mark.parametrize("body", IN_DOUBT.values(), ids=IN_DOUBT.keys())
def test_parts_that_may_have_something_in_common_are_left(body: str):
    assert stays(program(body))


def test_an_operator_by_its_method_is_no_view_that_is_made_again_and_again():
    found = judge(program("v = x.__pos__()\nv.mul_(2)\nreturn x, v"))
    assert not fix(found.fixed).changed
