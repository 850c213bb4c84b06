"""Which tensors were made before the program's last backward.

Note [What the author has used]
    Whatever a callable returns is back-propagated once more by us.  A tensor that was made before the program's own
    last backward has had its turn: that its graph is freed by now, or that an optimizer has since changed the weights
    that it saved, is no fault of the program's.  Nodes are numbered in the order in which they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fixinplace.verify import tensors

_next_number: Any = getattr(torch._C._autograd, "_get_sequence_nr", lambda: 0)
"""The number that the next node gets; a torch without this function leaves the roots' own numbers to go by."""


class Recency:
    """Remembers which node was the youngest when a backward of the program's own began."""

    def __init__(self) -> None:
        self._youngest = -1

    def note(self, outputs: Sequence[Any]) -> None:
        """The program runs a backward from these roots now; other threads number their nodes for themselves."""
        self._youngest = max([self._youngest, _next_number() - 1, *(_number(each) for each in outputs)])

    def is_used(self, tensor: Any) -> bool:
        """True if the tensor was made before the last backward."""
        return _number(tensor) <= self._youngest


def _number(output: Any) -> int:
    node = tensors.grad_fn(output) if tensors.is_tensor(output) else getattr(output, "node", None)
    return -1 if node is None else int(node._sequence_nr())
