"""Writes to a tensor that another name is on some ways only: that name is asked, or the write stays."""

from __future__ import annotations

import pytest
import torch
from alias_fixing import fix, judge, stays
from rewriting import ASKING, fixes
from test_detect_closed_flow import FLOW
from test_detect_closed_flow import HEAD as FLOW_HEAD
from test_rewrite_listed import program

from fixinplace import source

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
EITHER = "v = x if flag else y\n"
X, Y = "x = v if x is old else x\n", "y = v if y is old else y\n"
CASES = {
    "a clone on one way": (
        "v = x if flag else x.clone()\nv += 1  # one more\nreturn x * v",
        f"v = x if flag else x.clone()\nold = v\nv = v + 1  # one more\n{X}return x * v",
    ),
    "bound anew on one way": (
        "v = x\nif flag:\n    v = v * 2\nv.mul_(2)\nreturn x * v",
        f"v = x\nif flag:\n    v = v * 2\nold = v\nv = v.mul(2)\n{X}return x * v",
    ),
    "one of two": (f"{EITHER}v *= x\nreturn x * y, v", f"{EITHER}old = v\nv = v * x\n{X}{Y}return x * y, v"),
    "one of a list": (
        "v = [x, y][flag]\nv *= 2\nreturn x * y, v",
        f"v = [x, y][flag]\nold = v\nv = v * 2\n{X}{Y}return x * y, v",
    ),
    "a store": (
        f"{EITHER}v[0] = (x * x).sum()\nreturn x * y",
        f"{EITHER}old = v\nv = v.clone()\nv[0] = (x * x).sum()\n{X}{Y}return x * y",
    ),
    "the value has a name": (
        f"{EITHER}z = v.mul_(2)\nreturn x * y, v, z",
        f"{EITHER}old = v\nv = z = v.mul(2)\n{X}{Y}return x * y, v, z",
    ),
    "bound by the statement": (
        f"{EITHER}x = v.mul_(2)\nreturn x * y, v",
        f"{EITHER}old = v\nv = x = v.mul(2)\n{Y}return x * y, v",
    ),
    "in a loop": (
        f"{EITHER}for i in range(2):\n    v *= 2\nreturn x * y, v",
        f"{EITHER}for i in range(2):\n    old = v\n    v = v * 2\n    {X}    {Y}return x * y, v",
    ),
    "a usual name taken": (
        f"old = 2\n{EITHER}v *= old\nreturn x * y, v",
        f"old = 2\n{EITHER}before = v\nv = v * old\n{X}{Y}return x * y, v".replace("is old", "is before"),
    ),
    "one line": (
        f"{EITHER}if flag: v *= 2\nreturn x * y, v",
        f"{EITHER}if flag: old = v; v = v * 2; {X.strip()}; {Y}return x * y, v",
    ),
}
LOOK_ALIKES = {
    "a name that a context may leave unbound": "import contextlib\nz = x * 2\nwith contextlib.suppress(KeyError):\n"
    "    w = z if flag else z.clone()\nz += 1\nreturn w * z",
    "a name that is deleted": "z = x * 2\nw = z if flag else z.clone()\nif not flag:\n    del w\n"
    "z += 1\nreturn z * (w if flag else 2)",
    "a view on one way": "v = x if flag else x[:2]\nv *= 2\nreturn x * y, v",
    "a view of one of them": f"{EITHER}w = x.t()\nv *= 2\nreturn x * y, v, w",
    "a view of the tensor": f"{EITHER}w = v.t()\nv *= 2\nreturn x * y, v, w",
    "a part on one way of a function": "v = x if flag else first(x)\nv *= 2\nreturn x, v",
    "a list holds it": f"{EITHER}kept = [x]\nv *= 2\nreturn x * y, kept",
    "an attribute holds it": f"{EITHER}box = Box()\nbox.t = x\nv *= 2\nreturn x * y, box.t",
    "a nested function reads it": f"{EITHER}g = lambda: x\nv *= 2\nreturn x * y, g()",
    "not bound on every way": f"if flag:\n    w = x\n{EITHER}v *= 2\nif flag:\n    return w, v\nreturn v",
    "read behind the write": f"{EITHER}z = v.mul_(2) * x\nreturn x * y, v, z",
    "bound on the way": f"{EITHER}v += (x := x + 1)\nreturn x * y, v",
    "bound to something else": f"{EITHER}v = v.mul_(2).t()\nreturn x * y, v",
    "a parameter of the same elements": "v = torch.nn.Buffer(x) if flag else y\nv *= 2\nreturn x, y, v",
    "a shallow copy": "import copy\nv = copy.copy(x) if flag else y\nv *= 2\nreturn x, y, v",
    "another shape": f"{EITHER}v.t_()\nreturn x, y, v",
    "a tuple that a loop goes over": "for v in (x, y):\n    v *= 2\nreturn x * y, v",
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_the_other_name_is_asked(before: str, after: str):
    judged = judge(program(before))

    assert judged.fixed == program(after)
    assert judged.wrong is None
    assert not fix(judged.fixed).changed


@pytest.mark.parametrize("body", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_the_write_stays(body: str):
    text = program(body).replace("\n\ndef f(", "\n\ndef first(t):\n    return t[0]\n\n\ndef f(")
    assert stays(text)


def run(text: str) -> list[torch.Tensor]:
    """What `main` returns."""
    namespace: dict[str, object] = {}
    exec(compile(text, "program", "exec"), namespace)
    found = namespace["main"]()
    return [one for one in (found if isinstance(found, tuple) else (found,)) if isinstance(one, torch.Tensor)]


ENDING = {name: body for name, body in FLOW.items() if name != "error before finally"}  # that one raises


@pytest.mark.parametrize("body", ENDING.values(), ids=ENDING.keys())
def test_whatever_way_was_taken_the_values_stay(body: str):
    text = f"import torch\nKEPT = []\n\n\ndef main():\n    {FLOW_HEAD}{body}\n"
    edits = [edit for one in fixes(text) if one.safe and one.rewrite == ASKING for edit in one.edits]
    head = "import torch\nimport functools\nfrom torch import nn\n"

    for one, other in zip(run(text), run(source.apply(head + text, edits)), strict=True):
        torch.testing.assert_close(one, other)


def test_a_name_of_the_module_is_not_bound_by_a_function():
    text = program("global KEPT\nKEPT = x\nv = x if flag else y\nv *= 2\nreturn v, KEPT, y")

    assert " is old" not in fix(text).text
