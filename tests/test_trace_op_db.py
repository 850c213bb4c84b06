"""torch's own operators and modules: the tracer's verdict is torch's own, and what is right is not blamed.

A fast selection runs by default; everything else is marked slow.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db
from tracing import one_thread

from fixinplace.trace.events import Trace
from fixinplace.trace.tracer import Options, Tracer

SAMPLES = 3
CPU = torch.device("cpu")
IN_PLACE = [op for op in op_db if op.inplace_variant is not None]
RIGHT = [op for op in op_db if op.supports_autograd]
Program = Callable[[], None]


def selected(entries: list, every: int) -> list:
    """One in `every` entries by default, the others slow."""
    return [
        pytest.param(
            entry,
            id=f"{entry.name}-{getattr(entry, 'variant_test_name', '')}".rstrip("-"),
            marks=() if index % every == 0 else pytest.mark.slow,
        )
        for index, entry in enumerate(entries)
    ]


def fresh(value: object) -> object:
    """Leaves of their own for every run."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if type(value) in (list, tuple):
        return type(value)(fresh(each) for each in value)
    return value


def tensors(values: object) -> Iterator[torch.Tensor]:
    """Tracked tensors in nested lists and tuples."""
    if isinstance(values, torch.Tensor):
        if values.requires_grad:
            yield values
    elif isinstance(values, list | tuple):
        for each in values:
            yield from tensors(each)


def backward(*outputs: object) -> None:
    """Ask for the gradient of everything that has one."""
    tracked = list(tensors(list(outputs)))
    if tracked:
        torch.autograd.backward([each.abs().sum() if each.is_complex() else each.sum() for each in tracked])


def outcome(program: Program) -> str:
    """What a program raises: type and text; empty if it ends."""
    torch.manual_seed(0)
    try:
        program()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def traced(program: Program, options: Options) -> tuple[str, Trace]:
    tracer = Tracer(options)

    def under() -> None:
        with tracer:
            program()

    return outcome(under), tracer.trace()


def dtypes(op) -> list[torch.dtype]:
    return [each for each in (torch.float64, torch.complex128) if each in op.dtypes]


def written(op, sample, form: str) -> Program:
    """A program that saves `y` in one of three ways and writes it by the operator."""

    def program() -> None:
        x, args = fresh(sample.input), fresh(sample.args)
        keywords = {key: fresh(value) for key, value in sample.kwargs.items()}
        y = torch.mul(x, 1)
        kept = {"input": lambda: y**2, "output": y.exp, "nothing": y.sum}[form]()
        target = kept if form == "output" else y
        result = op.inplace_variant(target, *args, **keywords)
        backward(kept, y, result)

    return program


@pytest.mark.parametrize("op", selected(IN_PLACE, 8))
@pytest.mark.filterwarnings("ignore")
def test_the_verdict_on_an_in_place_operator_is_torchs_own(op):
    seen = 0
    for dtype in dtypes(op):
        torch.manual_seed(0)
        samples = itertools.islice(op.sample_inputs(CPU, dtype, requires_grad=True), SAMPLES)
        for sample, form in itertools.product(list(samples), ("input", "output", "nothing")):
            if not isinstance(sample.input, torch.Tensor):
                continue
            program = written(op, sample, form)
            with one_thread():
                expected = outcome(program)
                for options in (Options(), Options(content=True)):
                    found, trace = traced(program, options)
                    assert found.partition("Hint")[0] == expected.partition("Hint")[0]
                    loud = [each for each in trace.offences if not each.silent]
                    assert bool(loud) == ("modified by an inplace operation" in expected or _is_refused(expected))
                    assert all(each.complete and each.writes for each in loud if each.save is not None)
                    assert not any(each.silent and each.rule != "FIP304" for each in trace.offences)
            seen += 1
    assert seen or not dtypes(op)


def _is_refused(message: str) -> bool:
    return "single memory location" in message


@pytest.mark.parametrize("op", selected(RIGHT, 20))
@pytest.mark.filterwarnings("ignore")
def test_no_operator_is_blamed(op):
    for dtype in dtypes(op)[:1]:
        torch.manual_seed(0)
        for sample in itertools.islice(op.sample_inputs(CPU, dtype, requires_grad=True), SAMPLES):

            def program(sample=sample) -> None:
                backward(op(fresh(sample.input), *fresh(sample.args), **sample.kwargs))

            with one_thread():
                expected = outcome(program)
                found, trace = traced(program, Options(content=True))
            assert trace.offences == ()
            assert bool(found) == bool(expected)


@pytest.mark.parametrize("entry", selected(module_db, 10))
@pytest.mark.filterwarnings("ignore")
def test_no_module_is_blamed(entry):
    samples = entry.module_inputs_func(entry, device="cpu", dtype=torch.float64, requires_grad=True, training=True)
    for sample in itertools.islice(samples, SAMPLES):

        def program(sample=sample) -> None:
            given = sample.constructor_input
            module = entry.module_cls(*given.args, **given.kwargs).double().train()
            call = sample.forward_input
            for _ in range(2):
                backward(module(*fresh(call.args), **{key: fresh(value) for key, value in call.kwargs.items()}))

        with one_thread():
            expected = outcome(program)
            found, trace = traced(program, Options(content=True))
        assert [each for each in trace.offences if "inplace" not in expected] == []
        assert bool(found) == bool(expected)
