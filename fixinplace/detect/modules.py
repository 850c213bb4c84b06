"""Modules: how they are made, what calling them returns, and whom their `inplace` flag reaches."""

from __future__ import annotations

import ast
from dataclasses import replace

from fixinplace import catalogue
from fixinplace.detect.functions import Functions
from fixinplace.detect.index import keyword
from fixinplace.detect.library import of_result
from fixinplace.detect.values import (
    NONE,
    STRING,
    UNKNOWN,
    Dtype,
    Kind,
    Memory,
    Origin,
    Value,
    element,
    overlap,
    sequence,
    tensor,
)

CONTAINERS = ("torch.nn.ModuleList", "torch.nn.ModuleDict", "torch.nn.ParameterList", "torch.nn.ParameterDict")
_REBUILDS = ("append", "insert", "extend", "pop", "__delitem__", "__setitem__")
_CHILDREN = ("modules", "children", "parameters", "buffers")
_NAMED = ("named_modules", "named_children", "named_parameters", "named_buffers")


class Modules(Functions):
    """Evaluates construction and calls of modules."""

    def new_module(self, path: str, arguments: list[Value]) -> Value:
        """An instance of a class of `torch.nn`; a Sequential knows its parts."""
        parts = tuple(arguments)
        known = True
        for value in arguments:
            self.escape(value, None, f"`{path}(...)` may keep it")
        if len(parts) == 1 and parts[0].kind in (Kind.LIST, Kind.DICT):
            known = parts[0].exact
            parts = parts[0].items if parts[0].exact else (element(parts[0]),)
        holder = path == "torch.nn.Sequential" or path in CONTAINERS
        flags = frozenset[int]().union(*(p.flags for p in arguments)) if holder else frozenset[int]()
        exact = path == "torch.nn.Sequential" and known and all(p.kind is Kind.MODULE for p in parts)
        return Value(Kind.MODULE, name=path, items=parts if holder else (), exact=exact, flags=flags)

    def parameter(self, node: ast.Call, arguments: list[Value]) -> Value:
        """`nn.Parameter(x)`: a leaf over x's memory."""
        off = keyword(node, "requires_grad")
        live = not (isinstance(off, ast.Constant) and off.value is False)
        memory = arguments[0].memory if arguments else self.allocate(node)
        return Value(Kind.TENSOR, live=live, dtype=Dtype.FLOAT, memory=memory, leaf=live)

    def module_method(self, node: ast.Call, name: str, base: Value, arguments: list[Value] | None = None) -> Value:
        """Methods that every `nn.Module` has."""
        arguments = self.arguments(node) if arguments is None else arguments
        if name == "forward":
            return self.module_call(node, base, arguments)
        if name == "register_buffer" or name == "register_parameter":
            for value in arguments:
                self.escape(value, None, "a module holds it")
            match node.args:
                case [ast.Constant(value=str(attr)), *_] if len(arguments) > 1 and arguments[1].live:
                    self.rebound(f"{base.name}.{attr}", arguments[1])
            return NONE
        if name in _REBUILDS and base.name == "torch.nn.Sequential":
            self.program.doubt("the file changes which layers a module has")
        parts = Value(Kind.MODULE, 2, name="", flags=base.flags)
        leaf = Value(
            Kind.TENSOR, 3, True, Dtype.FLOAT, frozenset((Memory(Origin.ATTRIBUTE, "parameters()"),)), leaf=True
        )
        one = parts if name.endswith(("modules", "children")) else leaf
        if name in _CHILDREN:
            return sequence((one,))
        if name in _NAMED:
            return sequence((sequence((STRING, one), exact=True),))
        if name in ("to", "cuda", "cpu", "train", "eval", "requires_grad_", "half", "float", "double", "apply"):
            return base
        return self.unseen(node, arguments)

    def module_call(self, node: ast.Call, module: Value, arguments: list[Value]) -> Value:
        """Calling a module: `self.conv(x)`, `self.net(x)`, `self.block(x)`."""
        if module.name in self.program.index.classes:
            index = self.program.index
            found = [one for name in ("__call__", "forward") for one in index.methods(module.name, name)]
            if found:
                return self.dispatched(node, found, arguments)
        first = node.args[0] if node.args and not isinstance(node.args[0], ast.Starred) else None
        if module.name == "torch.nn.Sequential" and module.exact and len(arguments) == 1:
            return self.sequential(node, module, arguments[0], first)
        row = catalogue.result(module.name)
        if module.flags:
            for flag in module.flags:
                value = arguments[0] if arguments else UNKNOWN
                self.note_call(flag, node, first, value)
            if len(module.flags) == 1 and not module.items and arguments:
                return self.as_tensor(arguments[0])
        if row is not None and module.name not in CONTAINERS and module.name != "torch.nn.Sequential":
            return of_result(self, node, row, arguments, module=True)
        result = self.unseen(node, arguments)
        if result.tensor:
            return replace(result, live=True)
        return replace(tensor(2, True), maybe=result.maybe, memory=self.foreign(node))

    def sequential(self, node: ast.Call, module: Value, value: Value, first: ast.expr | None) -> Value:
        """The parts of a Sequential one after the other; an in-place part writes what the one before it made."""
        entry = value
        for part in module.items:
            if (
                part.flags
                and not part.items
                and (overlap(value.memory, entry.memory) or value.maybe or not value.memory)
            ):
                for flag in part.flags:
                    self.note_call(flag, node, first, value)
            elif part.flags and not part.items:
                continue
            value = self.module_call_quietly(node, part, value, first)
        return value

    def module_call_quietly(self, node: ast.Call, part: Value, value: Value, first: ast.expr | None) -> Value:
        """One part of a Sequential, called with what the part before it returned."""
        if part.flags and not part.items:
            return value
        if part.name == "torch.nn.Sequential" and part.exact:
            return self.sequential(node, part, value, first)
        row = catalogue.result(part.name)
        if row is not None:
            return of_result(self, node, row, [value], module=True)
        return self.module_call(node, part, [value])
