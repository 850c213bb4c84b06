"""How far two tensors are apart, and how far they may be.

Note [Tolerance]
    Equal bits are equal.  Otherwise two tensors agree if max|a-b| <= n eps max|reference| over the finite elements,
    with NaN and infinities in the same places; n is 16, and 2 for types of 16 bits and fewer, whose 16 eps would let
    a wrong gradient pass.  Integers, flags, shapes and types agree exactly or not at all.

Note [Nothing but rounding]
    A gradient that is zero by the mathematics (of a bias in front of a normalisation) is what rounding left of sums
    that cancel, and its own size says nothing about how far two right versions may be apart.  Such a number shrinks
    with the precision, and nothing else does: so where both versions run in float64, a tensor that is there no larger
    than 16 times what the reference has in its own type, scaled by the ratio of the two eps, may differ by as much.
    Any other is compared as tightly as ever.  And float64 has no say where two versions are far apart in the program's
    own types, by more than a hundredth, unless all of the tensor shrinks: in float64 `x.double()` is an alias, so a
    program may there be another one.
"""

from __future__ import annotations

import math

import torch

FAR = 0.01
"""Part of the largest element by which rounding may move an element before float64 is no answer any more."""

_FINE_EPS = 1e-5


def is_numeric(dtype: torch.dtype) -> bool:
    """True for dtypes whose values are rounded."""
    return dtype.is_floating_point or dtype.is_complex


def same_bits(one: torch.Tensor, two: torch.Tensor) -> bool:
    """True if two tensors of one dimension hold the same bytes."""
    return one.dtype == two.dtype and torch.equal(one.view(torch.uint8), two.view(torch.uint8))


def rounding(rough: torch.Tensor, dtype: torch.dtype) -> float:
    """What tensors of `dtype` may be apart where the same one in a coarser type is `rough`; see the second note."""
    if not (is_numeric(rough.dtype) and is_numeric(dtype)):
        return 0.0
    ratio = torch.finfo(dtype).eps / torch.finfo(rough.dtype).eps
    return 16 * ratio * largest(rough) if ratio < 1 else 0.0


def largest(tensor: torch.Tensor) -> float:
    """The largest finite element by its absolute value; zero without one."""
    wide = tensor.to(torch.complex128 if tensor.dtype.is_complex else torch.float64)
    finite = wide[torch.isfinite(wide)].abs()
    return float(finite.max()) if finite.numel() else 0.0


def distance(reference: torch.Tensor, other: torch.Tensor, dtype: torch.dtype) -> tuple[float, float]:
    """Largest deviation over the finite elements and the tolerance for `dtype`.

    Both tensors have one dimension.  The deviation is infinite if lengths, NaN or infinities differ.
    """
    if reference.shape != other.shape:
        return math.inf, 0.0
    if not is_numeric(dtype):
        return float((reference.double() - other.double()).abs().max()), 0.0
    wide = torch.complex128 if dtype.is_complex else torch.float64
    ours, theirs = reference.to(wide), other.to(wide)
    finite = torch.isfinite(ours) & torch.isfinite(theirs)
    odd, other_odd = ours[~finite], theirs[~finite]
    if not bool(((odd == other_odd) | (torch.isnan(odd) & torch.isnan(other_odd))).all()):
        return math.inf, 0.0
    if not bool(finite.any()):
        return 0.0, 0.0
    eps = torch.finfo(dtype).eps
    factor = 16 if eps < _FINE_EPS else 2
    return float((ours[finite] - theirs[finite]).abs().max()), factor * eps * float(ours[finite].abs().max())
