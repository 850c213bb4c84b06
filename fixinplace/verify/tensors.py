"""Reading a tensor without touching it: no view, no version bump, no reference that outlives the call.

Note [Bound early]
    User code may patch `torch.Tensor` or `torch` itself.  What is used here is bound to torch's C base class when the
    server starts, before any user code exists, and runs with the overrides of subclasses and modes switched off.
"""

from __future__ import annotations

import ctypes
import hashlib
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch._C import _functorch

from fixinplace.verify.jobs import Json

_BASE: Any = torch._C.TensorBase
_STORAGE: Any = torch.UntypedStorage
_NO_OVERRIDES: Any = torch._C.DisableTorchFunction
_NO_DISPATCH: Any = torch._C._DisableTorchDispatch
_UNWRAP: Any = _functorch.get_unwrapped
_IS_WRAPPED: Any = _functorch.is_functorch_wrapped_tensor

_size, _stride, _offset, _numel = _BASE.size, _BASE.stride, _BASE.storage_offset, _BASE.numel
_element_size, _storage_of, _is_conj, _is_neg = _BASE.element_size, _BASE.untyped_storage, _BASE.is_conj, _BASE.is_neg
_detach, _clone, _to_dense = _BASE.detach, _BASE.clone, _BASE.to_dense
_pointer, _bytes, _to_cpu = _STORAGE.data_ptr, _STORAGE.nbytes, _STORAGE.cpu
_dtype, _device, _layout = _BASE.dtype.__get__, _BASE.device.__get__, _BASE.layout.__get__
_grad, _retains = _BASE.grad.__get__, _BASE.retains_grad.__get__
_COMPRESSED = {
    torch.sparse_csr: ("crow_indices", "col_indices", "values"),
    torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
    torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
    torch.sparse_bsc: ("ccol_indices", "row_indices", "values"),
}
_string_at = ctypes.string_at
_contiguous = torch.contiguous_format
_sha1 = hashlib.sha1

requires_grad = _BASE.requires_grad.__get__
_is_leaf = _BASE.is_leaf.__get__
grad_fn = _BASE.grad_fn.__get__
require_grad = _BASE.requires_grad_


@dataclass(frozen=True, slots=True)
class Reading:
    """A tensor's facts as JSON-able data, and its elements.

    data: bytes from the first to the last element, to be read with `facts["stride"]`; None if they cannot be read.
    """

    facts: Json
    data: bytes | None

    @property
    def passing(self) -> Reading:
        """Without the place in memory, for a tensor that will not live until the end of the run."""
        return Reading({key: value for key, value in self.facts.items() if key != "memory"}, self.data)

    @property
    def digest(self) -> str:
        """Digest of facts that matter to values and of the elements' bytes."""
        head = repr([self.facts.get(key) for key in ("dtype", "shape", "stride", "conj", "neg")])
        found = _sha1(head.encode(), usedforsecurity=False)  # no hash of the library is faster where none is built in
        found.update(self.data or b"")
        return found.hexdigest()


def is_leaf(tensor: torch.Tensor) -> bool:
    """`is_leaf`; False for a view that torch refuses to look at, since its base was written under another grad mode."""
    try:
        return bool(_is_leaf(tensor))
    except RuntimeError:
        return False


def is_tensor(value: object) -> TypeGuard[torch.Tensor]:
    """True for tensors of every subclass, whatever the object says about its class."""
    return issubclass(type(value), _BASE)


def gradient_of(tensor: torch.Tensor) -> torch.Tensor | None:
    """`.grad`, without the warning that torch gives for tensors that never have one."""
    with _NO_OVERRIDES():
        found: torch.Tensor | None = _grad(tensor) if is_leaf(tensor) or _retains(tensor) else None
    return found


