"""Sums of which only a dtype is in doubt: the cast that needs no run, its values and its gradients."""

from __future__ import annotations

import ast

import pytest
import torch
from rewriting import fixed

from fixinplace import detect, pipeline, rewrite
from fixinplace.config import selected
from fixinplace.files import of_text
from fixinplace.model import Finding, Fix
from fixinplace.pipeline import Mode, Policy
from fixinplace.source import Text

HEAD = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.kind = torch.empty(0).dtype
        self.a = nn.Linear(4, 4)

    def forward(self, x, other):
        h = self.a(x)
        y = torch.exp(h)
"""
BROADCAST = HEAD + "        y += self.b(x).to(self.kind)[:, None]\n        return y * h\n"
SUM = HEAD + "        y += torch.zeros(4).to(self.kind)\n        return y * h\n"
GUARDED = ("no gradient flows to the operand",)


def planned(text: str, run: bool) -> tuple[Finding, ...]:
    part = Text(text)
    return rewrite.plan(part, detect.scan(part, ast.parse(text)), run)


def offered(text: str, run: bool) -> list[Fix]:
    return [one.outcome for one in planned(text, run) if isinstance(one.outcome, Fix)]


def test_where_nothing_is_run_the_sum_is_cast_and_safe() -> None:
    assert "y = (y + torch.zeros(4).to(self.kind)).to(y.dtype)" in fixed(SUM, planned(SUM, run=False))
    assert [(fix.safe, fix.assumes) for fix in offered(SUM, run=False)] == [(True, GUARDED)]


def test_a_run_proves_the_short_form() -> None:
    assert "y = y + torch.zeros(4).to(self.kind)\n" in fixed(SUM, planned(SUM, run=True))
    assert [fix.safe for fix in offered(SUM, run=True)] == [False]


@pytest.mark.parametrize(("mode", "cast"), [(Mode.OFF, True), (Mode.AUTO, False)])
def test_the_cast_is_for_those_who_run_nothing(mode: Mode, cast: bool) -> None:
    source = of_text("net.py", SUM, on_disk=False)
    result = pipeline.fix(source, selected((), ()), Policy(mode, unsafe=True), None)
    assert result.changed and (".to(y.dtype)" in result.text) is cast


ROUNDED = ("where two dtypes meet, a gradient may be rounded otherwise",)
SAID = {
    "a parameter, whose gradient may be summed over the batch": SUM.replace(
        "torch.zeros(4).to(self.kind)", "self.a.bias"
    ).replace("torch.exp(h)", "torch.exp(torch.zeros(4).to(self.kind))"),
    "what an attribute holds": SUM.replace("torch.zeros(4).to(self.kind)", "self.last").replace(
        "        self.a =", "        self.last = torch.zeros(4, requires_grad=True).to(self.kind)\n        self.a ="
    ),
    "an operand that is computed, and may be broadcast": BROADCAST.replace(
        "        self.a =", "        self.b = nn.Linear(4, 4)\n        self.a ="
    ),
    "a product": SUM.replace("+=", "*="),
    "a quotient": SUM.replace("+=", "/="),
    "a method": SUM.replace("y += torch.zeros(4).to(self.kind)", "y.mul_(torch.ones(4).to(self.kind))"),
}


@pytest.mark.parametrize("text", SAID.values(), ids=SAID.keys())
def test_where_a_gradient_may_be_rounded_otherwise_it_is_said(text: str) -> None:
    (fix,) = offered(text, run=False)
    assert fix.safe and fix.assumes[-1:] == ROUNDED and "one dtype" not in fix.assumes
    assert ".to(y.dtype)" in fixed(text, planned(text, run=False))


TOTAL = (
    HEAD.replace("self.kind = torch.empty(0).dtype", "self.kind = torch.float64")
    + """\
        total = {start}
        for row in (h, y):
            total += (row - other.to(self.kind)).abs().sum()
        return total
