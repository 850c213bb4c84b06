"""Outputs of custom Functions that are views, as tensors of their own, for the reference of a write into one.

Note [Views that a Function returns]
    A custom Function that returns its input, or a view of it, returns a view whose history is the Function's own; torch
    refuses a write into it in grad mode, since the view's history would lose the custom backward.  The program means
    one thing: the memory is written, whoever shares it, and the gradient goes through the write and then through that
    backward.  So the reference is the original with such an output as a tensor that is no view for autograd and has the
    same memory: a clone, whose storage is exchanged for that of the view.  Torch counts no version of the input then;
    saved tensors are cloned in the reference, which needs none.
"""

from __future__ import annotations

from typing import Any

import torch


def install() -> None:
    """Have what custom Functions return in this process own itself."""
    apply = torch.autograd.Function.apply.__func__  # type: ignore[attr-defined]

    def applied(cls: type, *args: Any, **named: Any) -> Any:
        found = apply(cls, *args, **named)
        return tuple(map(_own, found)) if type(found) is tuple else _own(found)

    torch.autograd.Function.apply = classmethod(applied)  # type: ignore[assignment,method-assign]


def _own(output: Any) -> Any:
    """The output; a view that requires grad as a tensor over its memory."""
    if type(output) is not torch.Tensor or not (output.requires_grad and output._is_view()):
        return output
    own = output.clone()
    own.data = output.detach()
    return own
