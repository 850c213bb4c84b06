"""What a custom Function gives to `ctx.save_for_backward`, and writes before its forward ends: noted, no offence."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from tracing import traced

from fixinplace.trace.tracer import Tracer

SWISH = """
class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        gate = torch.sigmoid(x)
        {}
        return out

    @staticmethod
    def backward(ctx, g):
        x, gate = ctx.saved_tensors
        return g * (gate + x * gate * (1 - gate))

x = torch.randn(3, requires_grad=True) * 1
y = Swish.apply(x)
{}
y.sum().backward()
"""
EARLY = {
    "the result": "ctx.save_for_backward(x, gate)\n        out = gate.mul_(x)  # write",
    "a part of it": "ctx.save_for_backward(x, gate)\n        gate[0] = 2  # write\n        out = gate * x",
    "through a view": "ctx.save_for_backward(x, gate)\n        gate.view(-1).mul_(x)  # write\n        out = gate",
}
RIGHT = {
    "out of place": "ctx.save_for_backward(x, gate)\n        out = gate.mul(x)",
    "a copy": "ctx.save_for_backward(x, gate.clone())\n        out = gate.mul_(x)",
    "before": "gate.mul_(2)\n        ctx.save_for_backward(x, gate)\n        out = gate * x",
    "nothing changed": "ctx.save_for_backward(x, gate)\n        gate.mul_(1)\n        out = gate * x",
}


@pytest.mark.parametrize("name", EARLY)
def test_a_write_between_is_noted(name: str):
    run = traced(SWISH.format(EARLY[name], ""))

    (note,) = run.trace.notes
    (line,) = run.lines("write")
    assert f"line {line}, writes what `ctx.save_for_backward` was given before" in note
    assert run.error is None and not run.trace.offences


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_kept_as_it_was_is_not(name: str):
    run = traced(SWISH.format(RIGHT[name], ""))

    assert (run.error, run.trace.offences, run.trace.notes) == (None, (), ())


def test_a_write_behind_the_forward_is_an_offence_and_no_note():
    run = traced(SWISH.format("ctx.save_for_backward(x, gate)\n        out = gate.mul(x)", "x += 1  # write"))

    assert {write.place.line for write in run.offence.writes if write.place} == run.lines("write")
    assert run.trace.notes == ()


def test_nothing_is_kept_of_what_was_given():
    class Kept(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            inner = x * 2
            seen.append(weakref.ref(inner))
            ctx.save_for_backward(inner)
            return inner * 1

        @staticmethod
        def backward(ctx, g):  # type: ignore[no-untyped-def]
            return g

    seen: list[weakref.ref[torch.Tensor]] = []
    with Tracer():
        y = Kept.apply(torch.ones(3, requires_grad=True))
        y.sum().backward()
        del y
        gc.collect()
        assert seen[0]() is None
