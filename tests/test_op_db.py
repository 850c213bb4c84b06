"""Every in-place variant in torch's own operator database: rewritten to the same values and gradients, or refused.

Each program keeps a tensor for backward (`y ** 2`), writes it in place, and uses both.  The reference is the same
program with a clone kept instead, which runs as it is, without hooks.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

import pytest
import torch
from rewriting import fixed
from torch.testing._internal.common_methods_invocations import op_db

from fixinplace import catalogue, detect, rewrite, source
from fixinplace.model import Finding, Fix

PROGRAM = """\
import torch
import torch.nn.functional as F


def program({parameters}):
    y = torch.mul(x, 1.0)
    kept = y ** 2
    {write}
    return {result}
"""

OPS = [op for op in op_db if op.inplace_variant is not None and torch.float64 in op.dtypes]

REFUSED = {
    "resize_": "resizes",
    "resize_as_": "resizes",
    "logical_and_": "no-counterpart",
    "logical_not_": "no-counterpart",
    "logical_or_": "no-counterpart",
    "logical_xor_": "no-counterpart",
}
"""Ops that give the tensor another size, and those that autograd does not record in place."""

RAISE = {"acosh", "asinh", "atanh", "floor_divide", "heaviside", "igamma", "igammac"}
"""Entries whose in-place form raises for all samples, for want of a derivative: there is nothing to compare with."""


def label(op) -> str:
    """Name of an entry of the database."""
    return f"{op.name}-{op.variant_test_name}" if op.variant_test_name else op.name


def method(op) -> str:
    """Name of the in-place method or, for a functional, of the function."""
    return op.name if op.name.endswith("_") else f"{op.name}_" if "." not in op.name else op.name


def writes(op, call: str) -> Iterator[str]:
    """The statements that write `y` with this op: method, method whose value is used, function, flag."""
    name, given = method(op), f", {call}" if call else ""
    if "." in name:
        flagged = f"F.{name.rpartition('.')[2]}(y{given}, inplace=True)"
        yield from (flagged, f"r = {flagged}")
        return
    yield from (f"y.{name}({call})", f"r = y.{name}({call})")
    if catalogue.writer(f"torch.{name}") is not None:
        yield from (f"torch.{name}(y{given})", f"r = torch.{name}(y{given})")


@functools.cache
def planned(text: str) -> tuple[tuple[Finding, ...], str]:
    """The findings of a program, and its text after every fix, safe or not."""
    part = source.Text(text)
    findings = rewrite.plan(part, detect.scan(part, ast.parse(text)))
    return findings, fixed(text, findings)


def samples(op) -> Iterator[tuple[torch.Tensor, dict[str, object], str]]:
    """Input, named further arguments, and how they are passed."""
    for sample in op.sample_inputs("cpu", torch.float64, requires_grad=True):
        if sample.broadcasts_input or not isinstance(sample.input, torch.Tensor):
            continue
        given = {f"a{n}": value for n, value in enumerate((*sample.args, *sample.kwargs.values()))}
        names = list(given)
        keywords = [f"{key}={name}" for key, name in zip(sample.kwargs, names[len(sample.args) :], strict=True)]
        yield sample.input, given, ", ".join([*names[: len(sample.args)], *keywords])


def run(text: str, x: torch.Tensor, given: dict[str, object]) -> list[torch.Tensor]:
    """Values and gradients; a missing gradient counts as zero, since in place there is a zero where a value was cut."""
    namespace: dict[str, object] = {}
    exec(compile(text, "program", "exec"), namespace)
    copies = {"x": x.detach().clone().requires_grad_()} | {k: _leaf(v) for k, v in given.items()}
    leaves = [v for v in copies.values() if isinstance(v, torch.Tensor) and v.requires_grad]
    torch.manual_seed(0)
    out = namespace["program"](**copies)
    loss = sum((o * torch.linspace(0.5, 1.5, o.numel()).reshape(o.shape).to(o.dtype)).sum() for o in out)
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    cut = (torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, gradients, strict=True))
    return [*(o.detach() for o in out), *cut]


def _leaf(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return value


@pytest.mark.parametrize("op", OPS, ids=label)
@pytest.mark.filterwarnings("ignore")
def test_an_in_place_variant_is_rewritten_right_or_refused(op):
    compared = 0
    for x, given, call in samples(op):
        for write in writes(op, call):
            result = "kept, y, r" if write.startswith("r = ") else "kept, y"
            text = PROGRAM.format(parameters=", ".join(["x", *given]), write=write, result=result)
            findings, rewritten = planned(text)
            if method(op) in REFUSED:
                assert [f.outcome.refusal for f in findings] == [REFUSED[method(op)]]
                return
            assert findings
            assert all(isinstance(f.outcome, Fix) for f in findings), findings
            try:
                expected = run(text.replace("y ** 2", "y.clone() ** 2"), x, given)
            except (RuntimeError, NotImplementedError) as error:
                assert "derivative" in str(error) or "out of bounds for storage" in str(error)
                continue
            compared += 1
            for value, reference in zip(run(rewritten, x, given), expected, strict=True):
                torch.testing.assert_close(value, reference, rtol=1e-12, atol=1e-14, equal_nan=True)

    assert (compared > 0) is (label(op) not in RAISE)


def test_the_database_is_covered():
    names = {method(op) for op in OPS}

    assert len(names) >= 130
    assert set(REFUSED) <= names
