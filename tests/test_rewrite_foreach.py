"""Calls that write a list of tensors: the new ones are bound to its names or places, or the call stays."""

from __future__ import annotations

import pytest
from alias_fixing import fix, judge
from test_rewrite_listed import program

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
NAMES = "u, v = x.exp(), y.sin()\n"
LIST = "hs = [x.exp(), y.sin()]\n"
CASES = {
    "names": (
        NAMES + "torch._foreach_add_([u, v], 1.0)\nreturn u * v",
        NAMES + "u, v = torch._foreach_add([u, v], 1.0)\nreturn u * v",
    ),
    "operands": (
        NAMES + "torch._foreach_addcmul_([u, v], [x, y], [y, x], value=0.5)  # both\nreturn u * v",
        NAMES + "u, v = torch._foreach_addcmul([u, v], [x, y], [y, x], value=0.5)  # both\nreturn u * v",
    ),
    "a tuple": (
        NAMES + "w = u * v\ntorch._foreach_sqrt_((u, v))\nreturn u, v, w",
        NAMES + "w = u * v\nu, v = torch._foreach_sqrt((u, v))\nreturn u, v, w",
    ),
    "a list": (
        LIST + "torch._foreach_mul_(hs, 2.0)\nreturn hs[0] * hs[1]",
        LIST + "hs[:] = torch._foreach_mul(hs, 2.0)\nreturn hs[0] * hs[1]",
    ),
    "in a loop": (
        LIST + "for i in range(2):\n    torch._foreach_exp_(hs)\nreturn hs[0] * hs[1]",
        LIST + "for i in range(2):\n    hs[:] = torch._foreach_exp(hs)\nreturn hs[0] * hs[1]",
    ),
}
LOOK_ALIKES = {
    "operands that are written": NAMES + "torch._foreach_mul_([u, v], [v, u])\nreturn u * v",
    "a second name": NAMES + "w = u\ntorch._foreach_exp_([u, v])\nreturn u * v, w",
    "a view": NAMES + "w = u.t()\ntorch._foreach_exp_([u, v])\nreturn u * v, w",
    "one tensor under two names": "u = x.exp()\nv = u\ntorch._foreach_exp_([u, v])\nreturn u * v",
    "one name": "u = x.exp()\ntorch._foreach_exp_([u])\nreturn u * u",
    "one name twice": "u = x.exp()\ntorch._foreach_exp_([u, u])\nreturn u * u",
    "one tensor in two places": "hs = [x, x]\ntorch._foreach_mul_(hs, 2.0)\nreturn hs[0] * hs[1]",
    "a place that has a name": LIST + "w = hs[0]\ntorch._foreach_mul_(hs, 2.0)\nreturn hs, w",
    "a place that is kept": LIST + "KEPT.append(hs[0])\ntorch._foreach_mul_(hs, 2.0)\nreturn hs, KEPT[-1]",
    "a list of the list's tensors": LIST + "torch._foreach_mul_(list(hs), 2.0)\nreturn hs",
    "no form that returns": NAMES + "torch._foreach_zero_([u, v])\nreturn u * v",
    "without gradients": NAMES + "with torch.no_grad():\n    torch._foreach_add_([u, v], 1.0)\nreturn u * v",
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_the_new_tensors_are_bound(before: str, after: str):
    judged = judge(program(before))

    assert judged.fixed == program(after)
    assert judged.wrong is None
    assert not fix(judged.fixed).changed


@pytest.mark.parametrize("body", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_the_call_stays(body: str):
    judged = judge(program(body))

    assert judged.fixed == judged.text
    assert judged.refused
