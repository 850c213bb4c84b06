"""Containers each of whose places holds a tensor of its own; see Note [Places of containers] in `containers.py`."""

from __future__ import annotations

from fixinplace.detect.chains import repeated
from fixinplace.detect.kinds import Kind, Origin
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import DISTINCT, Memory, Value, distinct, named, overlap, sequence
from fixinplace.model import Span


def collected(value: Value, place: str, span: Span) -> Value:
    """The list of what an expression of the function `place` between these offsets gives, round by round."""
    made = _is_made(value) and all(is_made_in(memory, place, span) for memory in value.memory)
    one = named(value)
    order = repeated(one) if one.kind is Kind.MODULE or one.name.startswith("!") else None
    return replace(sequence((value,)), flags=value.flags, name=DISTINCT if made else "", order=order)


def named_with(base: Value, value: Value) -> str:
    """The name of a container when a value is put into a place of it: DISTINCT if that is a tensor new to it."""
    apart = _is_made(value) and not overlap(value.memory, base.memory | base.maybe)
    return DISTINCT if apart and distinct(base) else ""


def _is_made(value: Value) -> bool:
    """True for a tensor that is certainly none that was there before."""
    made = bool(value.memory) and all(memory.origin is Origin.ALLOCATED for memory in value.memory)
    return value.tensor and made and not value.maybe


def is_made_in(memory: Memory, place: str, span: Span) -> bool:
    """True if code of the function allocates it between these offsets; see `Frame.allocate` for the label."""
    name, _, rest = memory.label.rpartition("@")
    offset = rest.partition(":")[0]
    return name == place and offset.isdigit() and span.start <= int(offset) < span.end
