"""Parts of a `Sequential` that is called: where they stand, which may be the last, what one of several returns."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass

from fixinplace.detect.kinds import Kind
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import NOWHERE, Value, chained, join, options, spelled
from fixinplace.walking import walk

_REPEATABLE = ("torch.nn.ReLU", "torch.nn.ReLU6", "torch.nn.Hardtanh")
"""Modules that leave what they have made as it is, and pass its gradient on."""


@dataclass(frozen=True, slots=True)
class Within:
    """Where a part stands in the Sequential that is called: how it is reached, and if the call returns its argument.

    path: None once a part is not the first of those around it.
    """

    path: str | None
    whole: bool

    def part(self, number: int) -> Within:
        """The same for one of the parts."""
        return Within(f"{self.path}[0]" if number == 0 and self.path is not None else None, self.whole)

    def head(self, part: Value) -> str | None:
        """The text that calls the part before the whole, see `Call`."""
        return self.path if part.name in _REPEATABLE else None


_RUNS = (ast.Call, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)


def is_again(node: ast.expr) -> bool:
    """True for what means the same object when it is written once more: `self.body`, and not `build(4)`."""
    return not any(isinstance(one, _RUNS) for one in walk(node))


def hands_back(module: Value) -> bool:
    """True for a module that returns what it is given: an in-place one, a Sequential of such."""
    return all(map(hands_back, module.items)) if module.items else bool(module.flags) and module.order is None


def lasts(part: Value) -> Iterator[Value]:
    """The modules that may be the last one to be called."""
    inner = chained(part) if part.name == "torch.nn.Sequential" else None
    ends = inner.lasts if inner is not None else options(part)
    for one in sorted(ends, key=spelled):
        yield from (one,) if one is part else lasts(one)
    if not ends:
        yield part


def some(results: list[Value], arguments: list[Value]) -> Value:
    """What one of several modules returns: that one of them hands on what it is given is no rule, but it may be."""
    result = functools.reduce(join, results)
    always = functools.reduce(frozenset.intersection, (one.memory for one in results))
    handed = NOWHERE.union(*(one.memory for one in arguments)) - always
    return replace(result, memory=result.memory - handed, maybe=result.maybe | (result.memory & handed))


def perhaps_in_place(function: Value) -> Value:
    """A callable that may be one of several in-place modules, or something else."""
    return Value(Kind.MODULE, 1, flags=function.flags)
