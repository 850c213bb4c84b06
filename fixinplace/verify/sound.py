"""Whether a made run says anything: finite values, a result that is tracked, gradients that are not all zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from fixinplace.verify.errors import is_inplace
from fixinplace.verify.failures import failure_of
from fixinplace.verify.gradients import cotangent
from fixinplace.verify.leaves import accumulators

_MAX_OBJECTS, _MAX_OUTPUTS = 2000, 8


@dataclass(frozen=True, slots=True)
class Soundness:
    """Why a run is no evidence, empty if it is; broken: its backward dies of a write in the program.

    flat: all there is against it is that every gradient is zero; beside runs that say more, its values count.
    """

    why: str = ""
    broken: bool = False
    flat: bool = False


def soundness(result: Any) -> Soundness:
    """What the result of a snippet's `probe()` is worth, judged by its values and by the gradients of its tensors."""
    outputs = [each for call in result for each in tensors_in(call["result"])]
    tracked = [each for each in outputs if each.requires_grad and each.grad_fn is not None and each.numel()]
    if not tracked:
        return Soundness("nothing that it returns has a gradient")
    if any(each.is_floating_point() and bool(torch.isnan(_held(each)).any()) for each in outputs):
        return Soundness("with made values it returns NaN")
    return _of_gradients(tracked[:_MAX_OUTPUTS])


def has_own_dtype(result: Any) -> bool:
    """True for a run in float64 of which something comes out in another dtype: inside, two of them meet.

    A sum that starts as `torch.tensor(0.0)` stays float32 whatever is added to it in place.  What made inputs tell of
    it holds for one dtype, which is what the report says that they have.
    """
    outputs = (each for call in result or () for each in tensors_in(call["result"]))
    return any(each.requires_grad and each.dtype is not torch.float64 for each in outputs)


def _of_gradients(tracked: list[torch.Tensor]) -> Soundness:
    moved = False
    for number, each in enumerate(tracked):
        leaves = [node.variable for node in accumulators([each])]
        if not leaves:
            continue
        try:
            found = torch.autograd.grad(
                [each], leaves, [cotangent(str(number), each)], retain_graph=True, allow_unused=True
            )
        except Exception as error:
            failure = failure_of(error)
            return Soundness(broken=True) if is_inplace(failure) else Soundness(failure.sentence)
        known = [_held(gradient) for gradient in found if gradient is not None]
        if any(bool(torch.isnan(gradient).any()) for gradient in known):
            return Soundness("with made values a gradient is NaN")
        moved = moved or any(bool((gradient != 0).any()) for gradient in known)
    return Soundness() if moved else Soundness("every gradient is zero", flat=True)


def _held(tensor: torch.Tensor) -> torch.Tensor:
    """The values that a tensor holds: an embedding that is `sparse` has gradients that compare with nothing."""
    return tensor.detach().coalesce().values() if tensor.is_sparse else tensor


def tensors_in(value: Any, seen: set[int] | None = None, depth: int = 0) -> Iterator[torch.Tensor]:
    """Tensors in lists, tuples, dictionaries and plain objects."""
    seen = set() if seen is None else seen
    if id(value) in seen or len(seen) > _MAX_OBJECTS or depth > 8:
        return
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for each in list(value.values()):
            yield from tensors_in(each, seen, depth + 1)
    elif isinstance(value, (list, tuple, set)):
        for each in list(value):
            yield from tensors_in(each, seen, depth + 1)
    elif hasattr(value, "__dict__") and not isinstance(value, (type, torch.nn.Module)):
        for each in list(vars(value).values()):
            yield from tensors_in(each, seen, depth + 1)
