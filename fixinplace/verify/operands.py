"""What an operation is given: its tensors, their version counters, and a target that comes among its own operands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from fixinplace.verify import tensors

_BASE: Any = torch._C.TensorBase
_base = _BASE._base.__get__
_version, _is_inference, _layout = _BASE._version.__get__, _BASE.is_inference, _BASE.layout.__get__
_IN_PLACE = re.compile(r"__i\w+__|[a-z]\w*[a-z0-9]_")  # `__iadd__`, `add_`
_clone, _numel, _pointer, _size = _BASE.clone, _BASE.numel, _BASE.data_ptr, _BASE.size
_resize, _copy = _BASE.resize_, _BASE.copy_


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


def root(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor that this one is a view of, or itself."""
    base: torch.Tensor | None = _base(tensor)
    return tensor if base is None else base


def target(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> torch.Tensor | None:
    """The tensor that an operation writes, as far as its name and `out=` tell."""
    found = kwargs.get("out")
    if found is None and args and (name == "__setitem__" or _IN_PLACE.fullmatch(name)):
        found = args[0]
    return found if tensors.is_tensor(found) else None


def write_out(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What `func(*args, out=...)` does, value and tangent: `out=` forms have no formula, what they stand for has.

    Raises RuntimeError where the results do not fit, as torch would.
    """
    given = kwargs["out"]
    found = func(*args, **{name: value for name, value in kwargs.items() if name != "out"})
    several = isinstance(given, (tuple, list))
    for target, result in zip(given if several else (given,), found if several else (found,), strict=True):
        if _size(target) != _size(result):
            _resize(target, _size(result))
        _copy(target, result)
    return given


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
