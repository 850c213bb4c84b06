"""Leaves made dual on use: what has a tangent under forward-mode differentiation, and which one.

Note [Once a leaf]
    A leaf gets its tangent when it is first used.  An in-place write changes value and tangent of the same object, and
    what was the leaf is then what the write computed; so a leaf is never given its tangent a second time, unless the
    program had switched `requires_grad` off in between.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch.autograd import forward_ad

from fixinplace.verify import tensors
from fixinplace.verify.directions import direction
from fixinplace.verify.jobs import Json

_BASE: Any = torch._C.TensorBase
_NO_OVERRIDES: Any = torch._C.DisableTorchFunction
_enabled: Callable[[], bool] = torch._C._is_fwd_grad_enabled
_enable: Callable[[bool], None] = torch._C._set_fwd_grad_enabled
_set_version: Any = torch._C._autograd._unsafe_set_version_counter
_unpack: Callable[..., Any] = forward_ad.unpack_dual
_make: Callable[..., Any] = forward_ad.make_dual
_copy, _clone, _detach, _detach_in_place = _BASE.copy_, _BASE.clone, _BASE.detach, _BASE.detach_
_version, _base, _dtype = _BASE._version.__get__, _BASE._base.__get__, _BASE.dtype.__get__


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """Tangents can be read and set here whatever the program has switched off; no mode and no subclass is asked."""
    before = _enabled()
    _enable(True)
    try:
        with _NO_OVERRIDES():
            yield
    finally:
        _enable(before)


def tangent(tensor: torch.Tensor) -> torch.Tensor | None:
    """The tangent of a tensor; None for a constant."""
    with looking():
        found: torch.Tensor | None = _unpack(tensor).tangent
    return found


def is_leaf(tensor: torch.Tensor) -> bool:
    """True for a leaf that requires grad; a view that is taken of one while reverse mode is off only says so."""
    if not tensors.requires_grad(tensor):
        return False
    base = _base(tensor)
    return (base is None or not tensors.requires_grad(base)) and tensors.is_leaf(tensor)


@dataclass
class _Leaf:
    """A leaf that has been used. attached: digest of its value then. key: of its direction. active: it has its tangent.
    still: that is zero. read: since it was written, something was computed with it.

    tensor: held, so that nobody else gets its id.
    """

    tensor: torch.Tensor
    attached: str
    key: str
    active: bool = True
    written: bool = False
    read: bool = False
    still: bool = False


class Leaves:
    """All leaves that a program has used, each with the tangent of direction `number`.

    stop: called with a sentence about a leaf that cannot be made dual; does not return. along: keys of those that
    move, where it is not all of them.
    """

    def __init__(self, number: int, stop: Callable[[str], NoReturn], along: Collection[str] = ()) -> None:
        self._number = number
        self._along = along
        self._stop = stop
        self._known: dict[int, _Leaf] = {}
        self._bases: dict[int, torch.Tensor] = {}

    def use(self, tensor: torch.Tensor) -> None:
        """Make the tensor dual if it is a leaf; called with everything that an operation is given in grad mode."""
        if (leaf := self._known.get(id(tensor))) is not None:
            self._again(leaf)
        elif id(tensor) in self._bases:
            self._stop("a tensor is used of which a leaf is a view")
        elif is_leaf(tensor):
            self._attach(tensor)

    def knows(self, tensor: torch.Tensor) -> bool:
        """True for a leaf that has been used."""
        return id(tensor) in self._known

    def written(self, tensor: torch.Tensor) -> None:
        """An operation of grad mode has written this tensor: a leaf that shares its storage is none any more."""
        base = _base(tensor)
        for leaf in self._known.values():
            if tensor is leaf.tensor or (base is not None and (base is leaf.tensor or base is _base(leaf.tensor))):
                leaf.written = True

    def computed(self, operands: Iterable[torch.Tensor], result: object) -> None:
        """An operation of grad mode has been given these operands."""
        written = [leaf for each in operands if (leaf := self._known.get(id(each))) is not None and leaf.written]
        values = result if isinstance(result, (tuple, list)) else (result,)
        if written and any(tensors.is_tensor(each) and tangent(each) is not None for each in values):
            for leaf in written:
                leaf.read = True

    def all_read(self, among: Iterable[object]) -> bool:
        """True if all these are leaves, and something was computed with each that was written since then."""
        found = [self._known.get(id(each)) for each in among]
        return all(leaf is not None and (leaf.read or not leaf.written) for leaf in found)

    def any_written(self, among: Iterable[object] | None = None) -> bool:
        """True if a leaf, or one among the given tensors, was written in place in grad mode."""
        wanted = None if among is None else {id(each) for each in among}
        written = [key for key, leaf in self._known.items() if leaf.written]
        return any(wanted is None or key in wanted for key in written)

    def rows(self, names: Callable[[list[torch.Tensor]], list[str | None]]) -> list[Json]:
        """Facts of every leaf with its name and the digests of its value when it was first used and now."""
        found = []
        leaves = list(self._known.values())
        for leaf, name in zip(leaves, names([leaf.tensor for leaf in leaves]), strict=True):
            reading = tensors.read(leaf.tensor, dense=True)
            facts = {key: reading.facts[key] for key in ("shape", "dtype")}
            told = {
                "leaf": name,
                "key": leaf.key,
                "attached": leaf.attached,
                "now": reading.digest,
                "still": leaf.still,
            }
            found.append({**facts, **told})
        return found

    def _attach(self, tensor: torch.Tensor) -> None:
        reading = tensors.read(tensor, dense=True)
        digest = reading.digest
        alike = sum(leaf.attached == digest for leaf in self._known.values())
        key = f"{digest} {alike}"
        self._known[id(tensor)] = _Leaf(tensor, digest, key, still=bool(self._along) and key not in self._along)
        if (base := _base(tensor)) is not None:
            self._bases[id(base)] = base
        self._give(tensor, key)

    def _give(self, tensor: torch.Tensor, key: str) -> None:
        try:
            with looking():
                version = _version(tensor)
                values = direction(self._number, key, tuple(tensor.shape), _dtype(tensor))
                values = values.zero_() if self._along and key not in self._along else values
                _copy(tensor, _make(_clone(_detach(tensor)), values.to(tensor.device)))
                _set_version((tensor,), (version,))
        except (RuntimeError, NotImplementedError) as error:
            self._stop(f"a leaf cannot be made dual: {str(error).partition(chr(10))[0]}")

    def _again(self, leaf: _Leaf) -> None:
        """Follow `requires_grad` of a leaf that is switched off and on, as the parameters of two networks are."""
        wanted = tensors.requires_grad(leaf.tensor)
        if wanted == leaf.active:
            return
        if leaf.written:
            self._stop("`requires_grad` of a leaf changes after it was written in place")
        leaf.active = wanted
        if wanted:
            self._give(leaf.tensor, leaf.key)
            return
        with looking():
            _detach_in_place(leaf.tensor)
