"""What a file of recorded calls may hold, checked before anything is made of it: a replay is Python made from data.

Names must be identifiers, dtypes known, sizes whole numbers; so nothing that a file says becomes code of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from fixinplace.record.hook.bounds import parts

Json = dict[str, Any]

FLOATS = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
_IDENTIFIER = r"[^\W\d]\w*"
_DOTTED = rf"{_IDENTIFIER}(?:\.{_IDENTIFIER})*"
REFERENCE = re.compile(rf"(?P<file>[^:]+\.py|(?P<module>{_DOTTED})):(?P<path>{_DOTTED})")
"""`pkg/net.py:Net` or `torch.nn:Linear`."""
_TORCH = re.compile(_IDENTIFIER)
_CALL = {"object", "method", "training", "dtype", "grad_mode", "arguments", "named"}
_KINDS: dict[str, frozenset[str]] = {  # the first key that is there tells what a value is
    "tensor": frozenset(
        {"dtype", "stride", "device", "grad", "parameter", "low", "high", "number", "memory", "offset"}
    ),
    "float": frozenset(),
    "complex": frozenset(),
    "placeholder": frozenset(),
    "tuple": frozenset(),
    "set": frozenset(),
    "dict": frozenset(),
    "namespace": frozenset(),
    "name": frozenset(),
    "size": frozenset(),
    "torch": frozenset(),
    "device": frozenset(),
    "same": frozenset(),
    "partial": frozenset({"arguments", "named"}),
    "build": frozenset({"arguments", "named", "attributes"}),
}


class Wrong(ValueError):
    """Something that no recording holds; the message says what."""


def check_call(call: object) -> None:
    """Raise Wrong for what is no recorded call."""
    if not isinstance(call, dict) or not call.keys() <= _CALL:
        raise Wrong("a call that is none")
    _want("object" in call or "method" not in call, "a method of no object")
    if "object" in call:
        _want(isinstance(call["object"], dict) and "build" in call["object"], "an object without its construction")
        _check(call["object"])
        _want(type(call.get("training", True)) is bool, "a `training` that is neither true nor false")
    for key, known in (("method", _is_identifier), ("dtype", _is_dtype)):
        _want(key not in call or known(call[key]), f"a `{key}` that is none")
    _arguments(call)
    _want(set(_found(call, "same")) <= set(_found(call, "number")), "a tensor that came before and did not")


def _found(value: Any, key: str) -> Iterator[Any]:
    """What a part of a call has under a key, wherever."""
    if isinstance(value, dict) and key in value:
        yield value[key]
    for each in parts(value):
        yield from _found(each, key)


def _want(condition: bool, what: str) -> None:
    if not condition:
        raise Wrong(what)


def _is_identifier(value: object) -> bool:
    return isinstance(value, str) and value.isidentifier()


def _is_dtype(value: object) -> bool:
    return value in (*FLOATS, *INTEGERS, "bool")


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def _arguments(holder: Json) -> None:
    given, named = holder.get("arguments", []), holder.get("named", {})
    _want(isinstance(given, list) and isinstance(named, dict), "arguments that are none")
    _want(all(map(_is_identifier, named)), "an argument whose name is none")
    for each in (*given, *named.values()):
        _check(each)


def _check(value: Any) -> None:
    """Raise Wrong for what is no description of a value."""
    if value is None or isinstance(value, bool | int | float | str):
        return
    if isinstance(value, list):
        for each in value:
            _check(each)
        return
    _want(isinstance(value, dict), "a value that is none")
    kind = next((each for each in _KINDS if each in value), "")
    _want(bool(kind) and value.keys() - {kind} <= _KINDS[kind], f"a value with the keys {', '.join(sorted(value))}")
    _CHECKS.get(kind, _check_items)(value)


def _check_items(value: Json) -> None:
    (inside,) = value.values()
    _want(isinstance(inside, list), "a value whose parts are no list")
    _check(inside)


def _check_dict(value: Json) -> None:
    _check_items(value)
    _want(all(isinstance(each, list) and len(each) == 2 for each in value["dict"]), "a dictionary that is none")


def _check_namespace(value: Json) -> None:
    inside: Any = value.get("namespace", value.get("attributes", {}))
    _want(isinstance(inside, dict) and all(map(_is_identifier, inside)), "attributes that are none")
    for each in inside.values():
        _check(each)


def _check_name(value: Json) -> None:
    name = value.get("name", value.get("build"))
    _want(isinstance(name, str) and REFERENCE.fullmatch(name) is not None, f"`{name}`, which names nothing")


def _check_build(value: Json) -> None:
    _check_name(value)
    _arguments(value)
    _check_namespace(value)


def _check_partial(value: Json) -> None:
    _want(isinstance(value["partial"], dict), "a partial function of nothing")
    _check(value["partial"])
    _arguments(value)


def _check_tensor(value: Json) -> None:
    _want(_are_sizes(value["tensor"]) and _is_dtype(value.get("dtype")), "a tensor without shape and dtype")
    _want(_are_sizes(value.get("stride", [])), "a tensor with strides that are none")
    _want("stride" not in value or len(value["stride"]) == len(value["tensor"]), "a tensor with too few strides")
    for key in ("low", "high", "number", "memory", "offset"):
        _want(type(value.get(key, 0)) is int, f"a tensor whose `{key}` is no number")
    _want(value.get("low", 0) <= value.get("high", value.get("low", 0)), "a tensor whose bounds contradict")
    _want(value.get("grad") in (None, "leaf", "computed"), "a tensor whose `grad` is neither leaf nor computed")
    _want("memory" not in value or ("stride" in value and value.get("offset", -1) >= 0), "shared memory without place")


def _of_type(key: str, *types: type) -> Callable[[Json], None]:
    def check(value: Json) -> None:
        _want(type(value[key]) in types, f"a `{key}` that is none")

    return check


def _check_word(value: Json) -> None:
    (word,) = value.values()
    _want(isinstance(word, str) and _TORCH.fullmatch(word) is not None, "a word that is none")


def _check_float(value: Json) -> None:
    _want(value["float"] in ("inf", "-inf", "nan"), "a number that is none")


def _check_size(value: Json) -> None:
    _want(_are_sizes(value["size"]), "a size that is none")


def _check_complex(value: Json) -> None:
    _check_items(value)
    _want(len(value["complex"]) == 2, "a complex number that is none")


_CHECKS: dict[str, Callable[[Json], None]] = {
    "float": _check_float,
    "complex": _check_complex,
    "placeholder": _of_type("placeholder", int),
    "same": _of_type("same", int),
    "dict": _check_dict,
    "namespace": _check_namespace,
    "name": _check_name,
    "build": _check_build,
    "partial": _check_partial,
    "tensor": _check_tensor,
    "torch": _check_word,
    "size": _check_size,
    "device": _check_word,
}
