"""A recorded call as the body of a probe's call, as `inputs.snippet` has them: values are drawn, all else is as it was.

Note [What a replay changes]
    Devices: everything is on the processor.  Gradients: they are taken whatever mode the call ran under.  Parameters
    are moved as for made inputs (Note [Generic values] in `snippet.py`).  A placeholder stands for a string that was
    not kept.  The module is in the mode that was recorded.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fixinplace.record.drawing import Drawing, has_tensor
from fixinplace.record.hook.bounds import tensors
from fixinplace.record.schema import REFERENCE
from fixinplace.record.store import Recording

Json = dict[str, Any]

_TAKEN = frozenset({"model", "result", "torch", "nn", "target", "prepared", "given", "partial", "SimpleNamespace"})


@dataclass(frozen=True, slots=True)
class Way:
    """How a call is replayed: in float64, with gradients for every floating input, with values between 0.1 and 0.9."""

    double: bool = False
    tracked: bool = False
    unit: bool = False


@dataclass(frozen=True, slots=True)
class Called:
    """A recorded call with where it belongs: the file by its path in the recording, the name that holds a site."""

    recording: Recording
    file: str
    name: str
    call: Json


def bodies(called: Called) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ways to replay a call; and those to try where none of them gives anything (a logarithm, a root)."""
    call = called.call
    ways = [Way(), Way(tracked=True), *([Way(double=True)] if _is_single(call) else [])]
    first, second = ([body(called, replace(way, unit=unit)) for way in ways] for unit in (False, True))
    return tuple(dict.fromkeys(first)), tuple(each for each in dict.fromkeys(second) if each not in first)


def _is_single(call: Json) -> bool:
    dtypes = {each["dtype"] for each in tensors(call)}
    return call.get("dtype", "float32") == "float32" and not dtypes & {"float16", "bfloat16", "float64", "complex128"}


def body(called: Called, way: Way) -> str:
    """One call, from its seed to what it returns; the seed depends on all the rest."""
    lines = list(_Writer(called, way).lines())
    return "\n".join([f"torch.manual_seed({zlib.crc32(repr(lines).encode()) % 10_000})", *lines])


