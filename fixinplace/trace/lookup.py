"""Values of expressions as far as names, attributes and constant subscripts go, without running any code."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import FrameType
from typing import Any

import torch

from fixinplace.trace import frames as stacks

_UNKNOWN = object()


def target_of(node: ast.AST) -> ast.expr | None:
    """The expression whose tensor a failing piece writes: target, receiver, `out`, or first argument."""
    if isinstance(node, ast.Expr):
        node = node.value
    if isinstance(node, ast.AugAssign):
        return node.target
    if isinstance(node, ast.Subscript):
        return node
    if not isinstance(node, ast.Call):
        return None
    for keyword in node.keywords:
        if keyword.arg == "out":
            return keyword.value
    if isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_") and not _is_library(node.func.value):
        return node.func.value
    return node.args[0] if node.args else None


def _is_library(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "F", "functional", "nn")


def named(node: ast.expr | None, frame: FrameType) -> object:
    """The value of an expression in a frame; None if it cannot be had without running code."""
    if node is None:
        return None
    value = _value(node, {**frame.f_globals, **stacks.read_locals(frame)})
    return None if value is _UNKNOWN else value


def _value(node: ast.expr, names: Mapping[str, object]) -> object:
    if isinstance(node, ast.Name):
        return names.get(node.id, _UNKNOWN)
    if isinstance(node, ast.Attribute):
        return _attribute(_value(node.value, names), node.attr)
    if isinstance(node, ast.Subscript):
        return _item(_value(node.value, names), node.slice)
    return _UNKNOWN


def _attribute(value: object, name: str) -> object:
    try:
        own: dict[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return _UNKNOWN
    for table in (own, *(own.get(each) or {} for each in ("_parameters", "_buffers", "_modules"))):
        if name in table:
            return table[name]
    return _UNKNOWN


def _item(value: object, index: ast.expr) -> object:
    if isinstance(value, torch.Tensor):
        return value  # of an element or a slice, the tensor that it belongs to
    if isinstance(index, ast.Constant) and type(value) in (list, tuple, dict):
        try:
            return value[index.value]  # type: ignore[index]
        except (LookupError, TypeError):
            return _UNKNOWN
    return _UNKNOWN


def parameter_name(tensor: torch.Tensor, names: Mapping[str, object]) -> str:
    """How the modules among these names call a parameter; empty if none of them has it."""
    for name, value in names.items():
        if isinstance(value, torch.nn.Module):
            for path, parameter in value.named_parameters():
                if parameter is tensor:
                    return f"`{name}.{path}`"
    return ""


def with_history(frames: stacks.Frames, frame: FrameType | None) -> tuple[str, ...]:
    """The names of the innermost function of the user's that stand for tensors with a graph behind them."""
    mine = next((each for each in stacks.outwards(frame) if frames.owns(each.f_code.co_filename)), None)
    found = () if mine is None else stacks.read_locals(mine).items()
    return tuple(name for name, value in found if isinstance(value, torch.Tensor) and value.grad_fn is not None)
