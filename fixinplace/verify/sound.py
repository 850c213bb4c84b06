"""Whether a made run says anything: finite values, a result that is tracked, gradients that are not all zero."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from fixinplace.verify.gradients import cotangent
from fixinplace.verify.leaves import accumulators

_MAX_OBJECTS = 2000


def unsound(result: Any, plain: bool = False) -> str:
    """Why a run of a probe is no evidence, empty if it is; plain: without cloning what autograd saves.

    The result of `probe()` in a snippet.  Under clones the backward of code that breaks is that of code that does not.
    """
    outputs = [each for call in result for each in tensors_in(call["result"])]
    tracked = [each for each in outputs if each.requires_grad and each.grad_fn is not None]
    if not tracked:
        return "nothing that it returns depends on an input or a parameter in a way that has a gradient"
    if any(each.is_floating_point() and bool(torch.isnan(each).any()) for each in outputs):
        return "with made values it returns NaN"
    if all(each.numel() == 0 for each in tracked):
        return "what it returns is empty"
    if not plain:
        return ""
    for number, each in enumerate(tracked[:8]):
        try:
            leaves = [node.variable for node in accumulators([each])]
            torch.autograd.grad([each], leaves, [cotangent(str(number), each)], retain_graph=True, allow_unused=True)
        except Exception as error:
            return str(error)
    return ""


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
