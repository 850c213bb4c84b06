"""What torch says about itself: schemas, names and signatures.  Imports torch; used by the generator and its tests."""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import FunctionSchema

NAMESPACES: tuple[tuple[str, Any, str], ...] = (
    ("Tensor", torch.Tensor, ""),
    ("torch", torch, ""),
    ("torch.nn.functional", torch.nn.functional, ""),
    ("torch.special", torch.special, "special_"),
    ("torch.linalg", torch.linalg, "linalg_"),
    ("torch.fft", torch.fft, "fft_"),
)
"""Public name, object, and the prefix that its operators have in the dispatcher."""


@dataclass(frozen=True)
class Operator:
    """All overloads of one dispatcher operator, `out=` forms apart.

    composite: some overload is made of other operators in C++, so that its schema promises nothing about memory.
    """

    schemas: tuple[FunctionSchema, ...]
    has_out: bool
    composite: bool

    def returns(self) -> set[str]:
        """Types that the overloads return, each as text: `Tensor`, `Tensor[]`, `Tensor,Tensor`, `int`."""
        return {",".join(str(r.type) for r in s.returns) for s in self.schemas}

    def aliases(self) -> set[bool]:
        """Whether the result is annotated as sharing memory, over all overloads."""
        return {any(r.alias_info is not None for r in s.returns) for s in self.schemas}

    def takes_tensor(self) -> bool:
        """True if some overload has a tensor (or a list of tensors) among its arguments."""
        return any("Tensor" in str(a.type) for s in self.schemas for a in s.arguments)

    def writes(self) -> bool:
        """True if some overload is annotated as writing an argument."""
        return any(a.alias_info is not None and a.alias_info.is_write for s in self.schemas for a in s.arguments)


@functools.cache
def operators() -> dict[str, Operator]:
    """The `aten` operators by name, as the dispatcher knows them: what exists in TorchScript alone is left out."""
    grouped: dict[str, list[FunctionSchema]] = defaultdict(list)
    for schema in torch._C._jit_get_all_schemas():
        if schema.name.startswith("aten::") and torch._C._dispatch_has_kernel(_qualified(schema)):
            grouped[schema.name.removeprefix("aten::")].append(schema)
    return {name: _operator(found) for name, found in grouped.items()}


def _operator(found: list[FunctionSchema]) -> Operator:
    plain = tuple(s for s in found if not any(a.is_out for a in s.arguments))
    return Operator(plain, len(plain) < len(found), any(_composite(s) for s in plain))


def _qualified(schema: FunctionSchema) -> str:
    return f"{schema.name}.{schema.overload_name}" if schema.overload_name else schema.name


def _composite(schema: FunctionSchema) -> bool:
    key = "CompositeImplicitAutograd"
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(_qualified(schema), key))


def operator(namespace: str, name: str) -> Operator | None:
    """The dispatcher operator behind a public builtin; None for Python functions that only share its name."""
    owner, prefix = next((owner, prefix) for spelled, owner, prefix in NAMESPACES if spelled == namespace)
    if inspect.isfunction(getattr(owner, name)):
        return None
    return operators().get(prefix + name)


def callables(owner: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions and methods of a namespace with their names, classes and modules left out, sorted."""
    for name in dir(owner):
        found = getattr(owner, name)
        if callable(found) and not inspect.isclass(found) and not isinstance(found, ModuleType):
            yield name, found


def in_place(name: str) -> bool:
    """True for a name with one trailing underscore: torch's convention for writing the first argument."""
    return name.endswith("_") and not name.endswith("__") and len(name) > 1


def position(function: Callable[..., Any], parameter: str) -> int | None:
    """0-based position of a parameter in a call (`self` of a constructor not counted), None if keyword only."""
    parameters = inspect.signature(function).parameters
    found = parameters[parameter]
    return None if found.kind is inspect.Parameter.KEYWORD_ONLY else list(parameters).index(parameter)


def parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Parameter names of a Python callable; empty for builtins that do not say."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # builtins without a text signature
        return ()


def modules() -> Iterator[tuple[str, type[torch.nn.Module]]]:
    """Public module classes of `torch.nn` by name, sorted."""
    for name in dir(torch.nn):
        found = getattr(torch.nn, name)
        if inspect.isclass(found) and issubclass(found, torch.nn.Module):
            yield name, found
