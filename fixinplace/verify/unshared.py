"""Expanded tensors with memory of their own, for the reference of a write that torch refuses for sharing it.

Note [Elements that share memory]
    `q = query.expand(n, -1, -1); q += x` is refused: one place in memory would have to become several values.  Torch's
    own words name the remedy, to clone the tensor before it is written, and that leaves one meaning: `q` is a value of
    its own, and what it was expanded from stays as it is.  So the reference is the original with every expanded tensor
    cloned as it is made.  Other names of the expanded tensor see the write in the reference; a rewrite that lets them
    miss it is refuted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

_MAKERS = (
    (torch.Tensor, "expand"),
    (torch.Tensor, "expand_as"),
    (torch.Tensor, "broadcast_to"),
    (torch, "broadcast_to"),
)


def install() -> None:
    """Have every tensor that this process expands cloned."""
    for home, name in _MAKERS:
        setattr(home, name, _owning(getattr(home, name)))


def _owning(maker: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(maker)
    def made(*args: Any, **named: Any) -> Any:
        found = maker(*args, **named)
        return found.clone() if isinstance(found, torch.Tensor) and shares(found) else found

    return made


def shares(tensor: torch.Tensor) -> bool:
    """True for an expanded tensor: what is written to one element shows in others."""
    steps = zip(tensor.stride(), tensor.shape, strict=True) if tensor.layout is torch.strided else ()
    return any(step == 0 and size > 1 for step, size in steps)
