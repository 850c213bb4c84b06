"""The catalogue's claims about memory, seen from their use: a write that `fix` calls safe changes no other tensor.

For every operator of torch's database and every module: its result and its argument both live on, one of them is
written in place, and both are returned.  Where they share memory, a rewrite would be seen in the other.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
import torch
from torch.testing._internal.common_modules import module_db
from torch.utils._pytree import tree_leaves, tree_map

from fixinplace import names, pipeline, source
from fixinplace.catalogue.sample import operators

PROGRAM = """\
import torch
import torch.nn.functional as F


def program({parameters}):
    {module}
    y = x * 1
    z = {call}
    {write}
    return y, z
"""
WRITES = ("y.mul_(2)", "z += 1")
SAMPLES = 2
UNDEFINED = ("empty", "new_empty")
"""Beginnings of names whose results are uninitialised memory."""


@functools.cache
def fixed(text: str) -> str:
    """The program after `fix --verify off`: what is safe is written, nothing else."""
    enabled = frozenset(rule.code for rule in names.RULES)
    result = pipeline.fix(source.parse("p.py", text.encode()), enabled, pipeline.Policy(pipeline.Mode.OFF), None)
    assert not result.analysis.problems, result.analysis.problems
    return result.text


def run(text: str, given: dict[str, object]) -> list[torch.Tensor]:
    """The tensors that a program returns."""
    namespace: dict[str, object] = {}
    exec(compile(text, "p.py", "exec"), namespace)
    torch.manual_seed(0)
    copies = tree_map(lambda v: v.detach().clone() if isinstance(v, torch.Tensor) else v, given)
    copies["x"].requires_grad_()
    return [t.detach() for t in tree_leaves(namespace["program"](**copies)) if isinstance(t, torch.Tensor)]


def passed(start: str, args, kwargs) -> tuple[dict[str, object], str]:
    """Names for arguments, and the text that passes them."""
    given = {f"{start}{n}": value for n, value in enumerate((*args, *kwargs.values()))}
    named = list(given)[len(args) :]
    return given, ", ".join([*list(given)[: len(args)], *(f"{k}={n}" for k, n in zip(kwargs, named, strict=True))])


def operator_programs(op) -> Iterator[tuple[str, dict[str, object]]]:
    for number, case in enumerate(op.sample_inputs_func(op, "cpu", torch.float64, False)):
        if number == SAMPLES:
            return
        if isinstance(case.input, torch.Tensor) and case.input.is_floating_point():
            given, text = passed("a", case.args, case.kwargs)
            for call in spellings(op.name, text):
                yield call, {"x": case.input, **given}


def spellings(name: str, text: str) -> Iterator[str]:
    if name.startswith("nn.functional."):
        yield f"F.{name.removeprefix('nn.functional.')}(y, {text})"
    elif "." in name or hasattr(torch, name):
        yield f"torch.{name}(y, {text})"
    if hasattr(torch.Tensor, name) and not name.endswith("_"):
        yield f"y.{name}({text})"


def module_programs(info) -> Iterator[tuple[str, str, dict[str, object]]]:
    for mode in ("train", "eval"):
        cases = info.module_inputs_func(
            info, device="cpu", dtype=torch.float64, requires_grad=False, training=mode == "train"
        )
        for case in list(cases)[:SAMPLES]:
            if case.forward_input is None or not tree_leaves(case.forward_input.args):
                continue
            first, *rest = case.forward_input.args
            made, constructor = passed("c", case.constructor_input.args, case.constructor_input.kwargs)
            given, call = passed("a", rest, case.forward_input.kwargs)
            if isinstance(first, torch.Tensor) and first.is_floating_point():
                build = f"m = torch.nn.{info.module_cls.__name__}({constructor})\n    m.double().{mode}()"
                yield build, f"m(y, {call})", {"x": first, **made, **given}


def original(text: str, given: dict[str, object]) -> list[torch.Tensor] | None:
    """What the program returns as it is; None if torch does not take this spelling or this write."""
    try:
        return run(text, given)
    except (RuntimeError, TypeError, AttributeError):
        return None


def check(module: str, call: str, given: dict[str, object]) -> int:
    """The number of programs that were rewritten; fails if one of them returns something else."""
    changed = 0
    parameters = ", ".join(["x: torch.Tensor", *list(given)[1:]])
    for write in WRITES:
        text = PROGRAM.format(parameters=parameters, module=module, call=call, write=write)
        expected = original(text, given)
        if expected is not None and (rewritten := fixed(text)) != text:
            changed += 1
            for value, reference in zip(run(rewritten, given), expected, strict=True):
                torch.testing.assert_close(value, reference, equal_nan=True, msg=f"{call} and {write}")
    return changed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_operators():
    chosen = [op for op in operators() if torch.float64 in op.dtypes and not op.name.startswith(UNDEFINED)]
    assert sum(check("pass", call, given) for op in chosen for call, given in operator_programs(op)) > 2000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_modules():
    public = [info for info in module_db if hasattr(torch.nn, info.module_cls.__name__)]
    assert sum(check(*program) for info in public for program in module_programs(info)) > 500


@pytest.mark.parametrize(
    "made",
    ["Dropout(0.5)", "Dropout2d(0.5)", "AlphaDropout(0.5)", "Identity()", "Flatten()", "Unflatten(1, (4,))",
     "Sequential()", "Sequential(torch.nn.Identity(), torch.nn.Flatten(0))", "PixelShuffle(1)", "PixelUnshuffle(1)",
     "ChannelShuffle(1)"],
)  # fmt: skip
def test_modules_that_may_hand_their_argument_through(made):
    check(f"m = torch.nn.{made}\n    m.eval()", "m(y)", {"x": torch.randn(2, 4, 3, 3)})
    check(f"m = torch.nn.{made}\n    m.eval()", "m(y).view(-1)", {"x": torch.randn(2, 4, 3, 3)})


@pytest.mark.parametrize(
    "value",
    ["mask * 0.5", "0.5 * mask", "indices * 0.5", "indices / 2", "torch.where(mask, indices, 0.5)", "indices.add(0.5)",
     "torch.sigmoid(indices)", "indices.clamp(0.5)", "y.argsort() ** 0.5", "torch.nn.Embedding(4, 1)(indices)[:, 0]"],
)  # fmt: skip
def test_the_default_dtype_of_integers_met_by_floats_is_not_forgotten(value):
    """The write keeps float16; the plain out-of-place form would give float32, so that it is not called safe."""
    lines = ["y = (x * 1).half()", "mask = y > 0", "indices = torch.arange(4)", f"y += {value}", "return y"]
    text = "import torch\n\n\ndef program(x: torch.Tensor):\n" + "".join(f"    {line}\n" for line in lines)
    (before,), (after,) = (run(t, {"x": torch.rand(4)}) for t in (text, fixed(text)))
    assert before.dtype is after.dtype is torch.float16
