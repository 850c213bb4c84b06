"""One run over torch's own test samples: which operators change the dtype, share storage, and require grad.

Needs what `torch.testing._internal` needs (numpy, expecttest); used by the generator and its tests only.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_leaves


class Case(Protocol):
    """The arguments of one call, as torch's test database gives them."""

    input: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Operator(Protocol):
    """The part of the database's `OpInfo` that is used here."""

    name: str
    aliases: tuple[Any, ...]
    variant_test_name: str
    dtypes: set[torch.dtype]
    supports_autograd: bool
    op: Callable[..., Any]
    inplace_variant: Callable[..., Any] | None
    sample_inputs_func: Callable[[Operator, str, torch.dtype, bool], Iterable[Case]]


DTYPES = (torch.float32, torch.float64, torch.float16, torch.int32, torch.bool)
SAMPLES = 24
"""Samples tried per operator and dtype: torch sorts the plain ones first."""


@dataclass
class Seen:
    """What the samples of one operator showed.

    parts: for every result tensor the pairs (floating dtype shared by the operands or None, dtype of the result).
    counts: the numbers of result tensors seen.
    shares, fresh: some result tensor shared storage with an operand; some did not.
    asked, tracked: some floating operand required grad; some result did.
    """

    parts: dict[int, set[tuple[torch.dtype | None, torch.dtype]]] = field(default_factory=lambda: defaultdict(set))
    counts: set[int] = field(default_factory=set)
    shares: bool = False
    fresh: bool = False
    asked: bool = False
    tracked: bool = False


@dataclass(frozen=True)
class Sampled:
    """`seen` by operator name as the samples have it (`add`, `nn.functional.relu`, `linalg.inv`), aliases included.

    promoting: operators with an in-place variant that keeps a dtype which the out-of-place form does not keep.
    """

    seen: dict[str, Seen]
    promoting: frozenset[str]


def sample() -> Sampled:
    """Run every operator of the test database out of place, and in place where it has such a variant."""
    seen: dict[str, Seen] = defaultdict(Seen)
    promoting: set[str] = set()
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for op in operators():
            names = (op.name, *(alias.name for alias in op.aliases))
            for dtype in DTYPES:
                for case in _cases(op, dtype):
                    _observe(op, case, seen[op.name])
                    if _promotes(op, case):
                        promoting.update(names)
            seen.update(dict.fromkeys(names, seen[op.name]))
    return Sampled(dict(seen), frozenset(promoting))


def operators() -> list[Operator]:
    """The database without what only runs on a GPU and without the random fills, whose `op` writes in place."""
    database = cast(list[Operator], op_db)
    return [op for op in database if not op.name.startswith("jiterator") and not _fills(op)]


def _fills(op: Operator) -> bool:
    return op.variant_test_name == "in_place" or (hasattr(torch.Tensor, f"{op.name}_") and not hasattr(torch, op.name))


def _cases(op: Operator, dtype: torch.dtype) -> Iterator[Case]:
    if dtype not in op.dtypes:
        return
    tracked = dtype.is_floating_point and op.supports_autograd
    for number, case in enumerate(op.sample_inputs_func(op, "cpu", dtype, tracked)):
        if number == SAMPLES:
            return
        if case.kwargs.get("dtype") is None:
            yield case


def _observe(op: Operator, case: Case, seen: Seen) -> None:
    operands = _tensors((case.input, case.args, case.kwargs))
    floating = {t.dtype for t in operands if t.dtype.is_floating_point or t.dtype.is_complex}
    shared = next(iter(floating)) if len(floating) == 1 else None
    results = _tensors(op.op(case.input, *case.args, **case.kwargs))
    storages = {storage(t) for t in operands}
    seen.counts.add(len(results))
    for number, found in enumerate(results):
        if len(floating) < 2:
            seen.parts[number].add((shared, found.dtype))
        aliased = storage(found) in storages
        seen.shares |= aliased
        seen.fresh |= not aliased
        seen.tracked |= found.requires_grad
    seen.asked |= any(t.requires_grad for t in operands)


def _promotes(op: Operator, case: Case) -> bool:
    """True if the in-place form runs and the out-of-place form of the same arguments gives another dtype."""
    if op.inplace_variant is None:
        return False
    target = case.input.detach().clone()
    plain = op.op(case.input, *case.args, **case.kwargs)
    try:
        op.inplace_variant(target, *case.args, **case.kwargs)
    except RuntimeError:  # in place cannot hold the promoted result, or would change the shape
        return False
    return bool(plain.dtype != target.dtype)


def _tensors(tree: object) -> list[torch.Tensor]:
    return [t for t in tree_leaves(tree) if isinstance(t, torch.Tensor) and t.layout is torch.strided]


def storage(tensor: torch.Tensor) -> int:
    """Identity of the storage behind a strided tensor, the same for all its views."""
    return int(tensor.untyped_storage()._cdata)
