"""Views by strides, sums of what a loop stores into, indices that are written down: rewritten, and right when run."""

from __future__ import annotations

import pytest
from alias_fixing import fix, judge
from test_rewrite_listed import program

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
SAFE = {
    "written in a clone": (
        "z = torch.as_strided(x, (2, 2), (2, 1), 1)\nz.add_(1)\nreturn x * y",
        "x = x.clone()\nz = torch.as_strided(x, (2, 2), (2, 1), 1)\nz.add_(1)",
    ),
    "of a turned tensor": (
        "t = a.t().exp()\nz = t.as_strided((2, 2), (1, 2))\nw = t[0]\nz *= y[:2, :2]\nreturn t, w, z",
        "t = t.clone()\nz = t.as_strided((2, 2), (1, 2))\nw = t[0]\nz *= y[:2, :2]",
    ),
    "beside a write to all": (
        "z = x.as_strided((2,), (2,))\nx.mul_(y)\nreturn x, z.sin()",
        "x = x.mul(y)\nz = x.as_strided((2,), (2,))",
    ),
    "a mask of the tensor itself": (
        "t = a.t().exp()\nz = t.as_strided((2, 2), (1, 2))\nt.masked_fill_(t > 1, 2)\nreturn t, z",
        "t = t.clone()\nz = t.as_strided((2, 2), (1, 2))\nt.masked_fill_(t > 1, 2)",
    ),
    "sums of what is stored into": (
        "for i in range(3):\n    y[:, i] /= y.sum(1)\nreturn y",
        "y = y.clone()\nfor i in range(3):\n    y[:, i] /= y.sum(1)",
    ),
    "an index of two dimensions": (
        "i = torch.tensor([[0], [1]])\nz = x * x\nx[i] = y[i] * 2\nreturn x, z",
        "x = x.clone()\nx[i] = y[i] * 2",
    ),
}
LEFT = {
    "of a view by strides": "z = x.as_strided((2, 2), (3, 1))\nw = z.as_strided((2,), (1,), 1)\nw.mul_(2)\nreturn x",
    "past a view": "v = x[:1]\nz = v.as_strided((2,), (1,), 4)\nz.mul_(3)\nreturn x",
    "of a part of a storage": "t = a.exp()[1:]\nz = t.as_strided((2,), (1,), 1)\nz.add_(1)\nreturn t",
    "of an argument": "z = a.as_strided((2,), (1,), 1)\nz.add_(1)\nreturn a",
    "one place twice": "z = x.as_strided((2, 2), (1, 1), 1)\nz.add_(1)\nreturn x",
    "an index that repeats": "i = torch.tensor([[0], [0]])\nz = x * x\nx[i] = y[i] * 2\nreturn x, z",
    "powers of what is stored into": "for i in range(3):\n    y[:, i] /= y.norm(dim=1)\nreturn y",
}


@pytest.mark.parametrize(("body", "lines"), SAFE.values(), ids=SAFE.keys())
def test_it_is_written_and_right(body: str, lines: str):
    judged = judge(program(body))

    assert "\n".join(line.strip() for line in lines.splitlines()) in "\n".join(
        line.strip() for line in judged.fixed.splitlines()
    )
    assert judged.ran
    assert judged.wrong is None
    assert not fix(judged.fixed).changed


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT.keys())
def test_it_is_left_as_it_is(body: str):
    assert judge(program(body)).fixed == program(body)
