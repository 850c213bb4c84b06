"""Other ways to run what works: a batch of one, odd sizes, evaluation mode, float64, inputs without gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from fixinplace.inputs import guess
from fixinplace.inputs.snippet import Variant
from fixinplace.inputs.values import Recipe, Tensor, put, walk


def variants(recipe: Recipe) -> Iterator[tuple[Recipe, Variant]]:
    """The recipe as it is first; every other differs from it in few things, which need not be possible."""
    yield recipe, Variant()
    yield recipe, Variant(training=False, tracked=False)
    if (odd := _resized(recipe, _odd)) != recipe:
        yield odd, Variant()
    if (single := _resized(recipe, _single)) != recipe:
        yield single, Variant(training=False)
    yield recipe, Variant(double=True)


def _resized(recipe: Recipe, change: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Recipe:
    for path, value in list(walk(recipe)):
        if path[0] == "call" and isinstance(value, Tensor):
            recipe = put(recipe, path, replace(value, shape=change(value.shape)))
    return recipe


def _single(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A batch of one."""
    return (1, *shape[1:]) if len(shape) > 1 and shape[0] == guess.BATCH else shape


def _odd(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Three samples, odd lengths, and sides that differ."""
    if not shape:
        return shape
    batch = 3 if shape[0] == guess.BATCH else shape[0]
    if len(shape) >= 4:
        return (batch, *shape[1:-2], shape[-2] + 1, shape[-1] - 1)
    if len(shape) == 3 and shape[1] == guess.LENGTH:
        return (batch, shape[1] - 1, shape[2])
    return (batch, *shape[1:])
