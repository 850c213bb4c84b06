"""What a program does: its values, who shares memory with whom, its gradients; and how another one differs."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch

_ERRORS = (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError, NameError)
_OVERLAPS = "refer to a single memory location"
OVERLAP = "operands overlap"
"""The error for operands that overlap in part; torch finds them only where the elements are dense, so that a program
that does not raise is no more defined than one that does."""


@dataclass(frozen=True)
class Outcome:
    """What can be seen of a run.

    values: all tensors in what is returned, in the arguments and in the module's list, by their path.
    sharing: for all elements of all tensors in order, the number of the first element at the same address.
    gradients: of a weighted sum of all values, by leaf.
    """

    values: dict[str, torch.Tensor]
    others: dict[str, object]
    sharing: list[int]
    gradients: list[torch.Tensor]


def leaves() -> list[torch.Tensor]:
    """Two float64 leaves of shape (3, 4), the same ones in every run."""
    generator = torch.Generator().manual_seed(5)
    return [(torch.rand(3, 4, generator=generator, dtype=torch.float64) + 0.2).requires_grad_() for _ in range(2)]


def run(text: str, flag: int, reference: bool) -> Outcome | str:
    """What `f(a, b, flag)` of a text does, or the name of the error that it raises.

    reference: saved tensors are kept as they were when they were saved, and pieces of a tensor (`chunk`, `unbind`) are
    single views, so that autograd refuses nothing and its gradients are those of what was computed.
    """
    namespace: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(text, "program", "exec"), namespace)
        torch.manual_seed(0)
        try:
            with contextlib.ExitStack() as stack:
                if reference:
                    stack.enter_context(separate_pieces())
                    stack.enter_context(
                        torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t)
                    )
                return _seen(namespace, flag)
        except _ERRORS as error:
            return OVERLAP if _OVERLAPS in str(error) else f"{type(error).__name__}: {error}"


def _seen(namespace: dict[str, object], flag: int) -> Outcome:
    given = leaves()
    arguments = [leaf * 1 for leaf in given]
    result = namespace["f"](*arguments, flag)  # type: ignore[operator]
    everything = {"": result, "argument": arguments, "KEPT": namespace["KEPT"]}
    found = dict(_flat(everything, ""))
    tensors = {path: value for path, value in found.items() if isinstance(value, torch.Tensor)}
    others = {path: value for path, value in found.items() if path not in tensors}
    loss = sum(
        (value.double() * (number + torch.arange(value.numel()).view(value.shape))).sum()
        for number, value in enumerate(tensors.values(), 1)
    )
    gradients = torch.autograd.grad(loss, given, allow_unused=True)
    zero = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(given, gradients, strict=True)]
    values = {path: value.detach().clone() for path, value in tensors.items()}
    return Outcome(values, others, _sharing(list(tensors.values())), zero)


def _flat(value: object, path: str) -> Iterator[tuple[str, object]]:
    match value:
        case dict():
            for key, one in value.items():
                yield from _flat(one, f"{path}.{key}")
        case list() | tuple():
            for number, one in enumerate(value):
                yield from _flat(one, f"{path}[{number}]")
        case torch.Tensor() | int() | float() | None:
            yield path, value
        case _ if hasattr(value, "__dict__") and not callable(value):
            yield from _flat(vars(value), path)


def _sharing(tensors: list[torch.Tensor]) -> list[int]:
    first: dict[int, int] = {}
    found: list[int] = []
    for tensor in tensors:
        addresses = torch.full(tuple(tensor.shape), tensor.data_ptr(), dtype=torch.int64)
        for dimension, (size, stride) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
            shape = [1] * tensor.dim()
            shape[dimension] = size
            addresses = addresses + (torch.arange(size) * stride * tensor.element_size()).view(shape)
        found += [first.setdefault(int(address), len(first)) for address in addresses.flatten()]
    return found


def difference(expected: Outcome, value: Outcome) -> str | None:
    """In what two outcomes differ, or None."""
    if expected.values.keys() != value.values.keys() or expected.others != value.others:
        return "what is returned"
    for path, tensor in expected.values.items():
        other = value.values[path]
        if tensor.shape != other.shape or tensor.dtype != other.dtype:
            return f"shape or dtype of {path}"
        if not torch.allclose(tensor, other, rtol=1e-9, atol=1e-12, equal_nan=True):
            return f"values of {path}"
    for number, (one, other) in enumerate(zip(expected.gradients, value.gradients, strict=True)):
        if not torch.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True):
            return f"gradients of leaf {number}"
    if expected.sharing != value.sharing:
        return "who shares memory with whom"
    return None


@contextlib.contextmanager
def separate_pieces() -> Iterator[None]:
    """Pieces of a tensor as single views: autograd forbids writes to those of an op that gives several."""

    def narrowed(tensor: torch.Tensor, sizes: list[int], dim: int) -> tuple[torch.Tensor, ...]:
        starts = [sum(sizes[:n]) for n in range(len(sizes))]
        return tuple(tensor.narrow(dim, start, size) for start, size in zip(starts, sizes, strict=True))

    def unbind(tensor: torch.Tensor, dim: int = 0) -> tuple[torch.Tensor, ...]:
        return tuple(tensor.select(dim, n) for n in range(tensor.shape[dim]))

    def split(tensor: torch.Tensor, split_size, dim: int = 0) -> tuple[torch.Tensor, ...]:
        if isinstance(split_size, int):
            total = tensor.shape[dim]
            split_size = [min(split_size, total - start) for start in range(0, total, split_size)]
        return narrowed(tensor, list(split_size), dim)

    def chunk(tensor: torch.Tensor, chunks: int, dim: int = 0) -> tuple[torch.Tensor, ...]:
        return split(tensor, -(-tensor.shape[dim] // chunks), dim)

    with contextlib.ExitStack() as stack:
        for owner in (torch.Tensor, torch):
            for function in (unbind, split, chunk):
                stack.enter_context(_replaced(owner, function.__name__, function))
        stack.enter_context(_replaced(torch.Tensor, "__iter__", lambda tensor: iter(unbind(tensor))))
        yield


@contextlib.contextmanager
def _replaced(owner: object, name: str, function: object) -> Iterator[None]:
    old = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, old)
