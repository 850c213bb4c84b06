"""Which arguments an operator writes, from its schema, and where the schema or the engine says otherwise.

Note [Schemas that lie]
    Batch norm in training mode writes its running statistics, and its schema says nothing; no version moves.
    Training-mode rrelu saves its noise before it draws it: that write is part of the save.  Fused optimizer kernels
    write parameters and move no version on the CPU.  `_foreach_` kernels move versions, but on the CPU not under a
    dispatch mode, where the loop over single operators that would do it is hidden: the tracer moves them itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

_STATISTICS = {
    "native_batch_norm": ((3, 4), 5),
    "cudnn_batch_norm": ((3, 4), 5),
    "miopen_batch_norm": ((3, 4), 5),
}
"""Positions of the running statistics, and of the flag that says whether they are written."""

_NO_WRITE = frozenset({"record_stream", "rename_", "retain_grad", "requires_grad_", "_resize_output_"})
_NOISE = ("rrelu_with_noise", "rrelu_with_noise_")
_MULTIPLE = frozenset({"unbind", "split", "split_with_sizes", "chunk", "tensor_split"})
_INDEXED = frozenset({"index_put_", "_index_put_impl_", "index_copy_", "scatter_"})


@dataclass(frozen=True, slots=True)
class Operator:
    """What one overload does to its arguments.

    arguments: position, name and whether it can only be given by name, of those that are written.
    statistics: the operator is a batch norm. refreshes: its noise argument is drawn after it was saved. views: it
    writes nothing and gives a view, "single" or "multiple".
    """

    name: str
    arguments: tuple[tuple[int, str, bool], ...]
    kind: str = ""
    foreach: bool = False
    statistics: bool = False
    refreshes: bool = False
    indexed: bool = False
    views: str = ""

    def targets(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[torch.Tensor]:
        """The tensors that this call writes."""
        if self.statistics:
            return _running(self.name, args)
        found: list[torch.Tensor] = []
        for position, name, only_by_name in self.arguments:
            value = kwargs.get(name) if only_by_name or position >= len(args) else args[position]
            if isinstance(value, torch.Tensor):
                found.append(value)
            elif isinstance(value, list | tuple):
                found += (each for each in value if isinstance(each, torch.Tensor))
        return found


def _running(name: str, args: Sequence[Any]) -> list[torch.Tensor]:
    positions, flag = _STATISTICS[name]
    if len(args) <= flag or not args[flag]:
        return []
    return [args[each] for each in positions if isinstance(args[each], torch.Tensor)]


_known: dict[Any, Operator | None] = {}


def operator(function: Any) -> Operator | None:
    """What this overload writes; None if nothing. Asked at every operation, answered from a table."""
    try:
        return _known[function]
    except KeyError:
        found = _known[function] = _describe(function)
        return found


def _describe(function: Any) -> Operator | None:
    schema = getattr(function, "_schema", None)
    if schema is None:  # a higher-order operator: what it runs comes by itself
        return None
    name = str(schema.name).rpartition("::")[2]
    written = tuple(
        (position, argument.name, argument.kwarg_only)
        for position, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )
    if name in _NOISE:
        written = tuple(each for each in written if each[1] != "noise")
        return Operator(name, written, refreshes=True)
    if name in _STATISTICS and not written:
        return Operator(name, (), "statistics", statistics=True)
    if not written and schema.arguments and schema.arguments[0].alias_info is not None:
        return Operator(name, (), views="multiple" if name in _MULTIPLE else "single")
    if not written or name in _NO_WRITE:
        return None
    fused = name.startswith("_fused_")
    return Operator(
        name, written, "fused" if fused else "", foreach=name.startswith("_foreach_"), indexed=name in _INDEXED
    )


def tensors_in(values: Sequence[Any]) -> Iterator[torch.Tensor]:
    """Tensors among arguments, to one level of nesting."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (each for each in value if isinstance(each, torch.Tensor))
