"""Errors about what an object has, read: configurations, stand-ins for modules, records of inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from fixinplace.inputs import guess
from fixinplace.inputs.situation import Situation, guesses, tensors
from fixinplace.inputs.values import (
    Argument,
    Build,
    Code,
    Literal,
    Path,
    Recipe,
    Record,
    Series,
    Tensor,
    Value,
    key,
    put,
    walk,
)

_ATTRIBUTE = re.compile(r"'(?:types\.)?(\w+)' object has no attribute '(\w+)'")


def fields(situation: Situation) -> Iterator[Recipe]:
    """A configuration lacks an attribute or a key: it is given one, or becomes a dictionary or an object."""
    message, kind = situation.fault.message, situation.fault.type
    found = _ATTRIBUTE.search(message)
    wanted = found[2] if found is not None and found[1] == "SimpleNamespace" else ""
    if kind == "KeyError":
        wanted = message.strip("'\"")
    style = "dict" if kind == "KeyError" else "object"
    records = [(path, each) for path, each in walk(situation.recipe) if isinstance(each, Record)]
    records.sort(key=lambda each: (key(each[0]) not in situation.fault.blamed, -len(each[0])))
    for path, record in records:
        if found is not None and found[1] == "dict" and record.style == "dict":
            yield put(situation.recipe, path, replace(record, style="object"))
        if wanted in ("get", "items", "keys", "values", "copy", "pop") or "SimpleNamespace' object is not" in message:
            yield put(situation.recipe, path, replace(record, style="dict"))
        elif wanted and record.style == style and wanted not in {each.name for each in record.fields}:
            for value in _field_values(situation, path, wanted)[:3]:
                yield put(situation.recipe, (*path, wanted), value)


def attributes(situation: Situation) -> Iterator[Recipe]:
    """A module lacks an attribute: one of a class whose objects have it, or a stand-in that is given it."""
    found = _ATTRIBUTE.search(situation.fault.message)
    if found is None:
        return
    if found[2] in _TABLE and found[1] in ("Tensor", "FakeTensor", "list", "tuple", "int"):
        yield from tables(situation)
    elif found[1] in ("Tensor", "FakeTensor", "list", "tuple"):
        yield from _objects(situation, found[2])
    having = [name for name, names in situation.knowledge.attributes.items() if found[2] in names]
    for path, value in situation.places():
        if not isinstance(value, (Code, Build)) or found[1] not in value.code:
            continue
        for name in having[:3]:
            yield put(situation.recipe, path, Build(f"target.{name}"))
        known = value.arguments if isinstance(value, Build) and value.callee == "Passing" else ()
        values = guesses(found[2], "", situation.knowledge)
        for other in dict.fromkeys((*values[:2], Literal(True), Literal(False))):
            yield put(situation.recipe, path, Build("Passing", (*known, Argument(found[2], other))))


_TABLE = ("items", "keys", "values", "get", "pop", "update", "setdefault")
_ENTRIES = ("first", "second")


def tables(situation: Situation) -> Iterator[Recipe]:
    """A dictionary in place of a tensor, a list or a number, with the keys that the code asks for, or two."""
    for path, value in situation.places():
        if len(path) == 2 and isinstance(value, (Tensor, Series, Literal)):
            names = situation.knowledge.keyed.get(key(path), _ENTRIES)
            inside = value if path[0] == "call" or isinstance(value, Series) else Series((Literal(2),) * 3)
            yield put(situation.recipe, path, Record(tuple(Argument(each, inside) for each in names), "dict"))


def sparse(situation: Situation) -> Iterator[Recipe]:
    """A tensor is asked for its `values()`, which only sparse ones have: it is meant to be a dictionary."""
    if "expected sparse tensor layout" in situation.fault.message:
        yield from tables(situation)


_MODULE = ("apply", "buffers", "children", "eval", "modules", "named_modules", "named_parameters", "parameters",
           "state_dict", "train", "zero_grad")  # fmt: skip


def _objects(situation: Situation, name: str) -> Iterator[Recipe]:
    """A tensor stands where an object with an attribute is meant: a module, or a record of inputs."""
    for path, value in situation.places():
        if path[0] == "call" and isinstance(value, (Tensor, Series)) and len(path) == 2:
            if name in _MODULE:
                yield put(situation.recipe, path, Code("Passing()"))
            else:
                inside = tensors(name, "", situation.knowledge)[0]
                yield put(situation.recipe, path, Record((Argument(name, inside),)))


def _field_values(situation: Situation, path: Path, name: str) -> list[Value]:
    inside = tuple(situation.knowledge.strings.get(name, ()))
    values = [Literal(each) for each in inside] + list(guesses(name, "", situation.knowledge))
    if path[0] == "call" and not guess.widths(name):
        values = [*values[:1], Tensor(guess.SHAPES[3]), *values[1:]]
    return values
