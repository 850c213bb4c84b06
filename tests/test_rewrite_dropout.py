"""Both forms of dropout on the processor, and of what else draws random numbers: see Note [Dropout]."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from fixinplace import catalogue
from fixinplace.rewrite.conditions import draws_the_same

KINDS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
SIZES = {nn.Dropout1d: (2, 3, 5), nn.Dropout2d: (2, 3, 4, 5), nn.Dropout3d: (2, 3, 4, 5, 2)}
Run = tuple[torch.Tensor, torch.Tensor, torch.Tensor, tuple[int, ...]]


def run(module: nn.Module, given: torch.Tensor) -> Run:
    """Value, gradient, state of the generator and strides."""
    leaf = given.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    torch.manual_seed(5)
    value = module(leaf * 1)
    state = torch.get_rng_state()
    value.sum().backward()
    assert leaf.grad is not None
    return value.detach().clone(), leaf.grad, state, value.stride()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_both_forms_give_the_same_bits_and_strides(kind: type[nn.Module], dtype: torch.dtype) -> None:
    assert draws_the_same(known(kind))
    for turned, train, p in itertools.product((False, True), (False, True), (0.0, 0.4)):
        given = torch.randn(SIZES.get(kind, (3, 4, 5)), dtype=dtype)
        given = given.transpose(0, 1) if turned else given
        written, made = (run(kind(p, inplace=flag).train(train), given) for flag in (True, False))
        assert all(map(torch.equal, written[:3], made[:3])) and written[3] == made[3]


def test_rrelu_lays_its_result_out_otherwise() -> None:
    assert not draws_the_same(known(nn.RReLU))
    written, made = (run(nn.RReLU(inplace=flag), torch.randn(3, 4).t()) for flag in (True, False))
    assert written[3] != made[3]


def known(kind: type[nn.Module]) -> catalogue.Writer:
    found = catalogue.writer(f"torch.nn.{kind.__name__}(inplace=)")
    assert found is not None and found.random
    return found
