"""Tensors that get other memory behind autograd's back, and are gone by the time that the backward reads them."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from tracing import traced

from fixinplace.trace.tracer import Tracer

BODIES = {
    "one swap": "h.data = torch.round(h.data * 4) / 4  # write",
    "two swaps": "h.data = h.data * 2  # write\nh.data = h.data + 1",
    "written behind it": "h.data = h.data * 2  # write\nh.data.add_(1)",
}


def program(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"def f(w):\n    h = torch.tanh(w)\n    g = h * h  # save\n{lines}\n    return g\n"


@pytest.mark.parametrize("name", BODIES)
def test_a_local_tensor_that_was_swapped_is_an_offence(name: str):
    run = traced(program(BODIES[name]) + "\nf(torch.ones(3, requires_grad=True) * 1).sum().backward()  # backward")

    offence = run.offence
    assert offence.rule == "FIP303"
    assert offence.silent
    assert {write.place.line for write in offence.writes if write.place} >= run.lines("write")
    assert offence.save.place is not None
    assert {offence.save.place.line} == run.lines("save")


@pytest.mark.parametrize("name", BODIES)
def test_the_gradient_under_the_tracer_is_the_one_without(name: str):
    space: dict[str, object] = {"torch": torch}
    exec(program(BODIES[name]), space)

    def gradient() -> torch.Tensor:
        w = torch.linspace(-1, 1, 5, requires_grad=True)
        space["f"](w * 1).sum().backward()
        return w.grad

    plain = gradient()
    with Tracer():
        assert torch.equal(gradient(), plain)


def test_what_its_own_operation_saved_is_no_offence():
    run = traced(
        """
        def f(w):
            h = torch.tanh(w)
            h.data = h.data * 2
            return h

        f(torch.ones(3, requires_grad=True) * 1).sum().backward()
        """
    )
    assert run.error is None
    assert run.trace.offences == ()


def test_a_swapped_tensor_dies_with_its_graph():
    with Tracer():
        h = torch.tanh(torch.ones(3, requires_grad=True))
        g = h * h
        h.data = h.data * 2
        seen = weakref.ref(h)
        gc.disable()
        try:
            del h, g
            assert seen() is None
        finally:
            gc.enable()
