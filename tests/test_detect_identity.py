"""Hooks, pointers and variables that nested functions read: what they concern, and what they do not."""

from __future__ import annotations

import pytest
from rewriting import findings, fixed

from fixinplace.model import Fix

HEAD = "import torch\n\n\n"
WRITTEN = {
    "a hook behind the write": (
        "y = torch.exp(x)\n    y.mul_(2)\n    y.retain_grad()\n    return y",
        "y = torch.exp(x)\n    y = y.mul(2)\n    y.retain_grad()\n    return y",
    ),
    "a hook of another tensor": (
        "h = torch.exp(x)\n    h.register_hook(lambda g: g * 2)\n    y = h + 1\n    y.mul_(h)\n    return y",
        "h = torch.exp(x)\n    h.register_hook(lambda g: g * 2)\n    y = h + 1\n    y = y.mul(h)\n    return y",
    ),
    "a variable that is read late": (
        "y = torch.exp(x)\n    k = lambda: y.sum()\n    a = k()\n    y.mul_(2)\n    return a + k() * y",
        "y = torch.exp(x)\n    k = lambda: y.sum()\n    a = k()\n    y = y.mul(2)\n    return a + k() * y",
    ),
}
LEFT = {
    "a hook before the write": "y = torch.exp(x)\n    y.retain_grad()\n    y.mul_(2)\n    return y",
    "a hook of a view": "y = torch.exp(x)\n    v = y[1:]\n    v.retain_grad()\n    y.mul_(2)\n    return y",
    "a hook in the round before": "y = torch.exp(x)\n    for i in range(2):\n        y.mul_(2)\n        y.retain_grad()\n"
    "    return y",
    "a hook of what a loop goes over": "y = torch.exp(x)\n    for t in [y]:\n        t.retain_grad()\n    y.mul_(2)\n    return y",
    "a hook by a helper": "y = torch.exp(x)\n    keep(y)\n    y.mul_(2)\n    return y\n\n\ndef keep(t):\n    t.retain_grad()",
    "a view that a function keeps": "y = torch.exp(x)\n    k = lambda: y[0]\n    a = k()\n    y.mul_(2)\n    return a + y",
    "a chain that calls it": "y = torch.exp(x)\n    k = lambda: y.sum()\n    y.mul_(2).add_(k())\n    return y",
    "called by a store": "y = torch.exp(x)\n    k = lambda: (y * y).sum()\n    y[0] += k()\n    return y",
    "called by a part's method": "y = torch.exp(x)\n    k = lambda: (y * y).sum()\n    y[0].mul_(k())\n    return y",
    "in place by a flag": "y = torch.exp(x)\n    k = lambda: torch.nn.functional.elu(y, 1.0, True)\n    z = k()\n    y.mul_(2)\n"
    "    return y + z",
    "an operator of the file": "y = torch.exp(x)\n    c = Own()\n    k = lambda: y * c\n    z = k()\n    y.mul_(2)\n    return y, z\n\n\n"
    "class Own:\n    def __rmul__(self, t):\n        self.t = t\n        return t",
    "called by a tensor's attribute": "y = torch.exp(x)\n    x.k = lambda: (y * y).sum()\n    y[0] += x.k()\n    return y",
    "called by an attribute": "y = torch.exp(x)\n    k = lambda: (y * y).sum()\n    c = Calls(k)\n    y[0] += c.value\n    return y",
    "a generator": "y = torch.exp(x)\n    k = (t * 2 for t in y)\n    y.mul_(2)\n    return y + next(k)",
}


@pytest.mark.parametrize(("before", "after"), WRITTEN.values(), ids=WRITTEN.keys())
def test_the_write_is_safe(before: str, after: str):
    text = f"{HEAD}def f(x):\n    {before}\n"
    planned = findings(text)

    assert fixed(text, planned) == f"{HEAD}def f(x):\n    {after}\n"
    assert all(isinstance(one.outcome, Fix) and one.outcome.safe for one in planned)


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT.keys())
def test_the_write_is_left_to_a_run(body: str):
    planned = findings(f"{HEAD}def f(x):\n    {body}\n")

    assert planned
    assert not any(isinstance(one.outcome, Fix) and one.outcome.safe for one in planned)


CALLER = "\n\n\ndef main():\n    a, b = f(torch.ones(3, requires_grad=True))\n    assert a.data_ptr() == b.data_ptr()\n"
ADDRESSES = {
    "asked by a caller": ("y = torch.exp(x)\n    y.mul_(2)\n    return y, y.view(-1)" + CALLER, True),
    "asked here": ("y = torch.exp(x)\n    p = y.data_ptr()\n    y.mul_(2)\n    return y, p == y.data_ptr()", False),
    "asked by a helper": (
        "y = torch.exp(x)\n    p = at(y)\n    y.mul_(2)\n    return p == at(y)\n\n\ndef at(t):\n    return t.data_ptr()",
        False,
    ),
    "given to somebody before": ("y = torch.exp(x)\n    g(y)\n    y.mul_(2)\n    return y, y.view(-1)" + CALLER, False),
    "a view": ("y = torch.exp(x)[1:]\n    y.mul_(2)\n    return y, y.view(-1)" + CALLER, False),
    "its version": (
        "y = torch.exp(x)\n    y.mul_(2)\n    return y\n\n\ndef main():\n    assert f(torch.ones(3))._version == 1\n",
        False,
    ),
}


