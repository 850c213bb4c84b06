"""Backwards that keep their graphs, whatever they were asked: what torch frees can be looked at by a later one.

Note [Kept graphs]
    A program that carries state with its graph dies at the second backward, because torch has freed what the first one
    used.  That says nothing about where the state is kept.  With graphs kept, the second backward goes on into the old
    one, and the tracer sees which saved tensors of an earlier round it asks for.
"""

from __future__ import annotations

from typing import Any

import torch.autograd.graph

from fixinplace.verify.gradients import HOOK


def install() -> None:
    """From now on every backward of this process keeps its graph."""
    engine = getattr(torch.autograd.graph, HOOK)

    def run(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        """`args` begins with the gradients of the outputs and `retain_graph`."""
        return engine(outputs, *args[:1], True, *args[2:], **kwargs)

    setattr(torch.autograd.graph, HOOK, run)
    setattr(torch.autograd, HOOK, run)
