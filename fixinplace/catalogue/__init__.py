"""What torch can write in place, and what its out-of-place calls return: looked up without importing torch.

The tables are data (`writers.json`, `results.json`), made by `python -m fixinplace.catalogue.generate` from torch's
own schemas, signatures and one sampled run; the decisions stand in `overlay.py`.  A name is the place where torch's
documentation has it: `Tensor.add_`, `torch.relu_`, `torch.nn.functional.relu(inplace=)`, `torch.nn.ReLU(inplace=)`,
`torch.add(out=)`, `torch.linalg.inv`, `Tensor.__iadd__`.
"""

from __future__ import annotations

import enum
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Form(enum.StrEnum):
    """How a writer is said out of place."""

    SAME = "same"  # counterpart takes the same arguments and gives the same dtype
    CAST = "cast"  # as SAME, but the result must be cast to the target's dtype
    CALL = "call"  # another call gives the value: `torch.zeros_like(x)` for `x.zero_()`
    VIEW = "view"  # only metadata is written; the counterpart is a view of the same elements
    RANDOM = "random"  # the elements are drawn anew: the same call on a fresh tensor like the target
    FLAG = "flag"  # the same callable without the `inplace` flag
    OUT = "out"  # the same callable without `out=`, its result bound
    OPERATOR = "operator"  # `x = x + y` for `x += y`
    STORE = "store"  # a subscript store: the form depends on the index
    NONE = "none"  # no value counterpart: `refusal` says why


class Kind(enum.StrEnum):
    """What a call returns."""

    TENSOR = "tensor"
    TENSORS = "tensors"  # tuple or list of tensors, also nested (LSTM) or with None in it (MultiheadAttention)
    EITHER = "either"  # TENSOR or TENSORS, by the arguments: `x.max()`, `x.max(1)`
    NUMBER = "number"  # int, float, bool, complex
    OTHER = "other"


class Memory(enum.StrEnum):
    """Whether a result shares storage with an argument, a parameter or a buffer."""

    FRESH = "fresh"  # never, on no path: eval mode, arguments that change nothing, conversions to the same dtype
    VIEW = "view"  # always
    MAYBE = "maybe"


class Dtype(enum.StrEnum):
    """Dtype of a result, called without `dtype=`, whose real floating operands (tensors) all have one dtype."""

    SAME = "same"  # that dtype; if the operands are integers or bools: one of those (perhaps wider)
    FLOAT = "float"  # that dtype; without a floating operand the default dtype is possible
    BOOL = "bool"
    INT = "int"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Writer:
    """One way to write a tensor in place, with the decision what to do about it.

    rule: the 1xx code of `names.py`; None for implicit mutators, which are reported by no such rule.
    counterpart: name of the callable that gives the value out of place, None if `form` says it all or nothing exists.
    refusal: name of the refusal (`names.py`) if this is never rewritten; exactly the rows of form NONE have one.
    flag_position: 0-based position of `inplace` in a call of the functional or constructor, None if keyword only.
    target_position, target_keyword: the written argument of a function form (`torch.relu_(x)`, `relu_(input=x)`).
    shared: names of the arguments that mean the same to the counterpart, in order; empty: all of them do.
    metadata: only sizes, strides, storage or autograd state are written, no element.
    random: numbers are drawn, at least for some arguments.
    """

    name: str
    rule: str | None
    form: Form
    counterpart: str | None = None
    refusal: str | None = None
    flag_position: int | None = None
    shared: tuple[str, ...] = ()
    target_position: int | None = None
    target_keyword: str | None = None
    metadata: bool = False
    random: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What an out-of-place call gives; for a module class, what calling an instance gives.

    A callable with `inplace` or `out=` is described as called without them.
    dtype: of the result, of the first one of several.
    parts: dtypes of several results where their number is fixed (`x.topk(k)`, `x.max(1)`: same, int), else empty.
    tracked: False if no result ever requires grad unless `requires_grad=` asks for it.
    """

    name: str
    kind: Kind
    memory: Memory
    dtype: Dtype = Dtype.ANY
    parts: tuple[Dtype, ...] = ()
    tracked: bool = True


@functools.cache
def _table(file: str) -> dict[str, dict[str, Any]]:
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    rows: dict[str, dict[str, Any]] = json.loads(text)["rows"]
    return rows


@functools.cache
def writer(name: str) -> Writer | None:
    """The row of this writer; None if the catalogue does not know it (see `is_unknown_in_place`)."""
    row = _table("writers.json").get(name)
    if row is None:
        return None
    form, shared = Form(row["form"]), tuple(row.get("shared", ()))
    return Writer(name, row["rule"], form, shared=shared, **_rest(row, "rule", "form", "shared"))


@functools.cache
def result(name: str) -> Result | None:
    """What calling `name` returns; None if unknown: the caller then assumes anything."""
    row = _table("results.json").get(name)
    if row is None:
        return None
    parts = tuple(Dtype(part) for part in row.get("parts", ()))
    dtype = Dtype(row.get("dtype", "any"))
    return Result(name, Kind(row["kind"]), Memory(row["memory"]), dtype, parts, row.get("tracked", True))


def writers() -> tuple[Writer, ...]:
    """All writers, sorted by name."""
    return tuple(found for name in _table("writers.json") if (found := writer(name)) is not None)


def results() -> tuple[Result, ...]:
    """All results, sorted by name."""
    return tuple(found for name in _table("results.json") if (found := result(name)) is not None)


@functools.cache
def last_names() -> frozenset[str]:
    """The last parts of all names, `relu` for `torch.relu_`: what the file of a user may patch."""
    whole = (name.partition("(")[0].rpartition(".")[2] for file in _FILES for name in _table(file))
    return frozenset(each for name in whole for each in (name, name.removesuffix("_")))


_FILES = ("writers.json", "results.json")


def is_unknown_in_place(method: str) -> bool:
    """True for a method that is in place by its name (one trailing underscore) and that the catalogue does not know."""
    in_place = method.endswith("_") and not method.endswith("__") and len(method) > 1
    return in_place and f"Tensor.{method}" not in _table("writers.json")


def _rest(row: dict[str, Any], *done: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in done}
