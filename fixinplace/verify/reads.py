"""Who reads a gradient that no backward fills: `.grad` of a tensor that is no leaf, where a leaf used to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from fixinplace.verify import tensors

_BASE: Any = torch._C.TensorBase
_GRADIENT: Any = torch.Tensor.grad
_READ = _GRADIENT.__get__
_retains: Any = _BASE.retains_grad.__get__
_NO_OVERRIDES: Any = torch._C.DisableTorchFunction


class GradientReads(TorchFunctionMode):
    """A mode around the user's code; `unfilled` tells whether it read such a gradient. torch only warns of it."""

    def __init__(self) -> None:
        super().__init__()
        self.unfilled = False

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Look at reads of `.grad`, leave everything as it is."""
        if func == _READ:
            with _NO_OVERRIDES():
                tensor = args[0]
                self.unfilled |= tensors.requires_grad(tensor) and not tensors.is_leaf(tensor) and not _retains(tensor)
        return func(*args, **(kwargs or {}))
