"""Tensors under two names of which no link tells any more that they share memory, or that they are two."""

from __future__ import annotations

import pytest
from alias_fixing import judge
from test_rewrite_listed import program

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
PROGRAMS = {
    "two views made alike, one of which gets another shape": (
        "z = torch.sigmoid(y)\nu = torch.t(z)\nw = torch.t(z)\nw += 1\nw.unsqueeze_(0)\nreturn u, w"
    ),
    "a view in order of what pieces are put back into through a transpose": (
        "z = torch.sigmoid(y)\nu = torch.t(z)\nw = z.view((-1,))\np, q = u.chunk(2)\np.zero_()\nreturn p, q, w, z"
    ),
    "a part that is read under a name whose view is followed no more": (
        "z = torch.sigmoid(y)\nu = torch.t(z)\nv = u[0, 1:]\nu.clamp_(max=0.9)\nu.transpose_(0, 1)\nz[:, :2] += v\n"
        "return z"
    ),
    "a part that is stored under a name that nobody reads any more": "u = y.view(4, 3)\ny[:, 1:] = u[:1]\nreturn y",
    "a part of the tensor that a function gives": (
        "same = lambda t: t\nu = same(y.view(4, 3))\ny[:, 1:] = u[:1]\nreturn y"
    ),
    "what has no name and reads another part": (
        "u = y.diagonal()\nassert (z := u.chunk(2)[0].mul_(u[0])) is not None\nreturn z"
    ),
    "a part of another name in a method of a part": "u = y.t_()\ny[:2].add_(u[:1])\ny *= y.exp()\nreturn y",
    "two parts of one tensor in one line": "z = x * 2\nx = z.clamp_(max=0.9)\nz[::2] = x[..., 1:] = 0.5\nreturn x",
}


@pytest.mark.parametrize("body", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_what_is_written_keeps_what_the_program_does(body: str):
    """Each of them was rewritten wrongly, and called safe."""
    assert judge(program(body)).wrong is None


def test_a_row_is_stored_in_another_one_under_a_name_that_nobody_reads_any_more():
    found = judge(program("y = torch.sigmoid(y)\nu = y[1]\ns = y * y\ny[0] = u\nreturn y + s"))
    assert found.wrong is None and "    y = y.clone()\n    y[0] = u\n" in found.fixed


def test_one_of_two_views_keeps_its_shape():
    found = judge(program(PROGRAMS["two views made alike, one of which gets another shape"]))
    assert "w.unsqueeze_(0)" in found.fixed


def test_pieces_are_put_back_through_a_transpose_where_nobody_needs_an_order():
    body = PROGRAMS["a view in order of what pieces are put back into through a transpose"]
    body = body.replace("w = z.view((-1,))", "w = z[0]")
    found = judge(program(body))
    assert found.wrong is None and "torch.cat((p, q))" in found.fixed


STALE = {
    "method": "u = y.add_(1)",
    "methods in a chain": "u = y.add_(1).mul_(2)",
    "part of what it gives": "u = y.add_(1)[:2]",
    "change of shape": "u = y.t_()",
    "function": "u = torch.nn.functional.relu(y, inplace=True)",
    "one of several": "u, k = y.add_(1), x",
    "pieces": "u, k = y.add_(1).chunk(2)",
    "pieces by a function": "u, k = torch.chunk(y.add_(1), 2)",
    "part of what a function gives": "u = torch.add(y, 1, out=y)[:2]",
    "view": "v = y.t()\nu = v.add_(1)",
    "with a view that is read": "w = y[0]\nu = y.add_(1)\nx = w",
}


@pytest.mark.parametrize("first", STALE.values(), ids=STALE.keys())
@pytest.mark.parametrize("then", ["z = u[:1]\nz *= z\nreturn z, u, x", "z = u.t()\nz.mul_(2)\nreturn u, x"])
def test_nothing_is_put_back_into_what_the_new_tensor_was_never_bound_to(first: str, then: str):
    """`u = y.add(1)` leaves `y` as it was, where nobody reads it: a part of `u` was put back into that."""
    found = judge(program(f"{first}\n{then}"))
    assert found.wrong is None, found.fixed
    assert found.written


KEPT = {
    "another name": "u = x.mul_(2)",
    "another name beside its own": "x = u = x.mul_(2)",
    "another name before its own": "u = x = x.mul_(2)",
    "a name with a type": "u: torch.Tensor = x.mul_(2)",
    "a name within the line": "print(u := x.mul_(2))",
    "a condition": "u = x if x.mul_(2).sum() > 0 else y",
    "a list": "u = [x.mul_(2)][0]",
    "a function": "u = same(x.mul_(2))",
    "a place of a dict": "t = {}\nt['k'] = x.mul_(2)\nu = t['k']",
    "a list that grows": "rows = []\nrows.append(x.mul_(2))\nu = rows[0]",
    "a choice that is always made": "u = x.mul_(2) or y",
    "a view that is made of it": "u = x.mul_(2).expand(2, 3, 3)[0]",
    "all views": "u = x.mul_(2).detach()",
}
"""What keeps the value of a write into a view whose base is read later."""


@pytest.mark.parametrize("line", KEPT.values(), ids=KEPT.keys())
@pytest.mark.parametrize("then", ["u += 1\nreturn y", "u.add_(1)\nreturn y, u", "return y, u", "x += 1\nreturn u"])
def test_what_keeps_the_value_of_a_write_shares_memory_with_the_base_still(line: str, then: str):
    """`x = x.mul(2)`, `y = y.slice_scatter(x, -1, 1)`, `u = x`: so `u` was no part of `y` any more."""
    same = "same = lambda t: t\n" if "same" in line else ""
    assert judge(program(f"y = torch.sigmoid(y)\n{same}x = y[..., 1:]\n{line}\n{then}")).wrong is None


@pytest.mark.parametrize("line", ["u = x.mul_(2)", "u = w = x.mul_(2)", "u, w = x.mul_(2), 3"])
def test_another_name_for_the_value_is_made_of_the_new_base(line: str):
    found = judge(program(f"y = torch.sigmoid(y)\nx = y[..., 1:]\n{line}\nreturn y, u"))
    assert found.wrong is None
    assert "    y = y.slice_scatter(x, -1, 1)\n    x = y[..., 1:]\n    u" in found.fixed


def test_what_computes_with_the_value_needs_no_view_of_the_new_base():
    found = judge(program("y = torch.sigmoid(y)\nx = y[..., 1:]\nu = x.mul_(2).exp() * 2\nreturn y, u"))
    assert found.wrong is None
    assert "    y = y.slice_scatter(x, -1, 1)\n    u = x.exp() * 2\n" in found.fixed
