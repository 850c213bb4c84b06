"""The leaves that a backward reaches, and names for them that hold in both versions of a program.

Note [Names that hold]
    Between two versions a line may have moved, and with it the binding of a loop's variable: in one of them `main.p` is
    a parameter at the first backward, in the other nothing yet.  A path into a module says the same in both, and names
    a leaf wherever there is one; other paths on which a leaf is held are kept beside its name.
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from fixinplace.verify import tensors
from fixinplace.verify.observe import UserCode

_MAX_OBJECTS = 4_000
_MAX_DEPTH = 8
_MAX_PATHS = 4


def accumulators(outputs: Sequence[Any], passable: Callable[[Any], bool] = lambda node: True) -> list[Any]:
    """`AccumulateGrad` nodes below tensors or gradient edges, in depth-first order.

    passable: False for a node that no backward gets past.
    """
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
        if passable(node):
            todo += [below for below, _ in reversed(node.next_functions) if below is not None]
    return found


def is_whole(node: Any) -> bool:
    """False for a node whose saved tensors a backward has freed: the next one that comes to it raises."""
    for name in dir(node):
        if name.startswith("_saved_"):
            try:
                getattr(node, name)
            except RuntimeError:
                return False
    return True


def leaf_roots(outputs: Sequence[Any]) -> list[torch.Tensor]:
    """Roots that are leaves themselves: the engine fills them without any node that we could see."""
    return [each for each in outputs if tensors.is_tensor(each) and tensors.grad_fn(each) is None]


def _node(output: Any) -> Any:
    return tensors.grad_fn(output) if tensors.is_tensor(output) else output.node


class LeafNames:
    """Names leaves after the first path on which user code holds them: `main.w`, `train.model.fc.weight`.

    A rewritten program keeps its names, so that a leaf is found again in the other version; see Note [Names that hold].
    """

    def __init__(self, user: UserCode) -> None:
        self._user = user
        self._known: dict[int, tuple[weakref.ref[torch.Tensor], tuple[str, ...]]] = {}

    def of(self, leaves: list[torch.Tensor]) -> list[str | None]:
        """The name of each leaf; None for one that nobody's variables lead to."""
        return [paths[0] if paths else None for paths in self.paths(leaves)]

    def paths(self, leaves: list[torch.Tensor]) -> list[tuple[str, ...]]:
        """All names of each leaf, as of when it was first met; the best comes first."""
        unknown = {id(leaf): leaf for leaf in leaves if not self._is_known(leaf)}
        if unknown:
            found = self._search(unknown)
            for key, leaf in unknown.items():
                self._known[key] = (weakref.ref(leaf), found.get(key, ()))
        return [self._known[id(leaf)][1] for leaf in leaves]

    def _is_known(self, leaf: torch.Tensor) -> bool:
        known = self._known.get(id(leaf))
        return known is not None and known[0]() is leaf

    def _search(self, wanted: Mapping[int, torch.Tensor]) -> dict[int, tuple[str, ...]]:
        found: dict[int, dict[str, bool]] = {}
        frame = sys._getframe()
        scopes: list[tuple[str, dict[str, Any]]] = []
        while frame := frame.f_back:  # type: ignore[assignment]
            if self._user.owns(frame.f_code.co_filename):
                scopes.append((frame.f_code.co_name, dict(frame.f_locals)))
        for name, variables in scopes:
            prefix = "" if name == "<module>" else f"{name}."
            _search_scope(variables, prefix, wanted, found)
            if all(_is_named(leaf, found.get(key, {})) for key, leaf in wanted.items()):
                break
        return {key: tuple(sorted(paths, key=lambda each: not paths[each])) for key, paths in found.items()}


def _is_named(leaf: torch.Tensor, paths: Mapping[str, bool]) -> bool:
    """True if no frame further out could name a leaf better: what is no parameter seldom lies in a module."""
    return any(paths.values()) or (bool(paths) and not isinstance(leaf, torch.nn.Parameter))


def _search_scope(
    variables: dict[str, Any], prefix: str, wanted: Mapping[int, torch.Tensor], found: dict[int, dict[str, bool]]
) -> None:
    """Note for each leaf the paths on which it is held, and whether that is in a module."""
    todo: list[tuple[str, Any, int, bool]] = [(prefix + name, value, 0, False) for name, value in variables.items()]
    seen: set[int] = set()
    for path, value, depth, held in todo:  # grows while it is walked: breadth first, so that the shortest path wins
        if id(value) in wanted:
            paths = found.setdefault(id(value), {})
            if len(paths) < _MAX_PATHS or held:
                paths.setdefault(path, held)
        elif id(value) not in seen and len(seen) <= _MAX_OBJECTS:
            seen.add(id(value))
            if depth < _MAX_DEPTH and not tensors.is_tensor(value):
                inner = isinstance(value, torch.nn.Module)
                todo += [(path + step, item, depth + 1, inner) for step, item in _inside(value)]


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
