"""Everything observable at the end of a run, by path: tensors, plain values, containers, modules, optimizers, objects.

Nothing of the user's is called: attributes are read from `__dict__` and from slots, dictionaries and sequences through
the built-in types' own methods, so that properties and overrides stay asleep.
"""

from __future__ import annotations

import collections
import enum
import functools
import random
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch

from fixinplace.trace.caches import is_cache, kept
from fixinplace.verify import tensors
from fixinplace.verify.jobs import Json
from fixinplace.verify.ownership import is_foreign
from fixinplace.verify.records import Records

MAX_OBJECTS = 50_000
MAX_DEPTH = 40

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_INPLACE = re.compile(r"(?:, )?\binplace=(?:True|False)")
_PLAIN = (type(None), bool, int, float, complex, str, bytes, range, slice, enum.Enum, torch.dtype, torch.device)
_PLAIN_TORCH = (torch.layout, torch.memory_format, torch.Size)
_FLAG = (".inplace", "['inplace']")
_PARAMETER = torch.nn.Parameter
_MODULE_OWN = frozenset(vars(torch.nn.Module())) - {"training"}
_OPEN_STDLIB = frozenset({"collections", "types", "argparse", "dataclasses"})
_OPTIMIZER_SKIPPED = frozenset({"defaults", "state", "param_groups", "step"})


def neutral(text: str) -> str:
    """`text` without memory addresses, and without the `inplace` flags of printed modules, which are what is edited."""
    return _INPLACE.sub("", _ADDRESS.sub("0x", text))


class UserCode:
    """Tells the user's files from the interpreter's and from installed packages."""

    def __init__(self, *edited: str) -> None:
        self._homes = tuple(f"{Path(path).parent}/" for path in edited if is_foreign(path))

    def owns(self, path: str) -> bool:
        """True if code in this file is the user's."""
        return not is_foreign(path) or path.startswith(self._homes)

    def modules(self, before: frozenset[str]) -> list[types.ModuleType]:
        """The user's modules that were imported since the names `before` were all there was."""
        new = [(name, module) for name, module in sys.modules.items() if name not in before]
        files = [(module, getattr(module, "__file__", None)) for _, module in sorted(new)]
        return [module for module, file in files if isinstance(file, str) and self.owns(file)]


class Differentiation(Protocol):
    """How to tell what a gradient would flow through; forward mode knows it by other marks than reverse mode."""

    def tracked(self, tensor: torch.Tensor) -> bool:
        """True for what requires grad."""
        ...

    def computed(self, tensor: torch.Tensor) -> bool:
        """True for the tracked result of an operation."""
        ...


class Reverse:
    """What the tensors themselves say."""

    def tracked(self, tensor: torch.Tensor) -> bool:
        """Its `requires_grad`."""
        return tensors.tracked(tensor)

    def computed(self, tensor: torch.Tensor) -> bool:
        """It has a `grad_fn` and a dtype with gradients."""
        return tensors.is_differentiable(tensor)


REVERSE = Reverse()


