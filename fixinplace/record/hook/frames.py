"""The arguments of a call that is about to begin, as its frame has them."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType
from typing import Any


@dataclass
class Given:
    """Named parameters by position, what `*args` took, parameters behind it, and what `**kwargs` took.

    bare: how many of the first can only be passed by position. defaults: of the parameters that have one.
    """

    positional: list[tuple[str, Any]]
    rest: tuple[Any, ...]
    keywords: dict[str, Any]
    bare: int
    defaults: dict[str, Any]

    def passed(self, skipped: int) -> tuple[list[Any], dict[str, Any]]:
        """The call again, without its first arguments: by position as far as it must be, else by name.

        What has its default is left out: it says nothing, and a default of a library may be a string that is no secret.
        """
        count = len(self.positional) if self.rest else max(self.bare, skipped)
        by_position = [value for _, value in self.positional[:count]][skipped:] + list(self.rest)
        named = {**dict(self.positional[count:]), **self.keywords}
        return by_position, {name: value for name, value in named.items() if not self._is_default(name, value)}

    def _is_default(self, name: str, value: Any) -> bool:
        if name not in self.defaults:
            return False
        default = self.defaults[name]
        return value is default or (type(value) is type(default) and type(value) in _PLAIN and bool(value == default))


_PLAIN = (bool, int, float, str, type(None))


def given(frame: FrameType) -> Given:
    """What the frame's function was called with; defaults included."""
    code, values = frame.f_code, frame.f_locals
    names, count = code.co_varnames, code.co_argcount
    positional = [(name, values[name]) for name in names[:count] if name in values]
    place = count + code.co_kwonlyargcount
    keywords = {name: values[name] for name in names[count:place] if name in values}
    rest: tuple[Any, ...] = ()
    if code.co_flags & inspect.CO_VARARGS:
        rest = values.get(names[place], ())
        place += 1
    if code.co_flags & inspect.CO_VARKEYWORDS:
        keywords.update(values.get(names[place], {}))
    this = positional[0][1] if positional else None
    return Given(positional, rest, keywords, code.co_posonlyargcount, _defaults(frame, this))


def _defaults(frame: FrameType, this: Any) -> dict[str, Any]:
    """Defaults of the function that a frame runs, if it can be found by its name."""
    code = frame.f_code
    for found in _functions(frame, this):
        names = code.co_varnames[: code.co_argcount]
        by_position = found.__defaults__ or ()
        positional = zip(names[len(names) - len(by_position) :], by_position, strict=True)
        return {**dict(positional), **(found.__kwdefaults__ or {})}
    return {}


def _functions(frame: FrameType, this: Any) -> Iterator[FunctionType]:
    code = frame.f_code
    for each in type(this).__mro__:
        yield from _with_code(vars(each).get(code.co_name), code)
    value: Any = sys.modules.get(frame.f_globals.get("__name__", ""))
    for step in code.co_qualname.split("."):
        value = inspect.getattr_static(value, step, None)
    yield from _with_code(value, code)


def _with_code(value: Any, code: CodeType) -> Iterator[FunctionType]:
    """The function itself or what it wraps, if that is what runs the code."""
    if isinstance(value, staticmethod | classmethod | functools.partial):
        value = getattr(value, "__func__", None) or getattr(value, "func", None)
    for _ in range(8):
        if isinstance(value, FunctionType) and value.__code__ is code:
            yield value
            return
        value = getattr(value, "__wrapped__", None)
