"""Tables and caches of a module, emptied again between two tries.

A function that keeps grids by their shape (`GRIDS[key] = ...`, `lru_cache`) would find, in the first real try, the fake
tensors that the one before has left there.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Iterator
from types import ModuleType
from typing import Any

_TABLES = (dict, list, set, collections.OrderedDict, collections.defaultdict, collections.deque)
_CACHE: Any = type(functools.lru_cache(lambda: None))


class Tables:
    """What the globals of a module and the attributes of its classes held when this was made."""

    def __init__(self, module: ModuleType) -> None:
        held = list(_held(module))
        self._tables = [(one, one.copy()) for one in held if type(one) in _TABLES]
        self._caches = [one for one in held if isinstance(one, _CACHE)]

    def restore(self) -> None:
        """Put back what has grown or shrunk since, and forget what was cached."""
        for table, before in self._tables:
            if len(table) != len(before):
                table.clear()
                table.extend(before) if isinstance(table, list | collections.deque) else table.update(before)
        for cache in self._caches:
            cache.cache_clear()


def _held(module: ModuleType) -> Iterator[Any]:
    for value in list(vars(module).values()):
        yield value
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield from list(vars(value).values())