class Observer:
    """Walks objects by path and writes one record each; a second way to the same object is recorded as a reference.

    limit: number of objects that are looked at. passing: the objects will not live until the end of the run, so that
    where they lie in memory says nothing. differentiation: how to tell what is tracked.
    """

    def __init__(
        self,
        records: Records,
        user: UserCode,
        limit: int = MAX_OBJECTS,
        passing: bool = False,
        differentiation: Differentiation = REVERSE,
    ) -> None:
        self._records = records
        self._limit = limit
        self._passing = passing
        self._differentiation = differentiation
        self._user = user
        self._seen: dict[int, tuple[str, object]] = {}
        self._count = 0
        self.tracked: list[tuple[str, torch.Tensor]] = []
        self.named: dict[int, str] = {}
        self.notes: list[str] = []

    def result(self, value: object, path: str) -> None:
        """What a callable returned."""
        self._visit(value, path, "value", 0)

    def variables(self, values: dict[str, object], function: str) -> None:
        """The variables of a function that was running when the run was ended."""
        for name, value in values.items():
            self._visit(value, f"{name} in {function}()", "value", 0)

    def script(self, module: types.ModuleType) -> None:
        """The globals of a script, by their names."""
        self._globals(module, "", "value")

    def module(self, module: types.ModuleType, folded: bool = False) -> None:
        """The globals of another module of the user's, behind its name.

        folded: large tables of plain values become one record each, see Note [Folded tables] in `records`.
        """
        self._globals(module, module.__name__ + ".", "state", folded)

    def _globals(self, module: types.ModuleType, prefix: str, role: str, folded: bool = False) -> None:
        for name, value in list(vars(module).items()):
            if not name.startswith("__"):
                first = len(self._records.rows)
                self._visit(value, prefix + name, role, 0)
                if folded:
                    self._records.fold(first)

    def _visit(self, value: object, path: str, role: str, depth: int) -> None:
        if isinstance(value, types.ModuleType):
            return
        self._count += 1
        if self._count > self._limit or depth > MAX_DEPTH:
            self._bounded(path)
        elif tensors.is_tensor(value):
            self._tensor(value, path, role)
        elif isinstance(value, _PLAIN + _PLAIN_TORCH) or (type(value).__module__ == "numpy" and _is_scalar(value)):
            self._plain(value, path, role)
        elif type(value).__module__ == "numpy" and hasattr(value, "__array_interface__"):
            self._array(value, path, role)
        else:
            self._compound(value, path, role, depth)

    def _bounded(self, path: str) -> None:
        if not any(note.startswith("only the first") for note in self.notes):
            self.notes.append(f"only the first {self._limit} objects to depth {MAX_DEPTH} are compared, up to {path}")

    def _row(self, kind: str, path: str, role: str, fields: Json) -> None:
        self._records.rows.append({"kind": kind, "path": path, "role": role, **fields})

    def _tensor(self, tensor: torch.Tensor, path: str, role: str) -> None:
        self.named.setdefault(id(tensor), path)
        role = "state" if isinstance(tensor, _PARAMETER) else role
        reading = tensors.read(tensor)
        reading.facts["requires_grad"] = self._differentiation.tracked(tensor)
        fields = self._records.stored(reading.passing if self._passing else reading)
        parts = tensors.parts(tensor)
        self._row("tensor", path, role, {key: fields[key] for key in fields if key != "unread"} if parts else fields)
        for name, part in parts:
            self._row("tensor", f"{path}.{name}", role, self._records.stored(tensors.read(part)))
        if self._differentiation.computed(tensor):
            self.tracked.append((path, tensor))
        if (gradient := tensors.gradient_of(tensor)) is not None:
            stored = self._records.stored(tensors.read(gradient, dense=True))
            self._row("tensor", f"{path}.grad", "gradient", {**stored, "key": id(tensor)})

    def _array(self, array: Any, path: str, role: str) -> None:
        if array.dtype.hasobject:
            self._compound(array.tolist(), path, role, 0)
            return
        reading = tensors.read_array(array)
        self._row("tensor", path, role, self._records.stored(reading.passing if self._passing else reading))

    def _plain(self, value: object, path: str, role: str) -> None:
        text = neutral(_text(value))
        number = isinstance(value, (float, complex))
        self._row("plain", path, role, {"type": type(value).__qualname__, "text": text, "number": number})

    def _compound(self, value: object, path: str, role: str, depth: int) -> None:
        if id(value) in self._seen:
            self._row("reference", path, role, {"to": self._seen[id(value)][0]})
            return
        if not isinstance(value, tuple):
            self._seen[id(value)] = (path, value)
        if isinstance(value, (torch.nn.Module, torch.optim.Optimizer)):
            role = "state"
        items = list(self._items(value, path))
        opened = bool(items) or isinstance(value, (dict, list, tuple, collections.deque))
        kind = "container" if opened else "opaque"
        length = len(items) if isinstance(value, (list, tuple, collections.deque)) else -1
        if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            self._row(kind, path, role, {"type": type(value).__qualname__, "length": length})
        for step, item in items:
            if step in _FLAG and isinstance(item, bool):
                continue  # the flag is what is edited; whether it matters shows in the values
            self._visit(item, path + step, role, depth + 1)

    def _items(self, value: object, path: str) -> Iterator[tuple[str, object]]:
        if isinstance(value, dict):
            yield from _of_dict(value)
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            yield from ((f".{name}", item) for name, item in zip(value._fields, value, strict=False))
        elif isinstance(value, (list, tuple, collections.deque)):
            yield from ((f"[{index}]", item) for index, item in enumerate(list(value)))
        elif isinstance(value, (set, frozenset)):
            yield from _of_set(value)
        elif isinstance(value, type):
            yield from self._of_class(value)
        elif isinstance(value, types.FunctionType):
            yield from self._of_function(value)
        elif isinstance(value, types.MethodType):
            yield ".__self__", value.__self__
        elif isinstance(value, functools.partial):
            yield from ((".func", value.func), (".args", value.args), (".keywords", value.keywords))
        elif is_cache(value):
            yield from ((f".<cached {index}>", item) for index, item in enumerate(kept(value)))
        elif isinstance(value, torch.Generator):
            yield ".state", value.get_state()
        elif isinstance(value, random.Random):
            yield ".state", random.Random.getstate(value)
        elif isinstance(value, torch.nn.Module):
            yield from _of_module(value)
        elif isinstance(value, torch.optim.Optimizer):
            yield from _of_optimizer(value)
        else:
            yield from self._of_object(value)

    def _of_class(self, cls: type) -> Iterator[tuple[str, object]]:
        module = sys.modules.get(cls.__module__)
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and self._user.owns(file):
            for name, item in list(vars(cls).items()):
                if not name.startswith("__") and not isinstance(item, (property, staticmethod, classmethod)):
                    yield f".{name}", item

    def _of_function(self, function: types.FunctionType) -> Iterator[tuple[str, object]]:
        wrapped = getattr(function, "__wrapped__", None)
        if not self._user.owns(function.__code__.co_filename):
            if isinstance(wrapped, types.FunctionType):  # `@torch.no_grad()` keeps what it decorates there
                yield from self._of_function(wrapped)
            return
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
            try:
                yield f".<{name}>", cell.cell_contents
            except ValueError:  # the cell is still empty
                continue
        for index, item in enumerate(function.__defaults__ or ()):
            yield f".<default {index}>", item

    def _of_object(self, value: object) -> Iterator[tuple[str, object]]:
        cls = type(value)
        top = cls.__module__.partition(".")[0]
        if top in sys.stdlib_module_names and top not in _OPEN_STDLIB and not issubclass(cls, Exception):
            return
        if issubclass(cls, BaseException):
            yield ".args", value.args  # type: ignore[attr-defined]
        own = getattr(value, "__dict__", None)
        if isinstance(own, dict):
            yield from ((f".{name}", item) for name, item in list(own.items()) if isinstance(name, str))
        for slot in _slots(cls):
            try:
                yield f".{slot.__name__}", slot.__get__(value, cls)
            except AttributeError:  # an unset slot
                continue