"""
)


@pytest.mark.parametrize(("start", "safe"), [("0", False), ("0.0", False), ("self.a(x).sum()", True)])
def test_a_number_has_no_dtype(start: str, safe: bool) -> None:
    text = TOTAL.format(start=start)
    assert any(fix.safe and ".to(total.dtype)" in fix.edits[0].text for fix in offered(text, run=False)) is safe


LEFT = {
    "autocast": SUM.replace("h = self.a(x)", "with torch.autocast('cpu'):\n            h = self.a(x)"),
    "another doubt": SUM + "\n\nnn.Linear.forward = None\n",
    "what may be no tensor": SUM.replace("torch.exp(h)", "other"),
    "an argument that its caller sees": SUM.replace("y = torch.exp(h)", "y = x"),
    "a write that autograd does not see": SUM.replace(
        "        y += ", "        with torch.no_grad():\n            y += "
    ),
}


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_other_doubts_stay(text: str) -> None:
    assert not any(fix.safe for fix in offered(text, run=False))
    assert ".to(y.dtype)" not in fixed(text, planned(text, run=False))


def test_a_sum_without_a_doubt_stays_short() -> None:
    text = SUM.replace("torch.zeros(4).to(self.kind)", "h")
    assert "y = y + h\n" in fixed(text, planned(text, run=False))


def gradients(statement: str, first: torch.dtype, second: torch.dtype) -> list[torch.Tensor]:
    torch.manual_seed(0)
    a = torch.randn(3, 4, dtype=first, requires_grad=True)
    b = torch.randn(3, 4, dtype=second, requires_grad=True)
    names = {"y": a * 1, "b": b}
    exec(statement, names)
    out = names["y"]
    (out * torch.randn(3, 4, dtype=first)).sum().backward()
    assert a.grad is not None and b.grad is not None
    return [out.detach(), a.grad, b.grad]


@pytest.mark.parametrize("operator", ["+", "-"])
@pytest.mark.parametrize("first", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("second", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_the_cast_is_exact_for_any_two_dtypes(operator: str, first: torch.dtype, second: torch.dtype) -> None:
    before = gradients(f"y {operator}= b", first, second)
    after = gradients(f"y = (y {operator} b).to(y.dtype)", first, second)
    assert [one.dtype for one in before] == [one.dtype for one in after]
    assert all(map(torch.equal, before, after))


@pytest.mark.parametrize("operator", ["*", "/"])
@pytest.mark.parametrize("first", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("second", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_the_values_of_a_product_are_exact_for_any_two_dtypes(
    operator: str, first: torch.dtype, second: torch.dtype
) -> None:
    before = gradients(f"y {operator}= b", first, second)
    after = gradients(f"y = (y {operator} b).to(y.dtype)", first, second)
    assert torch.equal(before[0], after[0]) and [one.dtype for one in before] == [one.dtype for one in after]
    assert all(torch.allclose(one, two, rtol=0.05, atol=0.05) for one, two in zip(before, after, strict=True))


COMPARED = HEAD + "        seen = y.ge_(0.5)\n        return seen * h + y\n"


def test_a_comparison_gets_a_clone_which_keeps_its_gradient_of_zeros() -> None:
    """Out of place the result requires no grad, which a second derivative and `requires_grad` tell."""
    new = fixed(COMPARED, planned(COMPARED, run=False))
    assert "        y = y.clone()\n        seen = y.ge_(0.5)\n" in new
    assert [fix.safe for fix in offered(COMPARED, run=False)] == [True]
    assert "seen = y.ge(0.5)" in fixed(COMPARED, planned(COMPARED, run=True))


PUT = SUM.replace("y += torch.zeros(4).to(self.kind)", "y.put_(torch.tensor([0]), torch.zeros(1).to(self.kind))")


@pytest.mark.parametrize("text", [COMPARED, PUT])
def test_what_stands_behind_such_a_clone_is_finished_with_runs_as_well(text: str) -> None:
    new = fixed(text, planned(text, run=False))
    assert "y = y.clone()\n" in new
    assert not offered(new, run=True)
