"""Stores whose index names one element twice.

Note [Duplicate indices]
    `x[index] = v` with an element named twice keeps one of the two values, and which one is not said.  The backward
    gives the gradient of that element to both.  `accumulate=True`, `index_add_` and `scatter_add_` are right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

MAX_ENTRIES = 1 << 22
_broadcast: Any = torch.broadcast_tensors
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8)


def repeats(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """True if this call stores a tracked value twice into one element.

    name: operator without overload, one of `index_put_`, `_index_put_impl_`, `index_copy_`, `scatter_`.
    """
    if name in ("index_put_", "_index_put_impl_"):
        accumulate = args[3] if len(args) > 3 else kwargs.get("accumulate", False)
        return not accumulate and _is_tracked(args[2]) and _twice(args[0], args[1])
    if name == "index_copy_":
        return len(args) > 3 and _is_tracked(args[3]) and _has_equal(args[2] % _size(args[0], args[1]))
    reduced = kwargs.get("reduce") is not None or len(args) > 4
    if reduced or len(args) < 4 or not _is_tracked(args[3]) or not args[2].numel():
        return False
    return bool(_has_equal_along(args[2], args[1]))


def _size(target: torch.Tensor, dimension: int) -> int:
    """At least 1; also for a dimension that is not there, which the store itself is going to refuse."""
    return max(1, target.size(dimension)) if -target.dim() <= dimension < target.dim() else 1


def _is_tracked(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.requires_grad


def _has_equal(numbers: torch.Tensor) -> bool:
    flat = numbers.reshape(-1)
    if flat.numel() < 2 or flat.numel() > MAX_ENTRIES or flat.device.type == "meta":
        return False
    ordered = torch.sort(flat).values
    return bool((ordered[1:] == ordered[:-1]).any())


def _has_equal_along(index: torch.Tensor, dimension: int) -> bool:
    if index.numel() > MAX_ENTRIES or not -index.dim() <= dimension < index.dim() or index.device.type == "meta":
        return False
    ordered = torch.sort(index, dim=dimension).values
    length = index.size(dimension)
    return bool((ordered.narrow(dimension, 1, length - 1) == ordered.narrow(dimension, 0, length - 1)).any())


def _twice(target: torch.Tensor, indices: Sequence[torch.Tensor | None]) -> bool:
    """Integer indices, broadcast against each other, as one number per element they name; a mask names none twice."""
    given = [(at, each) for at, each in enumerate(indices) if each is not None]
    if not given or any(each.dtype not in _INTEGERS for _, each in given):
        return False
    try:
        broadcast = _broadcast(*(each.long() for _, each in given))
    except RuntimeError:
        return False  # the store itself is going to say what is wrong
    place = torch.zeros_like(broadcast[0])
    for (at, _), each in zip(given, broadcast, strict=True):
        size = _size(target, at)
        place = place * size + each % size
    return _has_equal(place)
