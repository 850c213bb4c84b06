"""Calls of the methods of lists and dicts."""

from __future__ import annotations

import ast

from fixinplace.detect.chains import Chain
from fixinplace.detect.distinct import named_with
from fixinplace.detect.functions import joined
from fixinplace.detect.growing import added, inserted_at, only_grows, sliced
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Kind
from fixinplace.detect.placing import lost
from fixinplace.detect.program import HELD
from fixinplace.detect.replacing import replace
from fixinplace.detect.torchcalls import TorchCalls
from fixinplace.detect.usage import is_given
from fixinplace.detect.values import (
    OTHER,
    STRING,
    Value,
    chained,
    element,
    fixed_within,
    join,
    memories,
    named,
    sequence,
)
from fixinplace.detect.walked import first_of


class Lists(TorchCalls):
    """Evaluates calls of methods of containers."""

    def picked(self, node: ast.Subscript, base: Value) -> Value:
        """An element of a container."""
        if isinstance(node.slice, ast.Slice):
            if base.kind is Kind.MODULE:
                lost(self.program, [base], "the `Sequential` that it is in is taken apart")
            return replace(base, exact=False, items=(element(base),) if base.items else (), name="" if (
                base.kind is Kind.LIST) else base.name, order=sliced(base, node.slice))  # fmt: skip
        match node.slice:
            case ast.Constant(value=int(i)) if base.exact and i < len(base.items):
                return fixed_within(base.items[i]) if base.kind is Kind.MODULE else base.items[i]
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(i))) if base.exact and i <= len(base.items):
                return base.items[-i]
            case ast.Constant(value=str(key)) if is_given(key):
                item = element(base)
                return replace(item, live=None) if item.kind is Kind.UNKNOWN and item.live else item
            case ast.Name(id=name) if self.opening is not None and name == self.opening.counter and first_of(base):
                self.opening.apart = True
                return first_of(base) or element(base)
        return element(base)

    def container_method(self, node: ast.Call, func: ast.Attribute, base: Value, arguments: list[Value]) -> Value:
        """Methods of lists and dicts: what is put in is held by the container's name."""
        memory, maybe = memories(tuple(arguments))
        for value in arguments:
            self.escape(value, None, HELD, node)
        modules = any(named(a).kind in (Kind.MODULE, Kind.UNKNOWN) or a.flags for a in arguments)
        left_out = bool(base.flags) and any(a.kind is Kind.NONE for a in arguments)  # no part, at a place of its own
        if (memory | maybe or modules or left_out) and arguments and func.attr in _PUTS:
            put = tuple(element(a) if func.attr in ("extend", "update") else a for a in arguments[-1:])
            merged = join(_joined_items(base), put[0]) if base.items else put[0]
            value = replace(base, items=(merged,), exact=False, memory=base.memory | memory, maybe=base.maybe | maybe)
            name = named_with(base, put[0]) if func.attr == "append" else ""
            order = self._order_of(node, base, arguments)
            value = replace(value, flags=base.flags | put[0].flags, name=name, order=order)
            if order is None:
                self.disordered(base)
            if self.is_own(func.value, base):
                self.bind(dotted(func.value), value)
            elif memory | maybe:
                self.escape(joined(arguments), "container-slot", "a container holds the same tensor")
            else:
                lost(self.program, arguments, "it is in a container that others hold")
        elif func.attr not in _LOOKING:
            self.disordered(base)
            if base.flags:
                lost(self.program, [base], "it is in a container whose order changes")
        match func.attr:
            case "items":
                return sequence((sequence((STRING, element(base)), exact=True),))
            case "values":
                return sequence((element(base),))
            case "get" | "pop" | "setdefault" if len(arguments) > 1 and base.kind is Kind.DICT:
                return join(element(base), arguments[1])
            case "get" | "pop" | "popleft" | "setdefault" | "__getitem__":
                return element(base)
            case "copy":
                return base
            case "keys":
                return sequence((STRING,))
        return OTHER

    def _order_of(self, node: ast.Call, base: Value, arguments: list[Value]) -> Chain[Value] | None:
        """How the modules of a list may stand after it has grown."""
        func = node.func
        if not isinstance(func, ast.Attribute) or base.kind is not Kind.LIST:
            return None
        if func.attr == "insert" and base.exact:
            return self.order_with(func.value, base, inserted_at(node), arguments[-1])
        if func.attr not in ("append", "extend"):
            return None
        more = sequence((arguments[0],), exact=True) if func.attr == "append" else arguments[0]
        return self.longer_list(func.value, base, more)

    def order_with(self, node: ast.expr, base: Value, place: int | None, part: Value) -> Chain[Value] | None:
        """How the modules of a list that is written down stand after `parts.insert(place, part)`."""
        if place is None or not (isinstance(node, ast.Name) and only_grows(self.body, node.id, self.program.above)):
            return None
        items = (*base.items[:place], part, *base.items[place:])
        return chained(sequence(items, exact=True), others=True)

    def longer_list(self, node: ast.expr, base: Value, more: Value) -> Chain[Value] | None:
        """How the modules of a list may stand with more behind them, if nothing else changes the list."""
        own = isinstance(node, ast.Name) and only_grows(self.body, node.id, self.program.above)
        return added(base, more) if own or dotted(node) in self.making else None


_PUTS = ("append", "add", "insert", "extend", "update", "setdefault", "appendleft")
_LOOKING = ("items", "values", "keys", "get", "index", "count", "copy", "__len__", "__getitem__")


def _joined_items(base: Value) -> Value:
    result = base.items[0]
    for item in base.items[1:]:
        result = join(result, item)
    return result
