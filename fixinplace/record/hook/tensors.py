"""Tensors without their values: shape, dtype, strides, gradients, and which of one call share memory."""

from __future__ import annotations

import contextlib
from typing import Any

Json = dict[str, Any]
_FLOATS = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
_INTEGERS = ("uint8", "int8", "int16", "int32", "int64")


class Tensors:
    """The tensors of one call, told apart by identity."""

    def __init__(self) -> None:
        self._seen: list[tuple[Any, Json]] = []

    def of(self, torch: Any, tensor: Any) -> Json | str:
        """The description of a tensor; a sentence for one that cannot be kept."""
        for number, (known, found) in enumerate(self._seen, start=1):
            if known is tensor:
                found.setdefault("number", number)
                return {"same": found["number"]}
        made = _described(torch, tensor)
        if not isinstance(made, str):
            self._seen.append((tensor, made))
        return made

    @property
    def repeated(self) -> bool:
        """True if one of them came more than once, or shares memory."""
        return any("number" in found or "memory" in found for _, found in self._seen)

    def share(self) -> str:
        """Mark tensors that share memory with one another; a sentence if they do so in a way that cannot be kept."""
        homes: dict[int, list[tuple[Any, Json]]] = {}
        for tensor, found in self._seen:
            if tensor.numel():
                homes.setdefault(tensor.untyped_storage().data_ptr(), []).append((tensor, found))
        groups = [group for group in homes.values() if len(group) > 1]
        for memory, group in enumerate(groups, start=1):
            if len({found["dtype"] for _, found in group}) > 1:
                return "tensors of different dtypes that share memory"
            first = min(tensor.storage_offset() for tensor, _ in group)
            for tensor, found in group:
                found.update(memory=memory, offset=tensor.storage_offset() - first, stride=list(tensor.stride()))
        return ""


def _described(torch: Any, tensor: Any) -> Json | str:
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return f"a tensor of the class `{type(tensor).__name__}`"
    if tensor.layout is not torch.strided:
        return "a sparse tensor"
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in (*_FLOATS, *_INTEGERS, "bool") or tensor.is_quantized:
        return f"a tensor of dtype {dtype}"
    if tensor.device.type == "meta":
        return "a tensor without memory (device meta)"
    found: Json = {"tensor": list(tensor.shape), "dtype": dtype}
    if not tensor.is_contiguous():
        found["stride"] = list(tensor.stride())
    if tensor.device.type != "cpu":
        found["device"] = tensor.device.type
    if tensor.requires_grad:
        found["grad"] = "leaf" if tensor.is_leaf else "computed"
    if isinstance(tensor, torch.nn.Parameter):
        found["parameter"] = True
    if dtype in _INTEGERS and tensor.numel():
        with torch.no_grad(), torch._C.DisableTorchFunction(), contextlib.suppress(RuntimeError):
            found["low"], found["high"] = int(tensor.min()), int(tensor.max())
    if dtype in _INTEGERS and tensor.numel() and "high" not in found:
        return "an integer tensor whose bounds cannot be read"
    return found