def parts(tensor: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    """The strided tensors that a sparse one consists of; empty for every other layout."""
    with _NO_OVERRIDES(), _NO_DISPATCH():
        layout = _layout(tensor)
        if layout is torch.sparse_coo:
            return [("indices", _BASE._indices(tensor)), ("values", _BASE._values(tensor))]
        return [(name, getattr(_BASE, name)(tensor)) for name in _COMPRESSED.get(layout, ())]


def read_array(array: Any) -> Reading:
    """The same facts for a numpy array without object fields."""
    interface = array.__array_interface__
    facts: Json = {
        "dtype": f"numpy {array.dtype.str}",
        "shape": list(array.shape),
        "device": "cpu",
        "layout": "strided",
        "requires_grad": False,
        "leaf": True,
    }
    memory = {"address": interface["data"][0], "item": array.itemsize, "steps": None}
    if array.itemsize and all(step >= 0 and step % array.itemsize == 0 for step in array.strides):
        memory["steps"] = [step // array.itemsize for step in array.strides]
    return Reading(facts | ({"memory": memory} if memory["steps"] is not None else {}), array.tobytes())


def same_dtype_as(values: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """`values` in the dtype and on the device of `tensor`."""
    return values.to(device=_device(tensor), dtype=_dtype(tensor))


def tracked(tensor: torch.Tensor) -> bool:
    """`requires_grad`, whatever a subclass says about it; False inside `torch.func`, whose levels keep it from view."""
    with _NO_OVERRIDES():
        return not _IS_WRAPPED(tensor) and bool(requires_grad(tensor))


def is_differentiable(tensor: torch.Tensor) -> bool:
    """True for the result of a recorded operation whose dtype has gradients."""
    with _NO_OVERRIDES():
        dtype = _dtype(tensor)
        return grad_fn(tensor) is not None and (dtype.is_floating_point or dtype.is_complex)


def read(tensor: torch.Tensor, dense: bool = False) -> Reading:
    """Facts and elements of a tensor; `dense` turns other layouts into the strided one first.

    Elements that cannot be read (no storage, a foreign layout) leave `data` None and say why in `facts["unread"]`.
    """
    with _NO_OVERRIDES(), _NO_DISPATCH():
        wrapped = _IS_WRAPPED(tensor)
        while _IS_WRAPPED(tensor):
            tensor = _UNWRAP(tensor)
        if dense and _layout(tensor) is not torch.strided:
            tensor = _to_dense(_detach(tensor))
        facts: Json = {
            "dtype": str(_dtype(tensor)).removeprefix("torch."),
            "shape": list(_size(tensor)),
            "device": str(_device(tensor)),
            "layout": str(_layout(tensor)).removeprefix("torch."),
            "requires_grad": not wrapped and requires_grad(tensor),
            "leaf": not wrapped and is_leaf(tensor),
        }
        if _device(tensor).type == "meta":
            return Reading(facts | {"stride": list(_stride(tensor))}, b"")
        if _layout(tensor) is not torch.strided:
            return Reading(facts | {"unread": f"layout {facts['layout']}"}, None)
        try:
            storage = _storage_of(tensor)
            on_cpu = storage if _device(tensor).type == "cpu" else _to_cpu(storage)
            return _elements(tensor, facts, _pointer(storage), on_cpu)
        except (NotImplementedError, RuntimeError) as error:  # a tensor without memory of its own: fake, lazy, wrapped
            return Reading(facts | {"unread": str(error).partition("\n")[0]}, None)


def _elements(tensor: torch.Tensor, facts: Json, address: int, storage: Any) -> Reading:
    """address: where the tensor's own storage begins, on its device; storage: that one or a copy that can be read."""
    size, stride, item = _size(tensor), _stride(tensor), _element_size(tensor)
    facts |= {"conj": _is_conj(tensor), "neg": _is_neg(tensor)}
    if _numel(tensor) == 0:
        return Reading(facts | {"stride": list(stride)}, b"")
    extent = (1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))) * item
    first = _offset(tensor) * item
    if first + extent > _bytes(storage) or _pointer(storage) == 0:
        return Reading(facts | {"unread": "its storage is smaller than the tensor"}, None)
    memory = {"address": address + first, "item": item, "steps": list(stride)}
    if extent > 4 * _numel(tensor) * item + 4096:
        # A thin view of a large storage: without this copy a thousand columns would take a thousand matrices.
        compact = _clone(_detach(tensor), memory_format=_contiguous)
        return Reading(facts | {"stride": list(_stride(compact)), "memory": memory}, read(compact).data)
    data = _string_at(_pointer(storage) + first, extent)
    return Reading(facts | {"stride": list(stride), "memory": memory}, data)
