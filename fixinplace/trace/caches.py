"""Results that `functools.lru_cache` and `functools.cache` keep: no attribute leads to them, the collector does.

As CPython 3.11 has it: an unbounded cache is a dict from arguments to results; a bounded one has its results in links,
and refers to them itself.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator

import torch

_CACHE = type(functools.cache(int))
_HOLDERS = (torch.Tensor, list, tuple, dict)


def is_cache(value: object) -> bool:
    """True for a function that one of the two has decorated."""
    return type(value) is _CACHE


def kept(cache: object) -> Iterator[object]:
    """The results that may hold tensors, with some of the arguments, in the order in which they were kept."""
    own = vars(cache)
    for each in gc.get_referents(cache):
        if each is own:
            continue
        if isinstance(each, dict):
            yield from (value for value in each.values() if isinstance(value, _HOLDERS))
        elif isinstance(each, _HOLDERS):
            yield each
