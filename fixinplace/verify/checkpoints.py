"""Backwards that a reentrant checkpoint runs inside another one.

Note [Parts of one backward]
    A reentrant checkpoint's backward computes its code again, from detached copies of its arguments, and
    back-propagates through that.  What the leaves in it receive they receive there; what the copies receive goes on
    into the backward around it.  So the gradients of the whole are those of both, without the copies.
"""

from __future__ import annotations

import sys
from typing import Any

import torch.autograd
from torch.utils.checkpoint import CheckpointFunction

_function: Any = CheckpointFunction
_CODE = _function.backward.__code__
_PASSED = frozenset({__file__, torch.autograd.__file__})


def copies(skipped: int) -> tuple[Any, ...] | None:
    """The detached arguments of the checkpoint that asks for this backward; None if no checkpoint does.

    skipped: frames of the caller's own, of which the last was called in place of the engine's entry point.
    """
    frame = sys._getframe(skipped + 1)
    while frame.f_code.co_filename in _PASSED and frame.f_back is not None:
        frame = frame.f_back
    if frame.f_code is not _CODE:
        return None
    return tuple(frame.f_locals.get("detached_inputs", ()))
