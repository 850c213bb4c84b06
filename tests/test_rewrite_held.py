"""Writes to tensors that lists and tuples hold in places that are written down: they are put there, or stay."""

from __future__ import annotations

import pytest
from alias_fixing import fix, judge, stays
from test_rewrite_listed import program

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
H = "h = x * 2\n"
PAIR = H + "l = [h, x]\n"
CASES = {
    "a list": (PAIR + "h += 1  # once\nreturn l[0] * l[1]", PAIR + "h = h + 1  # once\nl[0] = h\nreturn l[0] * l[1]"),
    "a tuple": (
        H + "l = (h, x)\nh.exp_()\nreturn l, h * 2",
        H + "l = (h, x)\nh = h.exp()\nl = (h, l[1])\nreturn l, h * 2",
    ),
    "a tuple of one": (H + "l = (h,)\nh.exp_()\nreturn l", H + "l = (h,)\nh = h.exp()\nl = (h,)\nreturn l"),
    "a view in it": (
        H + "l = [h, h[1:], y]\nh.mul_(2)\nreturn l[0].sum() + (l[1] ** 2).sum()",
        H + "l = [h, h[1:], y]\nh = h.mul(2)\nl[0] = h\nl[1] = h[1:]\nreturn l[0].sum() + (l[1] ** 2).sum()",
    ),
    "a store": (
        PAIR + "h[0] = l[0][1] * 2\nreturn l, h",
        PAIR + "h = h.clone()\nh[0] = l[0][1] * 2\nl[0] = h\nreturn l, h",
    ),
    "the place is written": (
        PAIR + "l[0] += 1\nreturn h * l[0] * l[1]",
        PAIR + "l[0] = l[0] + 1\nh = l[0]\nreturn h * l[0] * l[1]",
    ),
    "the place is written by a method": (
        PAIR + "l[0].exp_()\nreturn h * l[1]",
        PAIR + "l[0] = l[0].exp()\nh = l[0]\nreturn h * l[1]",
    ),
    "twice in it": (
        H + "l = [h, h]\nh.exp_()\nreturn l[0] * l[1]",
        H + "l = [h, h]\nh = h.exp()\nl[0] = h\nl[1] = h\nreturn l[0] * l[1]",
    ),
    "bound before": (
        H + "h = h.sin()\nl = [h, x]\nh.exp_()\nreturn l, h",
        H + "h = h.sin()\nl = [h, x]\nh = h.exp()\nl[0] = h\nreturn l, h",
    ),
    "in a branch": (
        PAIR + "z = torch.stack(l)\nif flag:\n    h.exp_()\nreturn l, h, z",
        PAIR + "z = torch.stack(l)\nif flag:\n    h = h.exp()\n    l[0] = h\nreturn l, h, z",
    ),
    "a loop goes over it later": (
        PAIR + "h.exp_()\nz = 0\nfor e in l:\n    z = z + e * e\nreturn h, z",
        PAIR + "h = h.exp()\nl[0] = h\nz = 0\nfor e in l:\n    z = z + e * e\nreturn h, z",
    ),
    "a loop went over a tuple": (
        H + "l = (h, x)\nz = [e * e for e in l]\nh.exp_()\nreturn l, z",
        H + "l = (h, x)\nz = [e * e for e in l]\nh = h.exp()\nl = (h, l[1])\nreturn l, z",
    ),
}
LOOK_ALIKES = {
    "a list that is gone through": PAIR + "for e in l:\n    h += 1\n    z = e * 2\nreturn l, h, z",
    "gone through by a generator": PAIR + "g = (e * 2 for e in l)\nz = next(g)\nh += 1\nreturn l, h, z, next(g)",
    "the loop's name is read later": PAIR + "for e in l:\n    z = e * e\nx.exp_()\nreturn l, z, e",
    "bound in a row of names": H + "l, n = [h, x], 2\nh.exp_()\nreturn l, h, n",
    "turned": PAIR + "l.reverse()\nh.exp_()\nreturn l",
    "a second name for the list": PAIR + "m = l\nh.exp_()\nreturn l, m",
    "a second name for the tensor": H + "g = h\nl = [h, x]\nh.exp_()\nreturn l, g, h",
    "one of two lists": H + "if flag:\n    l = [h, x]\nelse:\n    l = [x, h]\nh.exp_()\nreturn l, h",
    "a list of one round": "for i in range(3):\n    h = x * i\n    if i == 0:\n        l = [h, x]\n    h.exp_()\n"
    "return l, h",
    "bound anew in the next round": PAIR + "for i in range(3):\n    h.exp_()\n    h = h if i else l[0]\nreturn l, h",
    "a tuple that is gone through": H + "l = (x, h)\nfor e in l:\n    h += 1\n    z = e * 2\nreturn l, h, z",
    "read behind the write": PAIR + "z = h.exp_() * l[0]\nreturn l, h, z",
    "a view by a method": H + "l = [h.t(), x]\nh.exp_()\nreturn l, h",
    "a list in it": H + "l = [[h], x]\nh.exp_()\nreturn l, h",
    "kept as a whole": PAIR + "KEPT.append(l)\nh.exp_()\nreturn l, KEPT[-1]",
    "the tensor is kept": PAIR + "KEPT.append(h)\nh.exp_()\nreturn l, KEPT[-1]",
    "a place bound anew": PAIR + "l[0] = y\nh.exp_()\nreturn l, h",
    "grown": PAIR + "l.append(y)\nh.exp_()\nreturn l, h",
    "shortened": PAIR + "del l[0]\nh.exp_()\nreturn l, h",
    "a name of the place": PAIR + "v = l[0]\nl[0].exp_()\nreturn l, h, v",
    "a place by a name": PAIR + "i = 0\nl[i].exp_()\nreturn l, h",
    "read by a nested function": PAIR + "g = lambda: l\nh.exp_()\nreturn g()",
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_the_new_tensor_is_put_where_the_old_one_is(before: str, after: str):
    judged = judge(program(before))

    assert judged.fixed == program(after)
    assert judged.wrong is None
    assert not fix(judged.fixed).changed


def test_a_list_in_a_block_and_a_write_behind_it():
    judged = judge(program("with torch.enable_grad():\n    l = [x, y]\ny -= x\nreturn l, y"))

    assert judged.wrong is None
    assert judged.refused


def test_a_view_of_a_tensor_that_gets_another_shape_is_not_made_again():
    judged = judge(program("y = x[:3, :3] * 2\nl = [y, y[1:]]\ny.t_()\ny.exp_()\nreturn l, y"))

    assert judged.wrong is None
    assert "l[1] = " not in judged.fixed


@pytest.mark.parametrize("body", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_the_write_stays(body: str):
    assert stays(program(body))
