"""Forward mode that begins behind a number of backwards.

Note [Forward mode begins late]
    A program trains for a while, and then writes to a leaf: an attack on what was trained, the second of two phases.
    Forward mode from the beginning would end at the first step, since it back-propagates nothing.  What the original
    does up to its last backward before it dies it does by itself, so that those backwards run as they are, are recorded
    and compared one by one, and forward mode begins behind them: their steps have the gradients that they left.
      What was computed with a graph before has no tangent.  A run that uses such a tensor says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from fixinplace.verify import tensors
from fixinplace.verify.gradients import HOOK

_homes = (torch.autograd.graph, torch.autograd)


def behind(count: int, begin: Callable[[], None]) -> None:
    """Call `begin` when the outermost backward number `count` has run."""
    recorded: Callable[..., Any] = getattr(torch.autograd.graph, HOOK)
    running, done = 0, 0

    def run(outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal running, done
        running += 1
        try:
            result = recorded(outputs, *args, **kwargs)
        finally:
            running -= 1
        done += not running
        if done == count and not running:
            begin()
        return result

    for module in _homes:
        setattr(module, HOOK, run)


_READS = frozenset("item tolist detach size dim numel __float__ __int__ __bool__ __len__ __format__ __repr__".split())


def goes_on(name: str, given: Iterator[torch.Tensor]) -> bool:
    """True if a call computes with what has a graph: reverse mode is off now, so that it was computed before.

    `losses.append(loss.item())` behind the backward gives a number, on which no derivative depends.
    """
    return name not in _READS and any(tensors.is_differentiable(each) for each in given)
