"""The direction in which a leaf moves: a function of the leaf's own facts, so that two processes agree without a name.

Note [Directions]
    Two versions of a program name their leaves differently, create them in another order or hold one of them nowhere.
    What they share is the leaf's shape, dtype and value: by these a gradient finds the direction of its leaf.  Leaves
    that are equal in all three must not move alike, or a rewrite that gives one leaf what belongs to the other would
    not show.  Each has a direction of its own, by the order in which they were first used, and is told from the others
    by the name under which the user's code holds it; where that does not tell, nothing is said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch

_randn, _generator, _as_complex = torch.randn, torch.Generator, torch.view_as_complex
_NO_OVERRIDES: Any = torch._C.DisableTorchFunction


def direction(number: int, key: str, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Normal numbers for the leaf with this key, in direction `number`; leaves every random state as it is.

    A tensor of `shape` and `dtype` (real or complex) on the CPU.
    """
    seed = hashlib.blake2b(f"{number} {key}".encode(), digest_size=8).digest()
    generator = _generator().manual_seed(int.from_bytes(seed, "big") >> 1)
    with _NO_OVERRIDES():
        if dtype.is_complex:
            parts = _randn((*shape, 2), generator=generator, dtype=torch.float64, device="cpu")
            return _as_complex(parts).to(dtype)
        return _randn(tuple(shape), generator=generator, dtype=torch.float64, device="cpu").to(dtype)


def inner(one: torch.Tensor, two: torch.Tensor) -> tuple[float, float]:
    """The real inner product of two tensors of one shape, and the sum of the absolute values of its terms; in float64.

    Complex gradients are conjugated as torch does it: a real function changes by Re(conj(gradient) . direction).
    """
    wide = torch.complex128 if one.dtype.is_complex or two.dtype.is_complex else torch.float64
    terms = one.to(wide).conj() * two.to(wide)
    real = terms.real if wide is torch.complex128 else terms
    return float(real.sum()), float(real.abs().sum())
