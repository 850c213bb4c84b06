"""Writes to parameters that torch refuses, taken as what a patch under `no_grad` makes of them.

Note [A parameter is data]
    What torch refuses has no meaning of its own.  Who fills a bias by hand means `bias.data`: the parameter keeps its
    place in the module and the optimizer, and the next backward gives the gradient at its new value.  A patch that
    keeps the write in place, under `no_grad`, says the same.  So for such a patch alone the original may write into a
    `Parameter`, in reverse mode and in forward mode, and nothing is differentiated there; unless what it writes
    depends on something else that is tracked: its gradient would be lost in silence, so that stays refused.
    Any other leaf that is written becomes what the write computes, as everywhere.  `w /= w.norm()` depends on the
    parameter alone, and is data like a fill.  The run in reverse mode decides that, by the graph of what is written;
    forward mode, which has no graph, follows where that run has finished.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from fixinplace.verify import operands, tensors
from fixinplace.verify.leaves import accumulators

_NO_OVERRIDES: Any = torch._C.DisableTorchFunction
_enter: Callable[..., object] = TorchFunctionMode.__enter__
_enabled: Callable[[], bool] = torch.is_grad_enabled
_enable: Callable[[bool], None] = torch._C._set_grad_enabled


def parameter_set(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> torch.Tensor | None:
    """The parameter that an operation writes, itself or through a view; None where it writes none."""
    written = operands.target(name, args, kwargs)
    owner = None if written is None else operands.root(written)
    return owner if isinstance(owner, torch.nn.Parameter) else None


def _depends_on_others(owner: torch.Tensor, values: Iterable[object]) -> bool:
    """True if the gradient of anything but `owner` would flow through one of the values."""
    for each in operands.inside(values):
        if operands.root(each) is owner or not tensors.requires_grad(each):
            continue
        if tensors.is_leaf(each) or any(node.variable is not owner for node in accumulators([each])):
            return True
    return False


class AsData(TorchFunctionMode):
    """The mode around an original that writes its parameters by hand in grad mode; a mode belongs to a thread."""

    def install(self) -> None:
        """For the calling thread and for threads started later."""
        original = threading.Thread.run

        def run(thread: threading.Thread) -> None:
            with self:
                original(thread)

        threading.Thread.run = run  # type: ignore[assignment,method-assign]
        _enter(self)

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call; without grad mode where a parameter is written."""
        given = kwargs or {}
        if not _enabled() or not self._refused(func, args, given):
            return func(*args, **given)
        _enable(False)
        try:
            return func(*args, **given)
        finally:
            _enable(True)

    def _refused(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
        with _NO_OVERRIDES():
            name = getattr(func, "__name__", "")
            owner = None if name == "requires_grad_" else parameter_set(name, args, kwargs)
            return owner is not None and not _depends_on_others(owner, (*args, *kwargs.values()))