@pytest.mark.parametrize(("body", "safe"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_who_is_shown_a_tensor_may_know_it_again(body: str, safe: bool):
    planned = findings(f"{HEAD}def f(x):\n    {body}\n")

    assert [isinstance(one.outcome, Fix) and one.outcome.safe for one in planned] == [safe]


PARTS = {
    "y[2].copy_(y[1])": True,
    "y[2].copy_(y[i])": False,
    "y[1:].copy_(y[:-1])": False,
    "y[0].add_(y[1])": True,
    "y[0].add_(v[1])": True,
    "a[0].copy_(b[0])": True,
    "a[0].copy_(c[0])": False,
}


@pytest.mark.parametrize("line", PARTS)
def test_parts_without_a_common_element_are_copied_into_each_other(line: str):
    body = f"y = torch.exp(x)\n    v = torch.sin(x)\n    a, b, c = y[:1], y[1:], y[:2]\n    z = y * y\n    {line}"
    (one,) = findings(f"{HEAD}def f(x, i):\n    {body}\n    return y + z, v\n")

    assert isinstance(one.outcome, Fix)
    assert one.outcome.safe is PARTS[line]


@pytest.mark.parametrize("value", ["torch.exp(x[row])", "torch.ones(3)", "(torch.exp(x), torch.ones(3))[row]"])
@pytest.mark.parametrize("run", [True, False])
def test_a_copy_in_a_loop_is_safe_in_a_clone(value: str, run: bool):
    loop = f"for row in (0, 1):\n        h.copy_({value})\n        total = total + h * h"
    text = f"{HEAD}def f(x):\n    h = torch.exp(x)\n    total = h * h\n    {loop}\n    return total\n"
    (fix,) = [one.outcome for one in findings(text, run)]

    assert isinstance(fix, Fix)
    assert fix.safe is not run
    assert run or f"h = h.clone().copy_({value})" in fixed(text, findings(text, run))


COPIED = """\
import torch


def f(x: torch.Tensor):
    h = torch.ones(2, 3) * x.sum()
    total = h * h
    for i in range(2):
        v = torch.exp(x * i){turned}
        h.copy_(v)
        total = total + h * h
    return total.sum() + h.view(6)[0]
"""


def test_what_is_copied_has_strides_of_its_own():
    before = COPIED.format(turned=".t().contiguous().t()")
    after = before.replace("h.copy_(v)", "h = h.clone().copy_(v)")

    assert fixed(before, findings(before, run=False)) == after
    assert all(isinstance(one.outcome, Fix) and one.outcome.safe for one in findings(before, run=False))
    assert fixed(after, findings(after, run=False)) == after
    assert not any(isinstance(one.outcome, Fix) and one.outcome.safe for one in findings(before))


def test_a_copy_to_which_no_gradient_flows_goes_into_a_clone():
    before = COPIED.format(turned=".detach()")

    assert "        h = h.clone().copy_(v)" in fixed(before, findings(before, run=False))


def test_only_a_clone_has_the_same_strides():
    body = "y = torch.exp(x).t()\n    z = y * y\n    y.cumprod_(0)\n    return (z @ y).t().contiguous()"
    text = f"{HEAD}def f(x):\n    {body}\n"
    run, alone = (fixed(text, findings(text, run)) for run in (True, False))

    assert "y = y.cumprod(0)" in run
    assert alone == text.replace("    y.cumprod_(0)", "    y = y.clone()\n    y.cumprod_(0)")
    assert fixed(alone, findings(alone, run=False)) == alone


def test_a_clone_on_the_same_line_is_one():
    text = f"{HEAD}def f(x):\n    y = torch.exp(x).t(); z = y * y; y.cumprod_(0)\n    return (z @ y).t().contiguous()\n"
    once = fixed(text, findings(text, run=False))

    assert "z = y * y; y = y.clone(); y.cumprod_(0)" in once
    assert fixed(once, findings(once, run=False)) == once


@pytest.mark.parametrize(
    "before",
    ["if i:\n        y = y.clone()", "for i in range(i):\n        y = y.clone()", "z = z * 1  # see; y = y.clone()"],
)
def test_a_clone_that_may_not_have_run_is_none(before: str):
    body = f"y = torch.exp(x).t()\n    z = y * y\n    {before}\n    y.cumprod_(0)\n    return (z @ y).t().contiguous()"
    text = f"{HEAD}def f(x, i):\n    {body}\n"

    assert "    y = y.clone()\n    y.cumprod_(0)" in fixed(text, findings(text, run=False))


def test_a_chain_that_is_given_its_own_tensor_is_read_to_its_end():
    body = "y = torch.exp(x).t()\n    z = (y * y).t()\n    y.cumsum_(0).mul_(y)\n    return y.t(), z"

    assert findings(f"{HEAD}def f(x):\n    {body}\n")


def test_where_no_clone_can_stand_a_run_decides():
    body = (
        "y = torch.exp(x).t()\n    z = [y.masked_fill_(y > 1, 0) for _ in range(1)]\n    return z[0].t().contiguous()"
    )
    planned = findings(f"{HEAD}def f(x):\n    {body}\n", run=False)

    assert not any(isinstance(one.outcome, Fix) and one.outcome.safe for one in planned)
