"""What values, dtypes, layouts and storages there are; `values.py` speaks of all of them."""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    """What a value is; LIST also stands for tuples, sets and other sequences."""

    TENSOR = "tensor"
    NUMBER = "number"
    LIST = "list"
    DICT = "dict"
    ARRAY = "array"
    MODULE = "module"
    STRING = "string"
    SIZE = "size"
    NONE = "none"
    PATH = "path"
    OTHER = "other"
    UNKNOWN = "unknown"


class Dtype(enum.StrEnum):
    """Class of a tensor's dtype; INT and BOOL never require grad."""

    FLOAT = "float"
    INT = "int"
    BOOL = "bool"
    ANY = "any"


class Layout(enum.IntEnum):
    """How a tensor's elements lie in memory: next to each other and in the order of their indices (contiguous); in
    another order, perhaps; with gaps; several at one place (`expand`, `unfold`).

    A new tensor of the same values is always dense: `.reshape` of it is a view where that of one with gaps is a copy.
    """

    ROWS = -1
    DENSE = 0
    GAPS = 1
    SHARED = 2


class Origin(enum.StrEnum):
    """Where a storage comes from, seen from the function at hand."""

    ALLOCATED = "allocated"
    EARLIER = "earlier"
    PARAMETER = "parameter"
    ATTRIBUTE = "attribute"
    GLOBAL = "global"
    FOREIGN = "foreign"


GRADIENT = "a gradient"
"""The name of what `torch.autograd.grad` gives: perhaps expanded, which torch refuses to write element by element."""
