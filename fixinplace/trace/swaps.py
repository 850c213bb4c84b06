"""Tensors that were given other memory (`h.data = v`) after autograd had saved them.

Note [What a swapped tensor leaves]
    Autograd keeps the tensor itself, and so what it is given later.  The log must not: a tensor that has its own
    producer would stay alive through the graph that holds the log.  It keeps the new memory without the history, and
    follows the tensor through later swaps as long as the tensor lives.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.weak import WeakIdKeyDictionary

from fixinplace.trace import memory
from fixinplace.trace.ledger import Ledger, Save

_detach: Any = torch._C.TensorBase.detach


class Swaps:
    """Tells the saves of a tensor what memory it has now; see Note [What a swapped tensor leaves]."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._saves: Any = WeakIdKeyDictionary()

    @contextlib.contextmanager
    def swapping(self, tensor: torch.Tensor) -> Iterator[None]:
        """Around the assignment."""
        with memory.Overrides():
            saves = [*self._saves.get(tensor, ()), *self._saved(tensor)]
        yield
        alive = [each for each in saves if each() is not None]
        if not alive:
            return
        with memory.Aside(not memory.is_plain(tensor)):
            self._saves[tensor] = alive
            for each in alive:
                save = each()
                if save is not None:
                    save.given = _detach(tensor)

    def _saved(self, tensor: torch.Tensor) -> list[weakref.ref[Save]]:
        """The saves of this very tensor in the storage that it is about to leave."""
        entry = self._ledger.entry(memory.key(tensor))
        found = [] if entry is None else [save for each in entry.saves if (save := each()) is not None]
        return [weakref.ref(save) for save in found if save.tensor == int(tensor._cdata)]
