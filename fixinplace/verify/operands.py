"""What an operation is given: its tensors, their version counters, and a target that comes among its own operands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from fixinplace.verify import tensors

_BASE: Any = torch._C.TensorBase
_version, _is_inference, _layout = _BASE._version.__get__, _BASE.is_inference, _BASE.layout.__get__
_clone, _numel, _pointer, _size = _BASE.clone, _BASE.numel, _BASE.data_ptr, _BASE.size


def inside(values: Iterable[object]) -> Iterator[torch.Tensor]:
    """Tensors among the arguments of a call, and in lists and tuples that are arguments."""
    for value in values:
        if tensors.is_tensor(value):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from inside(value)


def apart(name: str, args: Sequence[Any]) -> Sequence[Any]:
    """The arguments of an in-place method without its own target among the others.

    `x.mul_(x)` is right in reverse mode; in forward mode torch overwrites the tangent before it reads it again.
    """
    if not name.endswith("_") or name.startswith("_") or not args or not tensors.is_tensor(args[0]):
        return args
    target = args[0]
    return (target, *(_clone(each) if _is_same(each, target) else each for each in args[1:]))


def _is_same(value: object, target: torch.Tensor) -> bool:
    """The same elements, as the same object or as a view."""
    if value is target:
        return True
    if not tensors.is_tensor(value) or _layout(value) is not torch.strided or _layout(target) is not torch.strided:
        return False
    return _numel(value) > 0 and (_pointer(value), _size(value)) == (_pointer(target), _size(target))


def counter(tensor: torch.Tensor) -> int:
    """The version counter; a tensor of inference mode has none."""
    return 0 if _is_inference(tensor) else int(_version(tensor))
