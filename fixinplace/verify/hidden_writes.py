"""Writes behind autograd, followed by forward mode: what they do to the derivative of the values that are computed.

Note [A write that autograd does not see]
    `gate.data[gate.data < 0.4] = 0` changes `gate`, and reverse mode goes on as if the line did nothing; forward mode
    means the same, since `.data` and `detach` have no tangent.  What the program computes has a derivative all the
    same, that of its values as they are after the write.  Here it is taken: a detached tensor has a twin, which is a
    view of what it was taken from and shares its tangent, and a write to the one is made to the other.  What only reads
    a detached tensor is given a constant, as ever: most who write `.detach()` want that.

    What goes through an array (`h.detach().numpy()[mask] = 0`) is seen by its effect alone.  Elements that have changed
    by the next operation are taken for constants: that is right for a mask, and for what is scaled it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from fixinplace.verify import operands
from fixinplace.verify.duals import looking, tangent

_BASE: Any = torch._C.TensorBase
_TENSOR: Any = torch.Tensor
_clone, _detach, _copy, _masked_fill = _BASE.clone, _BASE.detach, _BASE.copy_, _BASE.masked_fill_
_view_as, _storage, _base = _BASE.view_as, _BASE.untyped_storage, _BASE._base.__get__
_isnan = torch.isnan
_pointer: Any = torch.UntypedStorage.data_ptr
_LENDING = frozenset({"numpy", "__array__", "__dlpack__", "to_dlpack"})
DETACHING = (_TENSOR.data.__get__, _TENSOR.detach)


class Twins:
    """Of every tensor that was detached from a dual one, the view that shares the tangent."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._lent: list[tuple[torch.Tensor, torch.Tensor]] = []

    def call(self, name: str, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What `func` returns; a write to a detached tensor is made to its twin, and views of it have twins too."""
        self.settle()
        result = self._call(name, func, args, kwargs)
        written = operands.target(name, args, kwargs)
        if written is not None and (self.knows(written) or tangent(written) is not None):
            self._lent = [(twin, _values(twin)) for twin, _ in self._lent]  # that has been followed
        return result

    def _call(self, name: str, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if name in _LENDING:
            self._lend(args[0])
            return func(*args, **kwargs)
        written = operands.target(name, args, kwargs)
        if written is not None and (twin := self._twin(written)) is not None:
            with looking():
                result = func(*self._in_place_of(written, args), **{**kwargs, **_out(kwargs, written, twin)})
            return written if result is twin else result
        result = func(*args, **kwargs)
        if any(self._twin(each) is not None for each in operands.inside((*args, *kwargs.values()))):
            self._viewed(func, args, kwargs, result)
        return result

    def settle(self) -> None:
        """Elements that were written through an array since the last operation are constants from now on."""
        for twin, before in self._lent:
            now = _values(twin)
            with looking():
                changed = (now != before) & ~(_isnan(now) & _isnan(before))
                if bool(changed.any()):
                    _masked_fill(twin, changed, 0)
                    _copy(_detach(twin), now)

    def _lend(self, tensor: torch.Tensor) -> None:
        """An array shares the memory of a dual tensor."""
        twin = self._twin(tensor) if self.knows(tensor) else tensor
        if twin is not None and tangent(twin) is not None:
            self._lent.append((twin, _values(twin)))

    def knows(self, tensor: object) -> bool:
        """True for a tensor that was detached from a dual one, or is a view of such a tensor."""
        return id(tensor) in self._of

    def _twin(self, tensor: torch.Tensor) -> torch.Tensor | None:
        found = self._of.get(id(tensor))
        return None if found is None else found[1]

    def _in_place_of(self, written: torch.Tensor, args: Sequence[Any]) -> list[Any]:
        return [self._twin(each) if each is written else each for each in args]

    def detached(self, source: torch.Tensor, alias: torch.Tensor) -> None:
        """The alias was detached from a dual tensor, or from an alias of one."""
        origin = self._twin(source) if self.knows(source) else source
        self._keep(alias, _viewed_by(_view_as, (origin, origin), {}))

    def _viewed(self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> None:
        """Views of a detached tensor have twins as well."""
        places = {_place(each) for each in operands.inside((*args, *kwargs.values())) if self._twin(each) is not None}
        views = [each for each in operands.inside([result]) if _base(each) is not None and _place(each) in places]
        if not views:
            return
        given = [self._of[id(each)][1] if id(each) in self._of else each for each in args]
        twins = operands.inside([_viewed_by(func, given, kwargs)])
        for alias, twin in zip(operands.inside([result]), twins, strict=True):
            self._keep(alias, twin)

    def _keep(self, alias: torch.Tensor, twin: torch.Tensor) -> None:
        """The alias is held, so that no other tensor gets its id."""
        self._of[id(alias)] = (alias, twin)


def _values(tensor: torch.Tensor) -> torch.Tensor:
    with looking():
        found: torch.Tensor = _clone(_detach(tensor))
    return found


def _viewed_by(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    with looking():
        return func(*args, **kwargs)


def _out(kwargs: Mapping[str, Any], written: torch.Tensor, twin: torch.Tensor) -> dict[str, Any]:
    return {"out": twin} if kwargs.get("out") is written else {}


def _place(tensor: torch.Tensor) -> int:
    place: int = _pointer(_storage(tensor))
    return place
