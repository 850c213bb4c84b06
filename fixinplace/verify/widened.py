"""A program that asks for float32 by name, run in float64.

Note [Widened]
    Where both versions are run once more in float64, `dtype=torch.float32` and `.float()` are in the way: they bring
    float32 back, and most programs then die of mixed types.  Here float64 is meant by them.  A tensor, or an array,
    that has float32 already is left as it is, since its conversion is an alias in the program and a copy would not be.
    What comes in from elsewhere, numpy arrays or files, keeps its type; the program may die of it, and then there is
    no run in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_WIDE = {torch.float32: torch.float64, torch.complex64: torch.complex128}
_SAME: dict[Any, str] = {torch.Tensor.float: "double"}


class Widened(TorchFunctionMode):
    """While it is entered, float32 that is asked for is float64, in this thread."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """The call with wider types."""
        kwargs = kwargs or {}
        if _is_narrow(args):
            return func(*args, **kwargs)
        if func in _SAME:
            return getattr(args[0], _SAME[func])(*args[1:], **kwargs)
        return func(*map(_wide, args), **{name: _wide(value) for name, value in kwargs.items()})


def _is_narrow(args: Sequence[Any]) -> bool:
    """True if the call is one on something that has a narrow type already."""
    dtype = getattr(args[0], "dtype", None) if args else None
    return dtype in _WIDE or str(dtype) in ("float32", "complex64")


def _wide(value: Any) -> Any:
    return _WIDE.get(value, value) if isinstance(value, torch.dtype) else value
