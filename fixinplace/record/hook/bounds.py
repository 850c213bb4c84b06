"""Walking recorded calls; and those that differ only in the bounds of integer tensors, which are one call.

Note [Tables of names]
    `named`, `namespace` and `attributes` hold values by names of the user's, which may be `tensor` or `low` as well.
    They are no values themselves: whoever walks a call goes through `parts`, which steps over them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
_TABLES = ("named", "namespace", "attributes")


def parts(value: Any) -> Iterator[Any]:
    """The values inside a value, in an order that no spelling of the file changes."""
    if isinstance(value, dict):
        for key in sorted(value):
            inside = value[key]
            if key in _TABLES and isinstance(inside, dict):
                yield from (inside[name] for name in sorted(inside))
            else:
                yield inside
    elif isinstance(value, list):
        yield from value


def tensors(value: Any) -> Iterator[Json]:
    """Every tensor that is described in a value."""
    if isinstance(value, dict) and "tensor" in value:
        yield value
        return
    for each in parts(value):
        yield from tensors(each)


def shape(call: Json) -> str:
    """The text of a call without bounds; equal for calls that are one."""
    return json.dumps(_without(call), sort_keys=True)


def _without(value: Any) -> Any:
    if isinstance(value, list):
        return [_without(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return {key: each for key, each in value.items() if key not in ("low", "high")}
    return {key: _table(each) if key in _TABLES else _without(each) for key, each in value.items()}


def _table(named: Json) -> Json:
    return {name: _without(each) for name, each in named.items()}


def widen(call: Json, other: Json) -> bool:
    """Make the bounds of a call hold those of one of the same shape; True if that changed something."""
    changed = False
    for ours, theirs in zip(_bounded(call), _bounded(other), strict=True):
        low, high = min(ours["low"], theirs["low"]), max(ours["high"], theirs["high"])
        changed = changed or (low, high) != (ours["low"], ours["high"])
        ours["low"], ours["high"] = low, high
    return changed


def _bounded(call: Json) -> Iterator[Json]:
    return (each for each in tensors(call) if "low" in each)
