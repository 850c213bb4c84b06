"""Clone-at-pack: every tensor is copied at the moment autograd saves it, so that later writes cannot reach it.

Note [The reference]
    Under these hooks the original's backward uses the values that were current when they were saved, which is what the
    out-of-place program computes.  A hook must not keep the tensor it is given (a saved output would keep its own
    graph alive), hence `detach`.  The engine skips its version check under hooks, hence no in-place error.
    Limits: torch.func refuses saved-tensor hooks, see Note [Functionalised transforms] in `transforms`; training-mode
    rrelu saves its noise before it is drawn, so that the clone holds uninitialised memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
import torch.autograd.graph

from fixinplace.verify import transforms

_BASE: Any = torch._C.TensorBase
_detach, _clone = _BASE.detach, _BASE.clone
_RRELU = (
    (torch, "rrelu"),
    (torch, "rrelu_"),
    (torch.nn.functional, "rrelu"),
    (torch.nn.functional, "rrelu_"),
)


class Cloning:
    """Installs the hooks for this process; `blind_spot` tells afterwards why its gradients are no reference."""

    def __init__(self) -> None:
        self.blind_spot = ""

    def install(self) -> None:
        """For the calling thread, for threads started later, and inside the user's own saved-tensor hooks."""
        self._wrap_user_hooks()
        self._wrap_threads()
        self._watch_rrelu()
        transforms.install(_push, _pop)
        _push()

    def _wrap_user_hooks(self) -> None:
        """The innermost hooks win, so ours would be shadowed: the user's pack hook gets the clone instead."""
        hooks: Any = torch.autograd.graph.saved_tensors_hooks
        original = hooks.__init__

        def init(this: Any, pack: Callable[[torch.Tensor], Any], unpack: Callable[[Any], torch.Tensor]) -> None:
            original(this, lambda tensor: pack(copy(tensor)), unpack)

        hooks.__init__ = init

    def _wrap_threads(self) -> None:
        """Default hooks belong to a thread."""
        original = threading.Thread.run

        def run(thread: threading.Thread) -> None:
            _push()
            original(thread)

        threading.Thread.run = run  # type: ignore[assignment,method-assign]

    def _watch_rrelu(self) -> None:
        for module, name in _RRELU:
            setattr(module, name, self._watched(getattr(module, name)))

    def _watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def rrelu(*args: Any, **kwargs: Any) -> Any:
            self.blind_spot = (
                "training-mode rrelu saves its noise before drawing it, so a cloned run has no right gradient"
            )
            return function(*args, **kwargs)

        return rrelu


def copy(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor's present value, with no way back to the tensor."""
    result: torch.Tensor = _clone(_detach(tensor))
    return result


def _push() -> None:
    torch._C._autograd._push_saved_tensors_default_hooks(copy, lambda tensor: tensor)


def _pop() -> None:
    torch._C._autograd._pop_saved_tensors_default_hooks()
