"""Writes under vmap that torch refuses in the words of any shape that does not fit.

Note [Whose shape]
    A batched value that is written into a tensor without the batch does not fit by exactly that dimension; a program
    whose shapes are wrong without vmap dies in the same words.  The two are told apart by the tensors that the failing
    piece names: the value has to be batched more deeply than its target, whatever `torch.func.grad` has wrapped around
    either.  What cannot be looked up tells nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from types import FrameType

import torch

from fixinplace.trace.lookup import named

_MISFIT = re.compile(
    r"output with shape \[(?P<target>[\d, ]*)\] doesn't match the broadcast shape \[(?P<all>[\d, ]*)\]"
)
_functorch = torch._C._functorch


def may_be(message: str) -> bool:
    """True if the words are those of a refused write under vmap, or of a shape that is wrong by itself."""
    return _MISFIT.match(message) is not None


def is_refused(message: str, node: ast.AST | None, target: object, frame: FrameType | None) -> bool:
    """True if the batch is what does not fit; see Note [Whose shape].

    node: the failing piece. target: the tensor that it writes, where that could be looked up.
    """
    shapes = _MISFIT.match(message)
    if shapes is None or node is None or frame is None or not isinstance(target, torch.Tensor):
        return False
    ours = _level(target)
    if not any(_level(value) > max(ours, 0) for value in _tensors(node, frame)):
        return False
    small, large = (shapes[name].split(", ") if shapes[name] else [] for name in ("target", "all"))
    return ours > 0 or large[len(large) - len(small) :] == small


def _level(value: torch.Tensor) -> int:
    """How deeply a tensor is batched, -1 for one that is not: each vmap has a level of its own."""
    while _functorch.is_gradtrackingtensor(value):
        value = _functorch.get_unwrapped(value)
    return _functorch.maybe_get_level(value)


def _tensors(node: ast.AST, frame: FrameType) -> Iterator[torch.Tensor]:
    for each in ast.walk(node):
        value = named(each, frame) if isinstance(each, (ast.Name, ast.Attribute)) else None
        if isinstance(value, torch.Tensor):
            yield value
