"""The leaves that a backward reaches, and names for them that hold in both versions of a program."""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Sequence
from typing import Any

import torch

from fixinplace.verify import tensors
from fixinplace.verify.observe import UserCode

_MAX_OBJECTS = 4_000
_MAX_DEPTH = 8


def accumulators(outputs: Sequence[Any]) -> list[Any]:
    """`AccumulateGrad` nodes below tensors or gradient edges, in depth-first order."""
    todo = [node for node in map(_node, outputs) if node is not None]
    todo.reverse()
    seen: dict[int, Any] = {}
    found = []
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen[id(node)] = node  # a node that is not held gives its id to the next one
        if type(node).__name__ == "AccumulateGrad":
            found.append(node)
        todo += [below for below, _ in reversed(node.next_functions) if below is not None]
    return found


def leaf_roots(outputs: Sequence[Any]) -> list[torch.Tensor]:
    """Roots that are leaves themselves: the engine fills them without any node that we could see."""
    return [each for each in outputs if tensors.is_tensor(each) and tensors.grad_fn(each) is None]


def _node(output: Any) -> Any:
    return tensors.grad_fn(output) if tensors.is_tensor(output) else output.node


class LeafNames:
    """Names leaves after the first path on which user code holds them: `main.w`, `train.model.fc.weight`.

    A rewritten program keeps its names, so that a leaf is found again in the other version by its own.
    """

    def __init__(self, user: UserCode) -> None:
        self._user = user
        self._known: dict[int, tuple[weakref.ref[torch.Tensor], str | None]] = {}

    def of(self, leaves: list[torch.Tensor]) -> list[str | None]:
        """The name of each leaf; None for one that nobody's variables lead to."""
        unknown = {id(leaf): leaf for leaf in leaves if not self._is_known(leaf)}
        if unknown:
            found = self._search(set(unknown))
            for key, leaf in unknown.items():
                self._known[key] = (weakref.ref(leaf), found.get(key))
        return [self._known[id(leaf)][1] for leaf in leaves]

    def _is_known(self, leaf: torch.Tensor) -> bool:
        known = self._known.get(id(leaf))
        return known is not None and known[0]() is leaf

    def _search(self, wanted: set[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        frame = sys._getframe()
        scopes: list[tuple[str, dict[str, Any]]] = []
        while frame := frame.f_back:  # type: ignore[assignment]
            if self._user.owns(frame.f_code.co_filename):
                scopes.append((frame.f_code.co_name, dict(frame.f_locals)))
        for name, variables in scopes:
            prefix = "" if name == "<module>" else f"{name}."
            _search_scope(variables, prefix, wanted, found)
            if wanted <= found.keys():
                break
        return found


def _search_scope(variables: dict[str, Any], prefix: str, wanted: set[int], found: dict[int, str]) -> None:
    todo: list[tuple[str, Any, int]] = [(prefix + name, value, 0) for name, value in variables.items()]
    seen: set[int] = set()
    for path, value, depth in todo:  # grows while it is walked: breadth first, so that the shortest path wins
        if id(value) in seen or len(seen) > _MAX_OBJECTS:
            continue
        seen.add(id(value))
        if tensors.is_tensor(value):
            if id(value) in wanted:
                found.setdefault(id(value), path)
        elif depth < _MAX_DEPTH:
            todo += [(path + step, item, depth + 1) for step, item in _inside(value)]


def _inside(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"[{key!r}]", item) for key, item in list(dict.items(value)) if isinstance(key, (str, int))]
    if isinstance(value, (list, tuple)):
        return [(f"[{index}]", item) for index, item in enumerate(list(value))]
    if isinstance(value, torch.nn.Module):
        own = vars(value)
        tables = [own.get(name, {}) for name in ("_parameters", "_modules")]
        return [(f".{name}", item) for table in tables for name, item in list(table.items())]
    if isinstance(value, (types.ModuleType, type, types.FunctionType)):
        return []
    attributes: object = getattr(value, "__dict__", None)
    return [(f".{name}", item) for name, item in list(attributes.items())] if type(attributes) is dict else []
