"""Every in-place variant in torch's own operator database: rewritten to the same values and gradients, or refused.

Each program keeps a tensor for backward (`y ** 2`), writes it in place, and uses both; it goes through the whole of
`fix --verify off --unsafe-fixes`.  The reference is the same program with a clone kept instead, which runs as it is.
Cloning at pack time by hooks would give the same, except for `rrelu`: torch saves its noise before it is drawn.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch.testing._internal.common_methods_invocations import op_db

from fixinplace import names, pipeline, source
from fixinplace.model import Finding, Fix, Verdict

PROGRAM = """\
import torch
import torch.nn.functional as F


def program({parameters}):
    y = torch.mul(x, 1)
    kept = y ** 2
    {write}
    return {result}
"""

OPS = [op for op in op_db if op.inplace_variant is not None]
FLOATS = {torch.float32: (1e-5, 1e-5), torch.float64: (1e-12, 1e-14)}
OTHERS = {torch.complex128: (1e-12, 1e-14), torch.int64: (0.0, 0.0)}
"""Dtypes that are tried, the others where an entry has no floating one, with relative and absolute tolerance."""

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
    """Name of the in-place method, or of the function with its namespace for a functional."""
    return op.name if op.name.endswith("_") or "." in op.name else f"{op.name}_"


def dtypes(op) -> list[torch.dtype]:
    """Both floating dtypes, or the first of the others that the entry has."""
    floats = [dtype for dtype in FLOATS if dtype in op.dtypes]
    return floats or [dtype for dtype in OTHERS if dtype in op.dtypes][:1]


def calls(op, given: str) -> Iterator[str]:
    """The ways to spell the call that writes `y`: method, function, functional, flag."""
    short = op.name.rpartition(".")[2].removesuffix("_")
    rest = f", {given}" if given else ""
    if "." in op.name:
        yield f"F.{short}(y{rest}, inplace=True)"
    if hasattr(F, f"{short}_"):
        yield f"F.{short}_(y{rest})"
    if hasattr(torch, f"{short}_") and "dropout" not in short:
        yield f"torch.{short}_(y{rest})"
    if hasattr(torch.Tensor, f"{short}_"):
        yield f"y.{short}_({given})"


def programs(op, given: dict[str, object], passed: str) -> Iterator[str]:
    """A program for every spelling, as a statement, as a value, and inside an expression."""
    parameters = ", ".join(["x", *given])
    for call in calls(op, passed):
        yield PROGRAM.format(parameters=parameters, write=call, result="kept, y")
        yield PROGRAM.format(parameters=parameters, write=f"r = {call}", result="kept, y, r")
        yield PROGRAM.format(parameters=parameters, write=f"r = torch.sub({call}, 0.5)", result="kept, y, r")


@functools.cache
def fixed(text: str) -> tuple[str, tuple[Finding, ...]]:
    """The program after `fix --verify off --unsafe-fixes`, and the findings."""
    policy = pipeline.Policy(pipeline.Mode.OFF, unsafe=True)
    enabled = frozenset(rule.code for rule in names.RULES)
    result = pipeline.fix(source.parse("program.py", text.encode()), enabled, policy, None)
    assert not result.analysis.problems, result.analysis.problems
    return result.text, result.analysis.findings


def samples(op, dtype: torch.dtype) -> Iterator[tuple[torch.Tensor, dict[str, object], str]]:
    """Input, named further arguments, and how they are passed."""
    for sample in op.sample_inputs_func(op, "cpu", dtype, dtype in FLOATS):
        if sample.broadcasts_input or not isinstance(sample.input, torch.Tensor):
            continue
        given = {f"a{n}": value for n, value in enumerate((*sample.args, *sample.kwargs.values()))}
        positional = list(given)[: len(sample.args)]
        keywords = (f"{key}={name}" for key, name in zip(sample.kwargs, list(given)[len(positional) :], strict=True))
        yield sample.input, given, ", ".join([*positional, *keywords])


def run(text: str, x: torch.Tensor, given: dict[str, object]) -> tuple[list[torch.Tensor], list[bool]]:
    """Values, gradients, and which values require grad; a missing gradient is zero here, which the last part tells."""
    namespace: dict[str, object] = {}
    exec(compile(text, "program", "exec"), namespace)
    copies = {"x": x.detach().clone().requires_grad_(x.is_floating_point())} | {k: _leaf(v) for k, v in given.items()}
    leaves = [v for v in copies.values() if isinstance(v, torch.Tensor) and v.requires_grad]
    torch.manual_seed(0)
    out = namespace["program"](**copies)
    weights = [torch.linspace(0.5, 1.5, o.numel(), dtype=torch.float64).reshape(o.shape).to(o.dtype) for o in out]
    loss = sum((o * weight).sum() for o, weight in zip(out, weights, strict=True))
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True) if leaves else ()
    cut = (torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, gradients, strict=True))
    return [*(o.detach() for o in out), *cut], [o.requires_grad for o in out]


def _leaf(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return value


def compare(op, dtype: torch.dtype) -> collections.Counter[str]:
    """Programs of one entry by what came of them; fails at the first that is wrong."""
    relative, absolute = (FLOATS | OTHERS)[dtype]
    seen: collections.Counter[str] = collections.Counter()
    for x, given, passed in samples(op, dtype):
        for text in programs(op, given, passed):
            rewritten, findings = fixed(text)
            if method(op) in REFUSED:
                assert [f.outcome.refusal for f in findings] == [REFUSED[method(op)]]
                seen["refused"] += 1
                continue
            assert findings
            assert all(isinstance(f.outcome, Fix) for f in findings), findings
            try:
                expected, tracked = run(text.replace("y ** 2", "y.clone() ** 2"), x, given)
            except (RuntimeError, NotImplementedError) as error:
                assert any(why in str(error) for why in ("derivative", "out of bounds for storage", "float_power_"))
                continue
            values, tracked_now = run(rewritten, x, given)
            for value, reference in zip(values, expected, strict=True):
                torch.testing.assert_close(value, reference, rtol=relative, atol=absolute, equal_nan=True)
            assert tracked_now == tracked or all(f.outcome.ruling.verdict is Verdict.UNPROVED for f in findings)
            seen["rewritten"] += 1
    return seen


@pytest.mark.parametrize("op", OPS, ids=label)
@pytest.mark.filterwarnings("ignore")
def test_an_in_place_variant_is_rewritten_right_or_refused(op):
    torch.manual_seed(0)
    seen = sum((compare(op, dtype) for dtype in dtypes(op)), collections.Counter())

    assert set(seen) == ({"refused"} if method(op) in REFUSED else set() if label(op) in RAISE else {"rewritten"})


def test_counts():
    """Entries by what becomes of them; nothing is wrong, or one of the tests above fails."""
    refused = [op for op in OPS if method(op) in REFUSED]
    raising = [op for op in OPS if label(op) in RAISE]

    assert (len(OPS), len({op.name for op in OPS})) == (163, 140)
    assert (len(OPS) - len(refused) - len(raising), len(refused), len(raising)) == (150, 6, 7)


@pytest.mark.parametrize("call", ["F.elu_(y, 1.0, 2.0)", "F.elu_(y, scale=2.0)", "F.rrelu_(y, 0.1, 0.2, False, None)"])
def test_a_call_that_the_twin_reads_otherwise_is_refused(call):
    """The third argument of `F.elu_` is a scale, that of `F.elu` is `inplace`."""
    text, (finding,) = fixed(PROGRAM.format(parameters="x: torch.Tensor", write=call, result="kept, y"))
    assert call in text
    assert finding.outcome.refusal == "no-counterpart"
