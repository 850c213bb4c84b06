"""Values as the file keeps them: structure and constructors, see Note [What is kept of a value].

JSON as such stands for numbers, truth values, None, strings and lists; all else is an object with one telling key.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import functools
import math
import sys
import types
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .places import Places
from .tensors import Tensors

Json = dict[str, Any]
_DEPTH, _ITEMS, _FEW = 12, 2000, 64
_NUMBERS = (int, float, complex)
_PLAIN: tuple[type, ...] = (types.SimpleNamespace, argparse.Namespace)


class CannotKeep(Exception):
    """A value that cannot be kept; the message says what it is."""


class Values:
    """Describes the values of one call.  built: the constructor of an object, as far as that was seen."""

    def __init__(self, places: Places, strings: frozenset[str], built: Callable[[object], Json | None]) -> None:
        self._places = places
        self._strings = strings
        self._built = built
        self._hidden: dict[str, int] = {}
        self._items = self._numbers = 0
        self.tensors = Tensors()

    def of(self, value: Any, depth: int = 0) -> Any:
        """The description of a value; raises CannotKeep."""
        self._items += 1
        if depth > _DEPTH or self._items > _ITEMS:
            raise CannotKeep(f"an argument of more than {_ITEMS} parts, or nested deeper than {_DEPTH}")
        kind = type(value)
        self._count(value, kind)
        if value is None or kind in (bool, int):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if kind is complex:
            return {"complex": [self.of(value.real), self.of(value.imag)]}
        if kind is str:
            return self._text(value)
        if kind is list:
            return [self.of(each, depth + 1) for each in value]
        return self._of_torch(value, kind) or self._compound(value, kind, depth)

    def many(self, values: Sequence[Any], named: Mapping[str, Any]) -> Json:
        """Arguments as a call has them: `arguments` by position and `named` ones, each left out if empty."""
        found: Json = {}
        if values:
            found["arguments"] = [self.of(each) for each in values]
        if not named.keys() <= self._strings:
            raise CannotKeep("a keyword that the project's source does not spell out")
        if named:
            found["named"] = {name: self.of(each) for name, each in named.items()}
        return found

    def _count(self, value: Any, kind: type) -> None:
        """Numbers are kept as they are, and so is the only element of an integer tensor: but not many of them."""
        torch = sys.modules.get("torch")
        single = torch is not None and isinstance(value, torch.Tensor) and value.numel() == 1
        self._numbers += kind in _NUMBERS or (single and not value.is_floating_point())
        if self._numbers > _FEW:
            raise CannotKeep(f"more than {_FEW} numbers in one call, which may be data")

    def _text(self, value: str) -> Any:
        if not value or value in self._strings:
            return value
        return {"placeholder": self._hidden.setdefault(value, len(self._hidden) + 1)}

    def _of_torch(self, value: Any, kind: type) -> Json | None:
        torch = sys.modules.get("torch")
        if torch is None:
            return None
        if isinstance(value, torch.Tensor):
            found = self.tensors.of(torch, value)
            if isinstance(found, str):
                raise CannotKeep(found)
            return found
        if kind is torch.Size:
            return {"size": list(value)}
        if kind in (torch.dtype, torch.memory_format, torch.layout):
            return {"torch": str(value).removeprefix("torch.")}
        return {"device": value.type} if kind is torch.device else None

    @staticmethod
    def _number(value: Any, kind: type) -> Any:
        """A number of numpy as Python's own; None for anything else."""
        is_number = kind.__module__ == "numpy" and any(each.__name__ == "number" for each in kind.__mro__)
        return value.item() if is_number else None

    def _compound(self, value: Any, kind: type, depth: int) -> Any:
        inner = depth + 1
        if (number := self._number(value, kind)) is not None:
            return self.of(number, inner)
        if kind is tuple:
            return {"tuple": [self.of(each, inner) for each in value]}
        if kind is set:
            return {"set": sorted((self.of(each, inner) for each in value), key=repr)}
        if kind is dict:
            return {"dict": [[self.of(key, inner), self.of(each, inner)] for key, each in value.items()]}
        if kind is defaultdict:
            return self._build(kind, [value.default_factory, dict(value)], {}, inner)
        if kind is OrderedDict:
            return self._build(kind, [list(value.items())], {}, inner)
        if kind in _PLAIN:
            return {"namespace": {name: self.of(each, inner) for name, each in vars(value).items()}}
        if kind is functools.partial:
            named = {name: self.of(each, inner) for name, each in value.keywords.items()}
            return {"partial": self.of(value.func, inner), "arguments": [self.of(each, inner) for each in value.args],
                    "named": named}  # fmt: skip
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            return {"name": self._name(value)}
        if isinstance(value, enum.Enum):
            return {"name": f"{self._name(kind)}.{value.name}"}
        return self._object(value, kind, inner)

    def _object(self, value: Any, kind: type, depth: int) -> Json:
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return self._build(kind, list(value), {}, depth)
        if (found := self._built(value)) is not None:
            return found
        if isinstance(value, dict):  # a configuration with attributes, mostly: made again of its items
            return self._build(kind, [dict(dict.items(value))], {}, depth)
        if dataclasses.is_dataclass(kind):
            fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(kind) if each.init}
            return self._build(kind, [], fields, depth)
        if not _has_constructor(kind) and hasattr(value, "__dict__"):
            found = self._build(kind, [], {}, depth)
            attributes = {name: self.of(each, depth) for name, each in vars(value).items()}
            return {**found, "attributes": attributes} if attributes else found
        raise CannotKeep(f"an object of `{kind.__module__}.{kind.__qualname__}` whose construction was not seen")

    def _build(self, kind: type, values: list[Any], named: Json, depth: int) -> Json:
        found: Json = {"build": self._name(kind)}
        if values:
            found["arguments"] = [self.of(each, depth) for each in values]
        if named:
            found["named"] = {name: self.of(each, depth) for name, each in named.items()}
        return found

    def _name(self, value: Any) -> str:
        found = self._places.name(value)
        if found is None:
            name = getattr(value, "__qualname__", type(value).__qualname__)
            raise CannotKeep(f"`{name}`, which cannot be imported by name")
        return found


def _has_constructor(kind: type) -> bool:
    return any({"__init__", "__new__"} & vars(each).keys() for each in kind.__mro__[:-1])
