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

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.hooks import BackwardHook


def install() -> None:
    """Have what the program's custom Functions return in this process own itself, and what full backward hooks wrap.

    Torch looks at what its own Function for such hooks has returned, and then hands it on.
    """
    apply = torch.autograd.Function.apply.__func__  # type: ignore[attr-defined]

    def applied(cls: type, *args: Any, **named: Any) -> Any:
        found = apply(cls, *args, **named)
        return found if cls.__module__.startswith("torch.") else _owned(found)

    torch.autograd.Function.apply = classmethod(applied)  # type: ignore[assignment,method-assign]
    for name in ("setup_input_hook", "setup_output_hook"):
        setattr(BackwardHook, name, _owning(getattr(BackwardHook, name)))


def _owning(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapped(*args: Any, **named: Any) -> Any:
        return _owned(method(*args, **named))

    return wrapped


def _owned(found: Any) -> Any:
    return tuple(map(_own, found)) if type(found) is tuple else _own(found)


def _own(output: Any) -> Any:
    """The output; a view that requires grad as a tensor over its memory."""
    if type(output) is not torch.Tensor or not (output.requires_grad and output._is_view()):
        return output
    own = output.clone()
    own.data = output.detach()
    return own
