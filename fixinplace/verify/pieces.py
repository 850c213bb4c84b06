"""Writes that torch refuses for how a tensor was made, in reverse mode: to pieces of a tensor, and by `out=`.

Note [Behind the stop]
    Forward mode ends at the first optimizer step.  An edit that loses what `for row in x: row.clamp_(-4, 4)` does is
    equal to the original up to there if nothing is that large yet.  So what forward mode has proved is run once more,
    to the end: the pieces that `chunk` or `unbind` gives are made one by one, as views that torch takes a write into,
    `out=` is a copy of what the function computes, and a leaf that is written is a result (Note [A leaf that becomes a
    result]).  Saved tensors are cloned, values and gradients compared as ever.  An original that does not come to its
    end that way says nothing, and neither does one where a leaf is meant to stay one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from fixinplace.verify import operands, tensors
from fixinplace.verify.everywhere import Everywhere

_NO_OVERRIDES: Any = torch._C.DisableTorchFunction
_enabled: Callable[[], bool] = torch.is_grad_enabled
_as_strided: Callable[..., torch.Tensor] = torch._C.TensorBase.as_strided
_CUTS = frozenset("chunk split split_with_sizes unbind tensor_split hsplit vsplit dsplit".split())


class OneByOne(Everywhere):
    """The mode around an original in which these writes are allowed."""

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call; what comes back are views of their own."""
        given = kwargs or {}
        if not _enabled():
            return func(*args, **given)
        if any(map(tensors.requires_grad, operands.inside([*args, given.get("out")]))) and given.get("out") is not None:
            return operands.write_out(func, args, given)
        found = func(*args, **given)
        if getattr(func, "__name__", "") in _CUTS:
            with _NO_OVERRIDES():
                return _apart(args, given, found)
        return found


def _apart(args: Sequence[Any], kwargs: dict[str, Any], pieces: Any) -> Any:
    """The same pieces, as views of the tensor that was cut; those of sparse tensors are copies."""
    cut = next(operands.inside([*args[:1], *kwargs.values()]))
    if cut.layout is not torch.strided:
        return pieces
    return type(pieces)(_as_strided(cut, each.size(), each.stride(), each.storage_offset()) for each in pieces)
