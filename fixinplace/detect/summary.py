"""What callers may know of a function that has been read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fixinplace.detect.values import UNKNOWN, Value
from fixinplace.model import Keeper


@dataclass
class Summary:
    """What callers may know of a function of this file.

    returns: the value with parameters' memory named by parameter.
    keeps: names of parameters that the function, or code it calls, may hold on to.
    keepers: for some of them, where in the function or the code it calls.
    writes: names of parameters that it writes into, and whether what it writes requires grad.
    """

    returns: Value = UNKNOWN
    keeps: frozenset[str] = frozenset()
    writes: dict[str, bool | None] = field(default_factory=dict)
    keepers: Mapping[str, frozenset[Keeper]] = field(default_factory=dict)
