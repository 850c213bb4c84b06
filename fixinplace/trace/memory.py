"""Which memory a tensor lies in, read without touching it.

Note [Keys]
    A storage is known by its address, not by its storage object: what goes through numpy or dlpack and back has another
    object on the same memory.  An address may be used again after it was freed; a saved tensor keeps its storage alive,
    and entries are dropped when the last saved tensor goes, so that a key never outlives what it stands for.
"""

from __future__ import annotations

from threading import get_ident
from typing import Any

import torch
from torch.multiprocessing import reductions

_BASE: Any = torch._C.TensorBase
_storage_of, _layout, _version = _BASE.untyped_storage, _BASE.layout.__get__, _BASE._version.__get__
_is_inference, _detach, _clone, _as_strided = _BASE.is_inference, _BASE.detach, _BASE.clone, _BASE.as_strided
_pointer: Any = torch.UntypedStorage.data_ptr
_size, _stride, _offset, _dtype = _BASE.size, _BASE.stride, _BASE.storage_offset, _BASE.dtype.__get__
_weak_storage: Any = reductions.StorageWeakRef
Overrides: Any = torch._C.DisableTorchFunction
"""A context in which overrides and function modes are switched off."""

_no_modes: Any = torch._C._DisableTorchDispatch
_equal: Any = torch.equal
_device: Any = _BASE.device.__get__

Geometry = tuple[tuple[int, ...], tuple[int, ...], int, torch.dtype]


_PLAIN = (torch.Tensor, torch.nn.Parameter)
_busy: set[int] = set()


def is_plain(tensor: torch.Tensor) -> bool:
    """True for tensors whose operations are torch's own."""
    return type(tensor) in _PLAIN or type(tensor).__torch_dispatch__ is torch._C._disabled_torch_dispatch_impl


def is_busy() -> bool:
    """True while the tracer works on a tensor of a foreign kind in this thread: what is dispatched then is its own."""
    return bool(_busy) and get_ident() in _busy


class Aside:
    """Around the tracer's own operations: no override, no mode sees them.

    foreign: a tensor with its own dispatch takes part, which must stay switched on.
    """

    __slots__ = ("_foreign", "_modes", "_overrides")

    def __init__(self, foreign: bool = False) -> None:
        self._foreign = foreign

    def __enter__(self) -> None:
        if self._foreign:
            _busy.add(get_ident())
        else:
            self._modes = _no_modes()  # works from its construction to its end
        self._overrides = Overrides()
        self._overrides.__enter__()

    def __exit__(self, *error: object) -> None:
        self._overrides.__exit__(None, None, None)
        if self._foreign:
            _busy.discard(get_ident())
        else:
            self._modes = None


def key(tensor: torch.Tensor) -> int:
    """A number for the memory of a tensor; tensors of equal key share it."""
    try:
        storage = _storage_of(tensor)
        return int(_pointer(storage)) or -int(storage._cdata)
    except (RuntimeError, NotImplementedError):
        return _key_without_storage(tensor)


def _key_without_storage(tensor: torch.Tensor) -> int:
    """Sparse tensors lie where their values lie; what has no memory at all is known by the object."""
    name = {torch.sparse_coo: "_values", torch.sparse_csr: "values", torch.sparse_bsr: "values"}.get(_layout(tensor))
    if name is None:
        return -id(tensor)
    try:
        return key(getattr(_BASE, name)(_detach(tensor)))
    except (RuntimeError, NotImplementedError):
        return -id(tensor)


def object_of(tensor: torch.Tensor) -> int:
    """Identity of the storage object, 0 where there is none."""
    try:
        return int(_storage_of(tensor)._cdata)
    except (RuntimeError, NotImplementedError):
        return 0


def version(tensor: torch.Tensor) -> int:
    """The version counter; -1 for inference tensors, which have none."""
    return -1 if _is_inference(tensor) else int(_version(tensor))


def is_readable(tensor: torch.Tensor) -> bool:
    """True if values can be compared: dense memory of its own."""
    if _layout(tensor) is not torch.strided or _device(tensor).type == "meta":
        return False
    return is_plain(tensor)


def geometry(tensor: torch.Tensor) -> Geometry | None:
    """How the tensor lies in its storage; None for other layouts."""
    if _layout(tensor) is not torch.strided:
        return None
    return tuple(_size(tensor)), tuple(_stride(tensor)), int(_offset(tensor)), _dtype(tensor)


def copied(tensor: torch.Tensor) -> torch.Tensor:
    """The present values, with no way back to the tensor."""
    found: torch.Tensor = _clone(_detach(tensor))
    return found


def laid(tensor: torch.Tensor, where: Geometry) -> torch.Tensor | None:
    """The piece of a tensor's storage that has this geometry; None if it cannot be had from this tensor."""
    size, stride, offset, dtype = where
    if _dtype(tensor) is not dtype or _layout(tensor) is not torch.strided:
        return None
    try:
        found: torch.Tensor = _as_strided(_detach(tensor), size, stride, offset)
    except RuntimeError:
        return None
    return found


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """True if the values are equal, a NaN to a NaN."""
    if tuple(_size(one)) != tuple(_size(other)) or _dtype(one) is not _dtype(other):
        return False
    try:
        if bool(_equal(one, other)):
            return True
    except NotImplementedError:  # half-precision complex, quantised and other rare dtypes
        return bool(_equal(_plain(one), _plain(other)))
    if not (one.is_floating_point() or one.is_complex()):
        return False
    return bool(torch.isclose(one, other, rtol=0.0, atol=0.0, equal_nan=True).all())


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """The same values in a dtype that can be compared."""
    return tensor.to(torch.complex64) if tensor.is_complex() else tensor.reshape(-1).view(torch.uint8)


class Held:
    """Knows a storage again without keeping its memory."""

    def __init__(self, tensor: torch.Tensor) -> None:
        storage = _storage_of(tensor)
        self._identity = storage._cdata
        self._weak = _weak_storage(storage)

    def is_of(self, tensor: torch.Tensor) -> bool:
        """True if the tensor lies in this storage."""
        return not self._weak.expired() and object_of(tensor) == self._identity
