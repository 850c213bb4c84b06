"""Writes to leaves that torch refuses, taken as what they are to any other tensor: a result from then on.

Note [A leaf that becomes a result]
    `points = torch.rand(n, 2, requires_grad=True)`, `points *= size`, and then `torch.autograd.grad(u, points)`.  Of a
    leaf torch refuses the write; of a copy of it the write has a meaning, and the gradient that is asked for is the one
    at the written value.  `points = points * size` says the same.  So where nothing else serves, the original may be
    run with such a leaf as a copy of itself: its object gets the tensor that `clone()` gives, the graph leads to the
    leaf as before, and reverse mode records every gradient.  (`torch.utils.swap_tensors` forbids a backward to what was
    swapped, and that is the point here.)
      Not a parameter, which stays a leaf.  Not what has views or aliases, or was saved: they would go on with the old
    tensor.  And not where the program reads its `.grad`: a result has none, and who asks for it means a leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from fixinplace.verify.by_hand import leaf_set, reads_gradient
from fixinplace.verify.everywhere import Everywhere

_NO_OVERRIDES: Any = torch._C.DisableTorchFunction
_enabled: Callable[[], bool] = torch.is_grad_enabled
_swap: Callable[[torch.Tensor, torch.Tensor], None] = torch._C._swap_tensor_impl
_holders: Callable[[int], int] = torch._C._storage_Use_Count
_uses: Callable[[torch.Tensor], int] = torch._C.TensorBase._use_count  # type: ignore[attr-defined]
_ALONE = 2
"""What holds a storage that one tensor has: the tensor, and the object by which Python asks.  And what holds a leaf
that was cloned, of which there is neither view nor saved tensor: its object, and the node of its gradient."""


class AsResult(Everywhere):
    """The mode around an original that writes leaves in grad mode.

    read: the program has asked for the `.grad` of one that was written.
    """

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # by id of its object, with the leaf
        self.read = False

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call, with a copy in the place of a leaf that is written."""
        given = kwargs or {}
        if reads_gradient(func) and id(args[0]) in self._written:
            self.read = True
        if _enabled():
            with _NO_OVERRIDES():
                name = getattr(func, "__name__", "")
                owner = None if name == "requires_grad_" else leaf_set(name, args, given)
                if owner is not None and any(owner is each for each in (*args, *given.values())):
                    self._let_go(owner)
        return func(*args, **given)

    def _let_go(self, owner: torch.Tensor) -> None:
        """Give the object of a leaf that nobody shares a copy; else torch may refuse the write."""
        storage = owner.untyped_storage()
        alone = storage.resizable() and _holders(storage._cdata) <= _ALONE
        if type(owner) is not torch.Tensor or not alone:
            return
        copy = owner.clone()
        if _uses(owner) == _ALONE:
            _swap(owner, copy)
            self._written[id(owner)] = (owner, copy)