class _Writer:
    """Writes one call."""

    def __init__(self, called: Called, way: Way) -> None:
        self._recording = called.recording
        self._call = call = called.call
        self._way = way
        self._target = called.file
        self._name = called.name
        self._imports: dict[str, str] = {}
        self._before: list[str] = []
        self._drawing = Drawing(way.double, way.tracked, way.unit, list(tensors(call)))

    def lines(self) -> Iterator[str]:
        """Imports, the object, the arguments, the call."""
        made = self._prepared() if "object" in self._call else ""
        method = f".{self._call['method']}" if "method" in self._call else ""
        function = f"model{method}" if made else f"target.{self._name}"
        passed: list[str] = []
        names: list[str] = []
        arguments: list[str] = []
        for name, value in _arguments(self._call):
            variable = self._variable(name, len(passed))
            code = self._code(value)
            if has_tensor(value):
                arguments.append(f"{variable} = {code}")
                names.append(variable)
                code = variable
            passed.append(f"{name}={code}" if name else code)
        yield from self._import_lines()
        yield from self._drawing.lines()
        yield from self._before
        if made:
            yield f"model = {made}"
        yield from arguments
        yield f"result = {function}({', '.join(passed)})"
        seen = ", ".join(f'"{name}": {name}' for name in names)
        yield f'return {{{self._model(made)}"result": result, "given": {{{seen}}}}}'

    @staticmethod
    def _model(made: str) -> str:
        return '"model": model, ' if made else ""

    def _prepared(self) -> str:
        code = self._code(self._call["object"])
        if "training" not in self._call:
            return code
        if "dtype" in self._call:
            code += f".to(torch.{self._call['dtype']})"
        options = "" if self._call["training"] else ", training=False"
        return f"prepared({code}{options}{', double=True' if self._way.double else ''})"

    def _variable(self, name: str, place: int) -> str:
        name = name or f"input_{place + 1}"
        return f"{name}_" if name in _TAKEN or name in self._imports.values() else name

    # --- names

    def _reference(self, name: str) -> str:
        """The expression for a name of the file, which imports what it needs."""
        found = REFERENCE.fullmatch(name)
        assert found is not None
        file, path, module = found["file"], found["path"], found["module"]
        if file == self._target:
            return f"target.{path}"
        if module in ("torch", "torch.nn", "builtins"):
            return path if module == "builtins" else f"{module.removeprefix('torch.')}.{path}"
        module = module or self._recording.module(file)
        return f"{self._imports.setdefault(module, self._alias(module))}.{path}"

    def _alias(self, module: str) -> str:
        alias = re.sub(r"\W", "_", module)
        taken = {*_TAKEN, *self._imports.values(), *(name for name, _ in _arguments(self._call))}
        return f"{alias}_" if alias in taken else alias

    def _import_lines(self) -> Iterator[str]:
        for module, alias in sorted(self._imports.items()):
            if all(each.isidentifier() for each in module.split(".")):
                yield f"import {module} as {alias}" if module != alias else f"import {module}"
            else:  # a script whose name no statement can say
                yield f"{alias} = __import__({module!r})"

    # --- values

    def _code(self, value: Any) -> str:
        if value is None or isinstance(value, bool | int | float | str):
            return repr(value)
        if isinstance(value, list):
            return f"[{self._joined(value)}]"
        kind = next(iter(each for each in _WRITERS if each in value))
        return str(_WRITERS[kind](self, value))

    def _joined(self, values: Sequence[Any]) -> str:
        return ", ".join(map(self._code, values))

    def _named(self, values: Json) -> list[str]:
        return [f"{name}={self._code(each)}" for name, each in values.items()]

    def _passed(self, value: Json) -> list[str]:
        return [*map(self._code, value.get("arguments", ())), *self._named(value.get("named", {}))]

    def _build(self, value: Json) -> str:
        made = f"{self._reference(value['build'])}({', '.join(self._passed(value))})"
        if not value.get("attributes"):
            return made
        name = f"made_{len(self._before) + 1}"
        attributes = [f"{name}.{each} = {self._code(inside)}" for each, inside in value["attributes"].items()]
        self._before += [f"{name} = {made}", *attributes]
        return name

    def _partial(self, value: Json) -> str:
        return f"partial({', '.join([self._code(value['partial']), *self._passed(value)])})"

    def _tuple(self, value: Json) -> str:
        items = value["tuple"]
        return f"({self._joined(items)},)" if len(items) == 1 else f"({self._joined(items)})"

    def _dict(self, value: Json) -> str:
        return "{" + ", ".join(f"{self._code(key)}: {self._code(each)}" for key, each in value["dict"]) + "}"

    def _set(self, value: Json) -> str:
        return f"{{{self._joined(value['set'])}}}" if value["set"] else "set()"

    def _tensor(self, value: Json) -> str:
        return self._drawing.code(value)


_WRITERS = {
    "tensor": _Writer._tensor,
    "float": lambda writer, value: f"float({value['float']!r})",
    "complex": lambda writer, value: f"complex({writer._joined(value['complex'])})",
    "placeholder": lambda writer, value: repr(f"text {value['placeholder']}"),
    "tuple": _Writer._tuple,
    "set": _Writer._set,
    "dict": _Writer._dict,
    "namespace": lambda writer, value: f"SimpleNamespace({', '.join(writer._named(value['namespace']))})",
    "name": lambda writer, value: writer._reference(value["name"]),
    "size": lambda writer, value: f"torch.Size({value['size']!r})",
    "torch": lambda writer, value: f"torch.{value['torch']}",
    "device": lambda writer, value: 'torch.device("cpu")',
    "same": _Writer._tensor,
    "partial": _Writer._partial,
    "build": _Writer._build,
}


def _arguments(call: Json) -> list[tuple[str, Any]]:
    """Names and values; by position the name is empty."""
    return [*(("", each) for each in call.get("arguments", ())), *call.get("named", {}).items()]
