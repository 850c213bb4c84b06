"""Tensors that a loop fills slot by slot: what is stacked, and what must stay."""

from __future__ import annotations

import ast

import pytest
import torch
from rewriting import findings, fixed

from fixinplace.model import Fix

HEAD = "import torch\nfrom torch import nn\n\nw = nn.Parameter(torch.ones(4))\n\n\ndef f(x, xs, flag):\n"


def _program(body: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in body.splitlines())


def _run(text: str, length: int):
    """What `f` returns, and the gradients of the parameter and of the input."""
    space: dict = {}
    exec(compile(text, "<program>", "exec"), space)
    x = torch.linspace(0.5, 2.0, length * 4).reshape(length, 4).requires_grad_()
    value = space["f"](x, [torch.full((4,), float(n)) for n in range(length)], True)
    value.pow(2).sum().backward()
    return value.detach(), value.dtype, space["w"].grad, x.grad


MAKE = "out = torch.zeros(len(x), 4)\n"
LOOP = "for i in range(len(x)):\n"
STORE = "    out[i] = x[i] * w\n"


@pytest.mark.parametrize(
    ("body", "stacked"),
    [
        pytest.param("out = torch.zeros(3, 4)\nfor i in range(3):\n    out[i] = x[i % len(x)] * w\n"
                     "return out + x.sum()",
                     "out = torch.stack(out_rows).to(out)", id="as-many-as-written"),
        pytest.param("n = len(x)\nout = torch.empty((n, 4))\nfor i in range(n):\n    out[i] = x[i] * w\n"
                     "return out + x.sum()",
                     "if out_rows:\n        out = torch.stack(out_rows).to(out)", id="as-many-as-a-name-says"),
        pytest.param("out = torch.zeros_like(x)\nfor i in range(x.size(0)):\n    out[i, :] = x[i] * w\n"
                     "return out + x.sum()",
                     "if out_rows:\n        out = torch.stack(out_rows).to(out)", id="like-another"),
        pytest.param("out = x.new_zeros(len(xs), 4)\nfor i, row in enumerate(xs):\n    out[i] = row * w\n"
                     "return out + x.sum()",
                     "if out_rows:\n        out = torch.stack(out_rows).to(out)", id="enumerated"),
        pytest.param("out = torch.zeros(4, len(x))\nfor i in range(x.shape[0]):\n    out[:, i] = x[i] * w\n"
                     "return out + x.sum()",
                     "if out_rows:\n        out = torch.stack(out_rows, dim=1)", id="columns"),
        pytest.param("out = torch.zeros(len(x), 4, dtype=torch.float64)\nfor i in range(len(x)):\n"
                     "    out[i] = x[i] * w\n"
                     "return out + x.sum()", "if out_rows:\n        out = torch.stack(out_rows).to(out)",
                     id="a-wider-dtype"),
        pytest.param("out = torch.zeros(len(x), 4)\nh = x.sum(0) * w\nfor i in range(len(x)):\n"
                     "    h = torch.tanh(h + w)\n"
                     "    out[i] = h\nreturn out * h", "out_rows.append(h.clone())", id="a-state-that-is-carried"),
        pytest.param("out = torch.zeros(len(x), 4)\nh = torch.zeros(4)\nfor i in range(len(x)):\n    h += x[i] * w\n"
                     "    out[i] = h\nreturn out * h", "out_rows.append(h.clone())", id="a-state-that-is-written"),
        pytest.param("out = torch.zeros(len(x), 4)\nfor i in range(len(x)):  # all\n    out[i] = x[i] * w  # last\n"
                     "return out + x.sum()", "  # last\n    if out_rows:\n        out = torch.stack(out_rows)",
                     id="behind-a-comment"),
        pytest.param("out = torch.zeros(len(x), 4)\nfor i in range(len(x)):\n    for k in range(3):\n"
                     "        if k > i:\n"
                     "            break\n    out[i] = x[i] * w * k\nreturn out + x.sum()",
                     "out_rows.append(x[i] * w * k)", id="a-loop-inside-ends-early"),
        pytest.param(MAKE + "more = torch.ones(len(x), 4)\n" + LOOP + STORE + "    more[i] = w * i\n"
                     "    flag = more[0]\nreturn out * more", "more[i] = w * i", id="one-of-two"),
        pytest.param(MAKE + "more = torch.ones(4, len(x))\n" + LOOP + STORE + "    more[:, i] = w * i\n"
                     "return out * more.t()", "more = torch.stack(more_rows, dim=1)", id="two-at-once"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("length", [1, 3])
def test_slots_are_stacked(body, stacked, length):
    text = _program(body)
    after = fixed(text, findings(text))

    assert stacked in after
    for old, new in zip(_run(text, length), _run(after, length), strict=True):
        assert old == new if isinstance(old, torch.dtype) else torch.equal(old, new)


def test_no_round_leaves_the_tensor_as_it_was():
    text = _program(
        "n = len(xs) - 1\nout = torch.zeros(n, 4)\nfor i in range(n):\n    out[i] = xs[i] * w\nreturn out + w"
    )
    space: dict = {}
    exec(compile(fixed(text, findings(text)), "<program>", "exec"), space)

    assert space["f"](None, [None], True).shape == (0, 4)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(MAKE + LOOP + "    if flag:\n        break\n" + STORE + "return out", id="ends-early"),
        pytest.param(MAKE + LOOP + "    if flag:\n        continue\n" + STORE + "return out", id="leaves-rounds-out"),
        pytest.param(MAKE + LOOP + "    if flag:\n        out[i] = x[i] * w\nreturn out", id="some-rounds"),
        pytest.param(MAKE + LOOP + STORE + "    flag = out[i].sum()\nreturn out", id="read-meanwhile"),
        pytest.param(MAKE + LOOP + "    out[i] = w * i\n    out[i] = x[i] * w\nreturn out", id="stored-twice"),
        pytest.param(MAKE + "for i in range(len(x) - 1):\n" + STORE + "return out", id="fewer-rounds"),
        pytest.param(MAKE + "for i in range(1, len(x)):\n" + STORE + "return out", id="begins-later"),
        pytest.param(MAKE + "for i in range(len(xs)):\n" + STORE + "return out", id="another-length"),
        pytest.param(MAKE + "for i in reversed(range(len(x))):\n" + STORE + "return out", id="backwards"),
        pytest.param("n = len(x)\nout = torch.zeros(n, 4)\nn = n - 1\nfor i in range(n):\n" + STORE + "return out",
                     id="the-length-changes"),
        pytest.param("out = torch.zeros(len(xs), 4)\nxs.pop()\nfor i in range(len(xs)):\n" + STORE + "return out",
                     id="the-list-changes"),
        pytest.param(MAKE + LOOP + "    i = i % 2\n" + STORE + "return out", id="the-index-changes"),
        pytest.param(MAKE + LOOP + "    out[i, 0] = x[i, 0] * w[0]\nreturn out", id="a-part-of-a-slot"),
        pytest.param(MAKE + LOOP + "    out[i] += x[i] * w\nreturn out", id="added-to"),
        pytest.param(MAKE + "first = out[0]\n" + LOOP + STORE + "return out * first", id="a-view-of-it-is-held"),
        pytest.param(MAKE + "def g():\n    return out\n" + LOOP + STORE + "return g()", id="a-function-sees-it"),
        pytest.param(MAKE + "try:\n    for i in range(len(x)):\n        out[i] = x[i] * w\nexcept IndexError:\n"
                     "    pass\n"
                     "return out", id="half-done-after-an-error"),
        pytest.param(MAKE + LOOP + STORE + "else:\n    flag = 1\nreturn out", id="else"),
        pytest.param("out = torch.zeros(len(x), 4)\nif flag:\n    for i in range(len(x)):\n        out[i] = x[i] * w\n"
                     "return out", id="made-elsewhere"),
        pytest.param("out = torch.zeros(3, 4)\nout[0] = w\nfor i in range(3):\n    out[i] = x * w\nreturn out",
                     id="stored-before"),
    ],
)  # fmt: skip
def test_what_may_leave_a_slot_alone_is_not_stacked(body):
    text = _program(body)
    ast.parse(text)

    fixes = [one.outcome for one in findings(text) if isinstance(one.outcome, Fix)]
    assert "stack-slots" not in [fix.rewrite for fix in fixes]


def test_a_stack_is_never_safe():
    (finding,) = findings(_program(MAKE + LOOP + STORE + "return out"))

    assert isinstance(finding.outcome, Fix)
    assert finding.outcome.rewrite == "stack-slots"
    assert not finding.outcome.safe
