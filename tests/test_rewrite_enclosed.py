"""Nested functions that write a tensor of the function around them: they bind its name, or the write stays."""

from __future__ import annotations

import pytest
from alias_fixing import fix_all, judge, wrong_if_all
from test_rewrite_listed import program

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
H = "h = x.exp()\n"
G = H + "def g():\n    h.add_(1)\n"
CALLED = "g(2)\nz = h * h\ng(k=h.sum())\nreturn h, z"
ASKED = "    return 1\ntry:\n    return h, x\nfinally:\n    if g():\n        x = y"
POOL = (
    "class Pool:\n    def exp(self):\n        self.last = torch.ones(2, 3) * x\n        return self.last\n"
    "pool = Pool()\nh = pool.exp()\ndef g():\n    h.add_(1)\ng()\nreturn h, pool.last"
)
CASES = {
    "called once": (G + "g()\nreturn h", H + "def g():\n    nonlocal h\n    h = h.add(1)\ng()\nreturn h"),
    "written twice": (
        H + 'def g(k):\n    """Grow it."""\n    h.mul_(k)  # more\n    torch.sin_(h)\n' + CALLED,
        H + 'def g(k):\n    """Grow it."""\n    nonlocal h\n    h = h.mul(k)  # more\n    h = torch.sin(h)\n' + CALLED,
    ),
    "read by another function": (
        G + "def k():\n    return h * 2\nz = k()\ng()\nreturn h, k(), z",
        H + "def g():\n    nonlocal h\n    h = h.add(1)\ndef k():\n    return h * 2\nz = k()\ng()\nreturn h, k(), z",
    ),
    "in a loop": (
        H + "def g():\n    for i in range(2):\n        h.mul_(i + 1)\ng()\nh = h * 2\ng()\nreturn h",
        H + "def g():\n    nonlocal h\n    for i in range(2):\n        h = h.mul(i + 1)\ng()\nh = h * 2\ng()\nreturn h",
    ),
    "in a list": (
        G + "z = [g() for _ in range(2)]\nreturn h",
        H + "def g():\n    nonlocal h\n    h = h.add(1)\nz = [g() for _ in range(2)]\nreturn h",
    ),
    "its value in a sum": (
        G + "    return h.sum()\nz = x * g() + g()\nreturn h, z",
        H + "def g():\n    nonlocal h\n    h = h.add(1)\n    return h.sum()\nz = x * g() + g()\nreturn h, z",
    ),
    "asked for": (
        G + "    return h.sum()\nif g() > 3:\n    h = h * 2\nreturn h",
        H + "def g():\n    nonlocal h\n    h = h.add(1)\n    return h.sum()\nif g() > 3:\n    h = h * 2\nreturn h",
    ),
}
SAFE = {
    "a factory": "acc = torch.zeros(2, 3)\ndef g(v):\n    acc.add_(v)\ng(x)\ng(x * x)\nreturn acc * x",
    "a function of torch": "acc = torch.sin(x)\ndef g():\n    acc.add_(1)\ng()\nreturn acc * x",
}
IN_DOUBT = {
    "bound twice": "acc = torch.zeros(2, 3)\ndef g(v):\n    acc.add_(v)\ng(x)\nacc = x * 2\ng(x)\nreturn acc * x",
    "given as out": "acc = torch.mul(x, 2, out=b)\ndef g():\n    acc.add_(1)\ng()\nreturn acc * 2, b",
}
LOOK_ALIKES = {
    "a second name": H + "k = h\ndef g():\n    h.add_(1)\ng()\nreturn h, k",
    "a view": H.replace("x.exp()", "x[0]") + "def g():\n    h.add_(1)\ng()\nreturn h, x",
    "a default": H + "def k(t=h):\n    return t * 2\ndef g():\n    h.add_(1)\ng()\nreturn h, k()",
    "a value of the call": H + "def g():\n    h.add_(1)\n    return 1\nz = h * g()\nreturn h, z",
    "beside the name": H + "def g():\n    h.add_(1)\n    return 1\nz = [h, g()]\nreturn h, z[0]",
    "beside it in a header": H + "def g():\n    h.add_(1)\n    return 1\nfor z in [h, g()]:\n    pass\nreturn h",
    "called later": H + "def g():\n    h.add_(1)\n    return 1\nk = lambda: g()\nz = h * k()\nreturn h, z",
    "one after the other": H + "def g():\n    h.add_(1)\n    return 1\nk = (g() for _ in range(2))\nreturn h * sum(k)",
    "called once the value is returned": G + "try:\n    return h, x\nfinally:\n    g()",
    "asked for once the value is returned": G + ASKED,
    "a method of the file": POOL,
    "read by locals": G + 'g()\nreturn h * 1, locals()["h"]',
    "kept by its flag": H + "k = F.elu(h, 1.0, True)\ndef g():\n    h.add_(1)\ng()\nreturn h, k",
    "a decorated function first": H
    + "def g():\n    @torch.no_grad()\n    def k():\n        return 1\n    h.add_(1)\ng()\nreturn h",
    "not only called": G + "fs = [g]\nfs[0]()\nreturn h",
    "returned from it": H + "def g():\n    h.add_(1)\n    return h\nz = g()\nreturn h, z",
    "a view that is kept": H + "def g():\n    v = h.t()\n    h.mul_(2)\n    return v.sum()\nz = g()\nreturn h, z",
    "deeper": H + "def g():\n    def k():\n        h.mul_(2)\n    k()\ng()\nreturn h",
    "a generator": H + "def g():\n    h.mul_(2)\n    yield 1\nlist(g())\nreturn h",
    "an attribute": G + "box = Box()\nbox.t = h\ng()\nreturn h, box.t",
    "an argument": "def g():\n    a.mul_(2)\ng()\nreturn a",
    "on one line": H + "def g(): h.add_(1)\ng()\nreturn h",
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_the_name_is_bound_by_the_nested_function(before: str, after: str):
    assert fix_all(program(before)) == program(after)
    assert wrong_if_all(program(before)) is None


@pytest.mark.parametrize("body", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_the_write_stays(body: str):
    assert "nonlocal" not in fix_all(program(body))


@pytest.mark.parametrize("body", SAFE.values(), ids=SAFE.keys())
def test_a_tensor_that_is_bound_once_is_known_in_the_nested_function(body: str):
    found = judge(program(body))
    assert "nonlocal acc" in found.fixed
    assert found.wrong is None


@pytest.mark.parametrize("body", IN_DOUBT.values(), ids=IN_DOUBT.keys())
def test_what_may_be_another_tensor_is_left_to_a_run(body: str):
    assert "nonlocal acc" not in judge(program(body)).fixed