def _text(value: object) -> str:
    """`repr` as the built-in type itself writes it, not as a subclass does."""
    if isinstance(value, enum.Enum):
        return str(vars(value).get("_name_"))
    base = next((base for base in (bool, int, float, complex, str, bytes) if isinstance(value, base)), None)
    return repr(value) if base is None else base.__repr__(value)


def _is_scalar(value: object) -> bool:
    return any(base.__name__ == "generic" for base in type(value).__mro__)


def _slots(cls: type) -> Iterator[Any]:
    for base in cls.__mro__:
        yield from (item for item in vars(base).values() if isinstance(item, types.MemberDescriptorType))


def _of_dict(value: dict[Any, Any]) -> Iterator[tuple[str, object]]:
    for index, (key, item) in enumerate(list(dict.items(value))):
        parts = key if type(key) is tuple else (key,)
        named = all(isinstance(part, _PLAIN) for part in parts)
        text = ", ".join(_text(part) for part in parts) if named else ""
        yield (f"[{neutral(text)}]" if named else f"[key {index}]"), item


def _of_set(value: set[Any] | frozenset[Any]) -> Iterator[tuple[str, object]]:
    plain = sorted(neutral(_text(item)) for item in value if isinstance(item, _PLAIN))
    yield ".members", tuple(plain)
    yield ".others", len(value) - len(plain)


def _of_module(module: torch.nn.Module) -> Iterator[tuple[str, object]]:
    own = vars(module)
    if isinstance(module, torch.jit.ScriptModule):
        yield from ((f".{name}", item) for name, item in module.state_dict(keep_vars=True).items())
        return
    for table in ("_parameters", "_buffers", "_modules"):
        yield from ((f".{name}", item) for name, item in list(own.get(table, {}).items()))
    yield from ((f".{name}", item) for name, item in list(own.items()) if name not in _MODULE_OWN)


def _of_optimizer(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, object]]:
    own = vars(optimizer)
    yield ".param_groups", own.get("param_groups")
    order = [id(each) for group in own.get("param_groups", ()) for each in group["params"]]
    for key, state in list(own.get("state", {}).items()):
        place = str(order.index(id(key))) if id(key) in order else "?"
        yield f".state[{place}]", state
    for name, item in list(own.items()):
        if name not in _OPTIMIZER_SKIPPED and not name.startswith("_"):
            yield f".{name}", item
