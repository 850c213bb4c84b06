"""A reference for what runs inside `torch.func.grad`, `vjp` and what is made of them.

Note [Functionalised transforms]
    These transforms refuse saved-tensor hooks, so nothing that is saved inside can be cloned.  But torch itself can run
    a function without mutation there: `functionalize` gives the transform operations that write nothing, whose values
    are those of the program, and whose gradients are those of the values that were saved.  So in a run of the original
    with cloned saves, the hooks rest while such a transform runs, and its function is functionalised.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch._functorch import eager_transforms

_functionalize = torch.func.functionalize
_NAMES = ("grad_and_value_impl", "_vjp_with_argnums")
"""What refuses the hooks; `grad`, `jacrev` and `hessian` are made of it. The function is the first argument."""


def install(push: Callable[[], None], pop: Callable[[], None]) -> None:
    """For all threads; push, pop: the hooks of the calling thread."""
    depth = threading.local()
    for name in _NAMES:
        setattr(eager_transforms, name, _resting(getattr(eager_transforms, name), push, pop, depth))


def _resting(
    original: Callable[..., Any], push: Callable[[], None], pop: Callable[[], None], depth: Any
) -> Callable[..., Any]:
    def transform(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        level = getattr(depth, "level", 0)
        depth.level = level + 1
        if not level:
            pop()
        try:
            return original(_functionalize(function), *args, **kwargs)
        finally:
            depth.level = level
            if not level:
                push()

    return transform
