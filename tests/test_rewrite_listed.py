"""Loops that write the tensors of a list or a dict: each place is bound anew, or the loop is left alone."""

from __future__ import annotations

import textwrap

import pytest
from alias_fixing import fix, fix_all, judge, stays
from alias_templates import HEAD

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
PAIR = "hs = [x.exp(), y.sin()]\n"
TABLE = 'hs = {"a": x.exp(), "b": y.sin()}\n'


def program(body: str) -> str:
    """A file with a function of two tensors and a flag, as the random programs have."""
    return f"{HEAD}\n\ndef f(a: torch.Tensor, b: torch.Tensor, flag: int):\n" + textwrap.indent(
        f"x = a.exp()\ny = torch.sigmoid(b)\n{body}\n", "    "
    )


CASES = {
    "method": (
        PAIR + "for h in hs:\n    h.mul_(2)\nreturn hs[0] * hs[1]",
        PAIR + "for i, h in enumerate(hs):\n    hs[i] = h.mul(2)\nreturn hs[0] * hs[1]",
    ),
    "variable read behind the write": (
        PAIR + "for h in hs:\n    h /= 2  # halved\n    z = h.tanh()\nreturn hs, z",
        PAIR + "for i, h in enumerate(hs):\n    h = hs[i] = h / 2  # halved\n    z = h.tanh()\nreturn hs, z",
    ),
    "two writes": (
        PAIR + "for h in hs:\n    h *= 2\n    h += x\nreturn sum(hs)",
        PAIR + "for i, h in enumerate(hs):\n    h = hs[i] = h * 2\n    hs[i] = h + x\nreturn sum(hs)",
    ),
    "numbered already": (
        PAIR + "for n, h in enumerate(hs):\n    h.mul_(n + 1)\nreturn sum(hs)",
        PAIR + "for n, h in enumerate(hs):\n    hs[n] = h.mul(n + 1)\nreturn sum(hs)",
    ),
    "values of a dict": (
        TABLE + "for h in hs.values():\n    h.relu_().exp_()\nreturn hs",
        TABLE + "for key, h in hs.items():\n    hs[key] = h.relu().exp()\nreturn hs",
    ),
    "items of a dict": (
        TABLE + "for k, h in hs.items():\n    F.relu(h, inplace=True)\nreturn hs",
        TABLE + "for k, h in hs.items():\n    hs[k] = F.relu(h)\nreturn hs",
    ),
    "beside another list": (
        PAIR + "for h, w in zip(hs, [2, 3]):\n    h.mul_(w)\nreturn hs",
        PAIR + "for i, (h, w) in enumerate(zip(hs, [2, 3])):\n    hs[i] = h.mul(w)\nreturn hs",
    ),
    "branches": (
        PAIR + "for h in hs:\n    if flag:\n        h.mul_(2)\n        continue\n    h.exp_()\nreturn hs[0] * hs[1]",
        PAIR + "for i, h in enumerate(hs):\n    if flag:\n        hs[i] = h.mul(2)\n        continue\n"
        "    hs[i] = h.exp()\nreturn hs[0] * hs[1]",
    ),
    "usual names taken": (
        PAIR + "i = 2\nfor h in hs:\n    h *= i\nreturn hs[0] * hs[1]",
        PAIR + "i = 2\nfor index, h in enumerate(hs):\n    hs[index] = h * i\nreturn hs[0] * hs[1]",
    ),
}
LOOK_ALIKES = {
    "one tensor in two places": "hs = [x, x]\nfor h in hs:\n    h *= 2\nreturn torch.cat(hs)",
    "a list of the list's tensors": PAIR + "ks = [h for h in hs]\nfor h in hs:\n    h.mul_(2)\nreturn hs, ks",
    "a tuple of them": PAIR + "ks = tuple(hs)\nfor h in hs:\n    h.mul_(2)\nreturn hs, ks",
    "one of them by name": PAIR + "k = hs[0]\nfor h in hs:\n    h.mul_(2)\nreturn hs, k",
    "kept elsewhere": PAIR + "KEPT.append(hs[0])\nfor h in hs:\n    h.mul_(2)\nreturn hs, KEPT[-1]",
    "views": "hs = [x[0], x[1]]\nfor h in hs:\n    h *= 2\nreturn sum(hs), x",
    "views of them": PAIR + "vs = [h.t() for h in hs]\nfor h in hs:\n    h.mul_(2)\nreturn hs, vs",
    "grown meanwhile": PAIR + "for h in hs:\n    h.mul_(2)\n    if len(hs) < 4:\n        hs.append(h)\nreturn hs",
    "variable bound anew": PAIR + "for h in hs:\n    if flag:\n        h = h * 2\n    h.exp_()\nreturn hs[0] * hs[1]",
    "place bound anew": PAIR + "for i, h in enumerate(hs):\n    i = 0\n    h.exp_()\nreturn hs[0] * hs[1]",
    "numbers from one on": PAIR + "for i, h in enumerate(hs, 1):\n    h *= 2\nreturn sum(hs)",
    "backwards": PAIR + "for h in reversed(hs):\n    h *= 2\nreturn sum(hs)",
    "a part of the list": PAIR + "for h in hs[:1]:\n    h *= 2\nreturn sum(hs)",
    "collected before it is written again": PAIR + "zs = []\nfor h in hs:\n    zs.append(h)\n    h.mul_(2)\n"
    "return hs, zs",
    "kept for the next round": PAIR + "z = None\nfor h in hs:\n    if z is not None:\n        z.mul_(2)\n    z = h\n"
    "return hs, z",
    "read by a nested function": PAIR + "def g():\n    return hs[0]\nfor h in hs:\n    h.mul_(2)\nreturn hs, g()",
    "second list of the same": "hs = [x.exp(), y.sin()]\nks = [hs[1], hs[0]]\nfor h, k in zip(hs, ks):\n    h.mul_(2)\n"
    "    z = k * k\nreturn hs, z",
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_each_place_is_bound_anew(before: str, after: str):
    judged = judge(program(before))

    assert judged.fixed == program(after)
    assert judged.wrong is None
    assert not fix(judged.fixed).changed


@pytest.mark.parametrize("body", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_the_loop_stays(body: str):
    assert stays(program(body))


def test_a_list_that_the_loop_may_bind_anew_is_not_numbered():
    text = program(PAIR + "for h in hs:\n    h.mul_(2)\n    if flag:\n        hs = [y.exp(), x.exp()]\nreturn hs")

    assert "enumerate(" not in fix_all(text)


def test_a_list_that_is_passed_in_stays():
    text = f"{HEAD}\n\ndef f(hs: list[torch.Tensor]):\n    for h in hs:\n        h.mul_(2)\n    return hs\n"

    assert not fix(text).changed
