"""What the edited file's functions return and what they do to their arguments, call by call.

A script leaves its globals, its output and its gradients.  A wrong value in a list that some function returns and the
caller drops shows in none of them, and neither does an argument that is no longer written.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import CodeType, FrameType

import torch

from fixinplace.verify import tensors
from fixinplace.verify.observe import REVERSE, Differentiation, Observer, UserCode
from fixinplace.verify.records import Records

MAX_CALLS = 32
MAX_ROWS = 50_000
_MAX_OBJECTS = 1_000
_FLAGS = (inspect.CO_VARARGS, inspect.CO_VARKEYWORDS)


class FunctionCalls:
    """Records the first `MAX_CALLS` calls of each function: `f() returned 1`, `f() argument x after call 1`.

    No call is recorded once all together have filled `MAX_ROWS` rows.
    """

    def __init__(self, records: Records, user: UserCode, differentiation: Differentiation = REVERSE) -> None:
        self._records = records
        self._differentiation = differentiation
        self._user = user
        self._names: dict[str, list[CodeType]] = {}
        self._count: dict[int, int] = {}
        self._given: dict[int, list[tuple[str, torch.Tensor]]] = {}
        self._rows = 0

    def wants(self, code: CodeType) -> bool:
        """True while calls of this function are recorded."""
        return self._count.get(id(code), 0) < MAX_CALLS and self._rows <= MAX_ROWS and not _hands_on(code)

    def begin(self, frame: FrameType) -> None:
        """Keep hold of the tensors that the function is given."""
        if self.wants(frame.f_code):
            self._given[id(frame)] = list(_tensors(frame))

    def end(self, frame: FrameType, value: object) -> None:
        """Record what is returned, and what the arguments have become."""
        given = self._given.pop(id(frame), None)
        if given is None:
            return
        before = len(self._records.rows)
        code = frame.f_code
        number = self._count[id(code)] = self._count.get(id(code), 0) + 1
        observer = Observer(self._records, self._user, _MAX_OBJECTS, True, self._differentiation)
        observer.result(value, f"{self._name(code)}() returned {number}")
        for path, tensor in given:
            reading = tensors.read(tensor).passing
            reading.facts["requires_grad"] = self._differentiation.tracked(tensor)
            fields = self._records.stored(reading)
            where = f"{self._name(code)}() argument {path} after call {number}"
            self._records.rows.append({"kind": "tensor", "path": where, "role": "argument", **fields})
        self._rows += len(self._records.rows) - before

    def _name(self, code: CodeType) -> str:
        """The qualified name, with a number where a file defines it more than once."""
        known = self._names.setdefault(code.co_qualname, [])
        if not any(each is code for each in known):
            known.append(code)
        place = next(index for index, each in enumerate(known) if each is code)
        return code.co_qualname if place == 0 else f"{code.co_qualname}#{place + 1}"


def _hands_on(code: CodeType) -> bool:
    """True for the module itself, comprehensions and lambdas, which hand their value on at once."""
    return code.co_name.startswith("<")


def _tensors(frame: FrameType) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors among the arguments and in lists, tuples and dictionaries that are arguments."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount + sum(bool(code.co_flags & flag) for flag in _FLAGS)
    variables = frame.f_locals
    for name in code.co_varnames[:count]:
        value = variables.get(name)
        if tensors.is_tensor(value):
            yield name, value
        elif isinstance(value, (list, tuple, dict)):
            items = dict.items(value) if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}[{key!r}]", item) for key, item in list(items) if tensors.is_tensor(item))
