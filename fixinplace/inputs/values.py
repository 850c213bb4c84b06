"""Descriptions of arguments, which print as Python; and the places of a recipe at which one may be exchanged."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal as OneOf

Kind = OneOf["float", "unit", "index", "bool"]
"""What a tensor holds: normal numbers, numbers between 0.1 and 0.9, integers below a bound, truth values."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a string, a truth value or None."""

    value: int | float | str | bool | None

    @property
    def code(self) -> str:
        """As Python."""
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class Code:
    """An expression over `torch`, `nn`, the module `target` that is run, and the helpers of a snippet."""

    code: str


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of generic values: no two alike where its kind allows, seeded.  high: bound of an index tensor."""

    shape: tuple[int, ...]
    kind: Kind = "float"
    high: int = 2

    @property
    def code(self) -> str:
        """As Python; the default dtype is the floating one."""
        shape = repr(self.shape)
        return {
            "float": f"torch.randn({shape})",
            "unit": f"torch.rand({shape}) * 0.8 + 0.1",
            "index": f"torch.randint(0, {self.high}, {shape})",
            "bool": f"torch.rand({shape}) > 0.3",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Series:
    """A list or a tuple."""

    items: tuple[Value, ...]
    listed: bool = True

    @property
    def code(self) -> str:
        """As Python."""
        inside = ", ".join(item.code for item in self.items)
        if self.listed:
            return f"[{inside}]"
        return f"({inside},)" if len(self.items) == 1 else f"({inside})"


@dataclass(frozen=True, slots=True)
class Record:
    """A configuration: an object with attributes, or a dictionary."""

    fields: tuple[Argument, ...] = ()
    style: OneOf["object", "dict"] = "object"

    @property
    def code(self) -> str:
        """As Python."""
        if self.style == "dict":
            return "{" + ", ".join(f"{each.name!r}: {each.value.code}" for each in self.fields) + "}"
        return f"SimpleNamespace({_arguments(self.fields)})"


@dataclass(frozen=True, slots=True)
class Build:
    """A call whose arguments are made as well: `target.Block(dim=32)`."""

    callee: str
    arguments: tuple[Argument, ...] = ()

    @property
    def code(self) -> str:
        """As Python."""
        return f"{self.callee}({_arguments(self.arguments)})"


Value = Literal | Code | Tensor | Series | Record | Build


@dataclass(frozen=True, slots=True)
class Argument:
    """A value with the name it is passed by; without one it is passed by position."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to run a class or a function.

    callee: `target.Block` or `target.mix`. init: arguments of the constructor; None for what is no class.
    method: which method is called; empty for the object itself. call: arguments of the call.
    """

    callee: str
    init: tuple[Argument, ...] | None
    call: tuple[Argument, ...]
    method: str = ""


Path = tuple[str | int, ...]
"""From the root of a recipe to a value: `("init", "dim")`, `("call", "xs", 0)`."""


def _arguments(arguments: tuple[Argument, ...]) -> str:
    ordered = sorted(arguments, key=lambda each: bool(each.name))
    return ", ".join(f"{each.name}={each.value.code}" if each.name else each.value.code for each in ordered)


def walk(recipe: Recipe) -> Iterator[tuple[Path, Value]]:
    """Every value with its place, in order: the call's first, then the constructor's."""
    yield from _inside(("call",), recipe.call)
    yield from _inside(("init",), recipe.init or ())


def _inside(path: Path, arguments: tuple[Argument, ...]) -> Iterator[tuple[Path, Value]]:
    for index, each in enumerate(arguments):
        yield from _values((*path, each.name or index), each.value)


def _values(path: Path, value: Value) -> Iterator[tuple[Path, Value]]:
    yield path, value
    if isinstance(value, Series):
        for index, item in enumerate(value.items):
            yield from _values((*path, index), item)
    elif isinstance(value, Record):
        yield from _inside(path, value.fields)
    elif isinstance(value, Build):
        yield from _inside(path, value.arguments)


def put(recipe: Recipe, path: Path, value: Value) -> Recipe:
    """The recipe with another value at a place; a name that is not there yet is added."""
    if path[0] == "call":
        return replace(recipe, call=_exchanged(recipe.call, path[1:], value))
    return replace(recipe, init=_exchanged(recipe.init or (), path[1:], value))


def _exchanged(arguments: tuple[Argument, ...], path: Path, value: Value) -> tuple[Argument, ...]:
    key, rest = path[0], path[1:]
    found = next((i for i, each in enumerate(arguments) if key in (each.name or i, i)), None)
    if found is None:
        return (*arguments, Argument(str(key) if isinstance(key, str) else "", value))
    old = arguments[found]
    new = Argument(old.name, _within(old.value, rest, value) if rest else value)
    return (*arguments[:found], new, *arguments[found + 1 :])


def _within(holder: Value, path: Path, value: Value) -> Value:
    if isinstance(holder, Series):
        index = int(path[0])
        item = _within(holder.items[index], path[1:], value) if path[1:] else value
        return replace(holder, items=(*holder.items[:index], item, *holder.items[index + 1 :]))
    if isinstance(holder, Record):
        return replace(holder, fields=_exchanged(holder.fields, path, value))
    assert isinstance(holder, Build)
    return replace(holder, arguments=_exchanged(holder.arguments, path, value))


def together(recipe: Recipe, path: Path, value: Value) -> Iterator[Recipe]:
    """The recipe with another value at a place; where that is in a list of equals, first with it at all of them."""
    found = dict(walk(recipe))
    holder = found.get(path[:-1])
    if isinstance(holder, Series) and len(holder.items) > 1 and len({*holder.items}) == 1:
        yield put(recipe, path[:-1], replace(holder, items=(value,) * len(holder.items)))
    yield put(recipe, path, value)


def wherever(recipe: Recipe, path: Path, value: Value) -> Iterator[Recipe]:
    """The recipe with another value in all places of a call that hold what this one holds, if there are more."""
    found = dict(walk(recipe))
    alike = [other for other, one in found.items() if one == found[path] and other[0] == path[0] == "call"]
    if len(alike) > 1:
        yield functools.reduce(lambda made, other: put(made, other, value), alike, recipe)


def drop(recipe: Recipe, path: Path) -> Recipe:
    """The recipe without a top-level argument."""
    part = recipe.call if path[0] == "call" else recipe.init or ()
    kept = tuple(each for i, each in enumerate(part) if path[1] not in (each.name or i,))
    return replace(recipe, call=kept) if path[0] == "call" else replace(recipe, init=kept)


def key(path: Path) -> str:
    """The innermost name on the way to a value."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")
