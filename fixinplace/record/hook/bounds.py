"""Calls that differ only in the bounds of integer tensors are one call, whose bounds hold all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def shape(call: Json) -> str:
    """The text of a call without bounds; equal for calls that are one."""
    return json.dumps(_without(call), sort_keys=True)


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        left = ("low", "high") if "tensor" in value else ()
        return {key: _without(each) for key, each in value.items() if key not in left}
    return [_without(each) for each in value] if isinstance(value, list) else value


def widen(call: Json, other: Json) -> bool:
    """Make the bounds of a call hold those of one of the same shape; True if that changed something."""
    changed = False
    for ours, theirs in zip(_bounded(call), _bounded(other), strict=True):
        low, high = min(ours["low"], theirs["low"]), max(ours["high"], theirs["high"])
        changed = changed or (low, high) != (ours["low"], ours["high"])
        ours["low"], ours["high"] = low, high
    return changed


def _bounded(value: Any) -> Iterator[Json]:
    """Tensors with bounds, in an order that depends on the names of keys alone."""
    if isinstance(value, dict):
        if "tensor" in value and "low" in value:
            yield value
        for key in sorted(value):
            yield from _bounded(value[key])
    elif isinstance(value, list):
        for each in value:
            yield from _bounded(each)
