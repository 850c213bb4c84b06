"""What is called safe computes the same, on programs that nobody wrote."""

from __future__ import annotations

import ast

import pytest
import torch
from random_programs import program

from fixinplace import detect, rewrite, source
from fixinplace.model import Fix

Result = tuple[dict[str, torch.Tensor], list[torch.Tensor]]


def fixes(text: str) -> list[Fix]:
    """One fix for each group of a text."""
    part = source.Text(text)
    found = detect.scan(part, ast.parse(text))
    outcomes = [finding.outcome for finding in rewrite.plan(part, found)]
    return list({one.group: one for one in outcomes if isinstance(one, Fix)}.values())


def applied(text: str, chosen: list[Fix]) -> str:
    """The text with some fixes made."""
    return source.apply(text, [edit for fix in chosen for edit in fix.edits])


def run(text: str) -> Result | None:
    """Values by name and gradients of a weighted sum, all saved tensors cloned; None if the program raises."""
    namespace: dict[str, object] = {}
    exec(compile(text, "program", "exec"), namespace)
    torch.manual_seed(0)
    leaves = [(torch.rand(3, 3, dtype=torch.float64) + 0.2).requires_grad_() for _ in range(2)]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        try:
            values = namespace["f"](*leaves)
            tensors = {k: v for k, v in values.items() if isinstance(v, torch.Tensor)}
            loss = sum((v.double() * (n + torch.arange(v.numel()).view(v.shape))).sum()
                       for n, v in enumerate(tensors.values(), 1))  # fmt: skip
            gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
        except (RuntimeError, AttributeError, TypeError, IndexError):
            return None
    return {k: v.detach().clone() for k, v in tensors.items()}, [
        torch.zeros(3, 3, dtype=torch.float64) if g is None else g for g in gradients
    ]


def check(seed: int) -> int:
    """Compare one program with what its safe fixes make of it in the end; gives how many there were.

    A fix may take away the alias that forbade another one, so that there are rounds; they must come to an end.
    """
    text = changed = program(seed)
    count = 0
    for _ in range(6):
        every = fixes(changed)
        safe = [fix for fix in every if fix.safe]
        ast.parse(applied(changed, every))
        changed = applied(changed, safe)
        count += len(safe)
        if not safe:
            break
    assert not safe, f"seed {seed}:\n{changed}"
    reference = run(text)
    if reference is not None and count:
        result = run(changed)
        assert result is not None, f"seed {seed}:\n{changed}"
        _same(reference, result, f"seed {seed}:\n{text}\n{changed}")
    return count


def _same(reference: Result, result: Result, shown: str) -> None:
    assert reference[0].keys() == result[0].keys(), shown
    pairs = [*((reference[0][k], result[0][k]) for k in reference[0]), *zip(reference[1], result[1], strict=True)]
    for expected, value in pairs:
        torch.testing.assert_close(
            value, expected, rtol=1e-9, atol=1e-12, equal_nan=True, msg=lambda m: f"{m}\n{shown}"
        )


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_safe_fixes_keep_values_and_gradients(start):
    assert sum(check(seed) for seed in range(start, start + 50)) > 12


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 4000, 100))
def test_safe_fixes_keep_values_and_gradients_of_many(start):
    assert sum(check(seed) for seed in range(start, start + 100)) > 25
