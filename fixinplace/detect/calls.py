"""Calls: what they return, what they write, and what they may keep."""

from __future__ import annotations

import ast
from dataclasses import replace

from fixinplace import catalogue
from fixinplace.detect.frame import Key
from fixinplace.detect.index import canonical, parameter_names, substitute
from fixinplace.detect.library import builtin, keyword, of_result, other_library
from fixinplace.detect.liveness import Function
from fixinplace.detect.values import (
    NONE,
    NOWHERE,
    NUMBER,
    OTHER,
    SIZE,
    STRING,
    UNKNOWN,
    Dtype,
    Kind,
    Memories,
    Memory,
    Origin,
    Value,
    element,
    join,
    join_live,
    memories,
    sequence,
    tensor,
)
from fixinplace.detect.writes import Writes

_CONTAINERS = ("torch.nn.ModuleList", "torch.nn.ModuleDict", "torch.nn.ParameterList", "torch.nn.ParameterDict")
_CHILDREN = ("modules", "children", "parameters", "buffers")
_NAMED = ("named_modules", "named_children", "named_parameters", "named_buffers")
_TELLING = frozenset(
    "view permute unsqueeze contiguous detach cuda requires_grad_ expand expand_as view_as transpose flatten matmul"
    " bmm mm backward repeat_interleave masked_fill scatter gather index_select softmax log_softmax sigmoid tanh"
    " float half double long new_zeros new_ones new_tensor new_full clamp unfold narrow chunk topk masked_select"
    " unbind reshape_as relu rsqrt pow exp sqrt abs norm".split()
)
"""Methods that few classes other than tensors have: calling one says that the receiver is a tensor."""


class Calls(Writes):
    """Evaluates call expressions."""

    def call(self, node: ast.Call) -> Value:
        """The value of a call; records in-place methods, functions, flags and `out=`."""
        if isinstance(node.func, ast.Attribute):
            base = self.evaluate(node.func.value)
            if base.kind is Kind.PATH:
                return self.library_call(node, canonical(f"{base.name}.{node.func.attr}"))
            return self.method_call(node, node.func, base)
        function = self.evaluate(node.func)
        if function.kind is Kind.PATH:
            return self.library_call(node, canonical(function.name))
        if function.kind is Kind.MODULE:
            return self.module_call(node, function, self.arguments(node))
        arguments = self.arguments(node)
        if isinstance(node.func, ast.Name):
            return self.named_call(node, node.func.id, arguments)
        return self.unseen(node, arguments)

    def arguments(self, node: ast.Call) -> list[Value]:
        """Values of all arguments, in order of evaluation."""
        values = [self.read(self.evaluate(a.value if isinstance(a, ast.Starred) else a)) for a in node.args]
        return values + [self.read(self.evaluate(k.value)) for k in node.keywords]

    def named_call(self, node: ast.Call, name: str, arguments: list[Value]) -> Value:
        """`f(x)` where f is defined in this file, is a builtin, or is unknown."""
        index = self.program.index
        if name in self.nested:
            return self.known_call(node, ("", f"{self.place.name}.{name}"), self.nested[name], arguments)
        if name == "super":
            return Value(Kind.OTHER, name="super")
        if name in self.locals:
            return self.unseen(node, arguments)
        if name in index.functions:
            return self.known_call(node, ("", name), index.functions[name], arguments)
        if name in index.classes:
            for value in arguments:
                self.escape(value, None, f"`{name}(...)` may keep it")
            return Value(Kind.MODULE if index.is_module(name) else Kind.OTHER, name=name)
        known = builtin(name, arguments)
        return known if known is not None else self.unseen(node, arguments)

    def library_call(self, node: ast.Call, path: str) -> Value:
        """A call of a library's function or class by its dotted path."""
        writer = catalogue.writer(path)
        if writer is not None and writer.target_position is not None and writer.rule is not None:
            return self.function_write(node, writer)
        if self.flag_on(node, f"{path}(inplace=)"):
            return self.flagged(node, path)
        arguments = self.arguments(node)
        out = keyword(node, "out")
        if out is not None and catalogue.writer(f"{path}(out=)") and not isinstance(out, ast.Constant):
            return self.out_write(node, path, out, arguments)
        if path.startswith("torch.nn.init."):
            return arguments[0] if arguments else UNKNOWN
        return self.library_result(node, path, arguments)

    def library_result(self, node: ast.Call, path: str, arguments: list[Value]) -> Value:
        """What a library's function returns, or the module that its class makes."""
        last = path.rsplit(".", 1)[-1]
        if path in ("torch.nn.Parameter", "torch.nn.parameter.Parameter"):
            return replace(self.parameter(node, arguments))
        if path.startswith("torch.nn.") and path.count(".") == 2 and last[:1].isupper():
            return self.new_module(path, arguments)
        row = catalogue.result(path)
        if row is not None:
            return of_result(self, node, row, arguments)
        known = other_library(path, arguments)
        if known is not None:
            if known.kind is Kind.ARRAY:
                memory, maybe = memories(tuple(arguments))
                return known.with_memory(memory, maybe)
            return known
        if path.endswith("checkpoint.checkpoint") and arguments:
            return self.unseen(node, arguments)
        if path in ("copy.copy", "torch.autograd.Variable") and arguments:
            return arguments[0]
        return self.unseen(node, arguments)

    def parameter(self, node: ast.Call, arguments: list[Value]) -> Value:
        """`nn.Parameter(x)`: a leaf over x's memory."""
        off = keyword(node, "requires_grad")
        live = not (isinstance(off, ast.Constant) and off.value is False)
        memory = arguments[0].memory if arguments else self.allocate(node)
        return Value(Kind.TENSOR, live=live, dtype=Dtype.FLOAT, memory=memory, leaf=live)

    def new_module(self, path: str, arguments: list[Value]) -> Value:
        """An instance of a class of `torch.nn`; a Sequential knows its parts."""
        parts = tuple(arguments)
        if len(parts) == 1 and parts[0].kind in (Kind.LIST, Kind.DICT):
            parts = parts[0].items if parts[0].exact else (element(parts[0]),)
        holder = path == "torch.nn.Sequential" or path in _CONTAINERS
        flags = frozenset[int]().union(*(p.flags for p in arguments)) if holder else frozenset[int]()
        exact = path == "torch.nn.Sequential" and all(p.kind is Kind.MODULE for p in parts)
        return Value(Kind.MODULE, name=path, items=parts if holder else (), exact=exact, flags=flags)

    def flag_on(self, node: ast.Call, name: str) -> ast.expr | None:
        """The literal True that switches `inplace` on, by keyword or by position."""
        writer = catalogue.writer(name)
        if writer is None:
            return None
        value = keyword(node, "inplace")
        if value is None and writer.flag_position is not None and writer.flag_position < len(node.args):
            before = node.args[: writer.flag_position + 1]
            value = before[-1] if not any(isinstance(a, ast.Starred) for a in before) else None
        return value if isinstance(value, ast.Constant) and value.value is True else None

    def flagged(self, node: ast.Call, path: str) -> Value:
        """`F.relu(x, inplace=True)`, or a module built with its flag on."""
        name = f"{path}(inplace=)"
        writer = catalogue.writer(name)
        assert writer is not None and writer.rule is not None
        arguments = self.arguments(node)
        if writer.rule == "FIP107":
            span = self.program.part.span(node)
            seen = self._observation(node, writer.rule, name, path.rsplit(".", 1)[-1])
            seen.facts.setdefault("module", True)
            seen.facts["torch"] = self.torch_name()
            return replace(self.new_module(path, arguments), flags=frozenset((span.start,)))
        target = node.args[0] if node.args else keyword(node, "input")
        if target is None:
            return tensor(2, None)
        written = self.as_tensor(arguments[0])
        self.write(node, name, writer.rule, target, written)
        return written

    def function_write(self, node: ast.Call, writer: catalogue.Writer) -> Value:
        """`torch.relu_(x)`, `F.elu_(input=x)`."""
        position = writer.target_position or 0
        target = node.args[position] if position < len(node.args) else keyword(node, writer.target_keyword or "input")
        arguments = self.arguments(node)
        if target is None or isinstance(target, ast.Starred) or writer.rule is None:
            return UNKNOWN
        nodes: list[ast.expr] = [*node.args, *(k.value for k in node.keywords)]
        written = arguments[nodes.index(target)]
        if writer.rule == "FIP115":
            written = self.as_tensor(element(written))
            seen = self.write(node, writer.name, writer.rule, target, written, _joined(arguments[1:]))
            seen.facts["place"] = self.place_of(target)[0]
            return NONE
        written = self.as_tensor(written)
        self.write(node, writer.name, writer.rule, target, written, _joined(arguments[position + 1 :]))
        return written

    def out_write(self, node: ast.Call, path: str, out: ast.expr, arguments: list[Value]) -> Value:
        """`torch.add(a, b, out=c)`."""
        written = arguments[[*node.args, *(k.value for k in node.keywords)].index(out)]
        one = self.as_tensor(element(written) if written.kind is Kind.LIST else written)
        others = [
            a for a, v in zip(arguments, [*node.args, *(k.value for k in node.keywords)], strict=True) if v is not out
        ]
        self.write(node, f"{path}(out=)", "FIP110", out, one, _joined(others))
        return written

    def as_tensor(self, value: Value) -> Value:
        """The value, taken for a tensor because only tensors can be used like this."""
        if value.tensor:
            return value
        guess = tensor(1, None, Dtype.ANY, value.memory)
        return replace(guess, maybe=value.maybe, iterated=value.iterated)

    def method_call(self, node: ast.Call, func: ast.Attribute, base: Value) -> Value:
        """`base.name(...)`."""
        name = func.attr
        if base.kind is Kind.OTHER and base.name == "super":
            return self.super_call(node, name)
        if base.name in self.program.index.classes:
            return self.own_call(node, func, base)
        if base.kind is Kind.MODULE:
            return self.module_method(node, name, base)
        if base.tensor or (base.kind is Kind.UNKNOWN and self.tells(name)):
            return self.tensor_method(node, func, self.as_tensor(base) if not base.tensor else base)
        arguments = self.arguments(node)
        if base.kind in (Kind.LIST, Kind.DICT):
            return self.container_method(node, func, base, arguments)
        if base.kind in (Kind.STRING, Kind.ARRAY, Kind.NUMBER, Kind.SIZE):
            return SIZE if base.kind is Kind.SIZE else NUMBER if name in ("item", "numel") else replace(base, items=())
        return self.unseen(node, [*arguments, base] if base.memory else arguments)

    def tells(self, method: str) -> bool:
        """True if calling this method makes an unknown receiver a tensor."""
        writer = catalogue.writer(f"Tensor.{method}")
        return method in _TELLING or (writer is not None and method not in ("set_", "map_", "apply_"))

    def tensor_method(self, node: ast.Call, func: ast.Attribute, base: Value) -> Value:
        """A method of a tensor, in place or not."""
        name = func.attr
        writer = catalogue.writer(f"Tensor.{name}")
        arguments = self.arguments(node)
        if writer is not None and writer.rule is not None:
            if name == "requires_grad_":
                off = [a for a in (*node.args, *(k.value for k in node.keywords)) if isinstance(a, ast.Constant)]
                return replace(base, live=not (off and off[0].value is False), leaf=not (off and off[0].value is False))
            self.write(node, writer.name, writer.rule, func.value, base, _joined(arguments))
            return base
        if catalogue.is_unknown_in_place(name):
            if base.sure == 3:
                seen = self.write(node, f"Tensor.{name}", "FIP116", func.value, base, _joined(arguments))
                seen.hazards.clear()
            return base
        self.read(base)
        row = catalogue.result(f"Tensor.{name}")
        if row is None:
            self.escape(base, None, f"`.{name}(...)` may keep the tensor or look at its identity")
            return self.unseen(node, [base, *arguments])
        result = of_result(self, node, row, [base, *arguments])
        return replace(result, sure=min(result.sure, base.sure)) if result.tensor else result

    def container_method(self, node: ast.Call, func: ast.Attribute, base: Value, arguments: list[Value]) -> Value:
        """Methods of lists and dicts: what is put in is held by the container's name."""
        memory, maybe = memories(tuple(arguments))
        if memory | maybe and func.attr in ("append", "add", "insert", "extend", "update", "setdefault", "appendleft"):
            grown = tuple(element(a) if func.attr in ("extend", "update") else a for a in arguments[-1:])
            merged = join(_joined_items(base), grown[0]) if base.items else grown[0]
            value = replace(base, items=(merged,), exact=False, memory=base.memory | memory, maybe=base.maybe | maybe)
            if isinstance(func.value, ast.Name):
                self.bind(func.value.id, value)
            else:
                self.escape(_joined(arguments), "container-slot", "a container holds the same tensor")
        match func.attr:
            case "items":
                return sequence((sequence((STRING, element(base)), exact=True),))
            case "values":
                return sequence((element(base),))
            case "get" | "pop" | "popleft" | "setdefault":
                return element(base)
            case "copy":
                return base
            case "keys":
                return sequence((STRING,))
        return OTHER

    def super_call(self, node: ast.Call, name: str) -> Value:
        """`super().name(...)`."""
        arguments = self.arguments(node)
        cls = self.place.cls
        for base in cls.bases if cls else ():
            found = self.program.index.method(base.rsplit(".", 1)[-1], name)
            if found is not None:
                return self.known_call(node, (found[0].name, name), found[1], arguments, 1)
        return self.unseen(node, arguments)

    def own_call(self, node: ast.Call, func: ast.Attribute, base: Value) -> Value:
        """A method, or a callable attribute, of an instance of a class of this file."""
        index = self.program.index
        arguments = self.arguments(node)
        found = index.method(base.name, func.attr)
        if found is not None:
            static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in found[1].decorator_list)
            return self.known_call(node, (found[0].name, func.attr), found[1], arguments, 0 if static else 1)
        value = self.evaluate(func)
        if value.kind is Kind.MODULE:
            return self.module_call(node, value, arguments)
        if value.kind is Kind.PATH:
            return self.library_result(node, value.name, arguments)
        return self.module_method(node, func.attr, base, arguments)

    def module_method(self, node: ast.Call, name: str, base: Value, arguments: list[Value] | None = None) -> Value:
        """Methods that every `nn.Module` has."""
        arguments = self.arguments(node) if arguments is None else arguments
        if name == "forward":
            return self.module_call(node, base, arguments)
        if name == "register_buffer" or name == "register_parameter":
            return NONE
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
            found = self.program.index.method(module.name, "forward")
            if found is not None:
                return self.known_call(node, (found[0].name, "forward"), found[1], arguments, 1)
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
        if row is not None and module.name not in _CONTAINERS and module.name != "torch.nn.Sequential":
            return of_result(self, node, row, arguments, module=True)
        result = self.unseen(node, arguments)
        return result if result.kind is not Kind.UNKNOWN else replace(tensor(2, True), maybe=result.maybe,
                                                                       memory=self.foreign(node))  # fmt: skip

    def sequential(self, node: ast.Call, module: Value, value: Value, first: ast.expr | None) -> Value:
        """The parts of a Sequential one after the other; an in-place part writes what the one before it made."""
        entry = value
        for part in module.items:
            if part.flags and not part.items and (value.memory & entry.memory or value.maybe or not value.memory):
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

    def known_call(self, node: ast.Call, key: Key, function: Function, arguments: list[Value], skip: int = 0) -> Value:
        """A call of a function of this file: its summary in the caller's terms."""
        program = self.program
        program.modes[key].add(self.grad)
        names = parameter_names(function)[skip:]
        given: dict[str, Value] = dict(zip(names, arguments, strict=False))
        positional = len(node.args)
        given |= {k.arg: v for k, v in zip(node.keywords, arguments[positional:], strict=False) if k.arg}
        for name, value in given.items():
            known = program.arguments[key].get(name)
            passed = replace(value, memory=NOWHERE, maybe=NOWHERE)
            program.arguments[key][name] = passed if known is None else join(known, passed)
        summary = program.summaries.get(key)
        if summary is None:
            return self.unseen(node, arguments)
        for name in summary.keeps & given.keys():
            self.escape(given[name], None, f"`{function.name}(...)` may keep it")
        return self.returned_value(node, summary.returns, {k: (v.memory, v.maybe) for k, v in given.items()})

    def returned_value(self, node: ast.Call, value: Value, given: dict[str, tuple[Memories, Memories]]) -> Value:
        """A callee's result with its own allocations made here and its parameters replaced by arguments."""
        own = [m for m in value.memory | value.maybe if m.origin in (Origin.ALLOCATED, Origin.EARLIER)]
        rest = value.memory - frozenset(own)
        memory = substitute(rest, {k: m for k, (m, _) in given.items()})
        maybe = substitute(value.maybe - frozenset(own), {k: m for k, (m, _) in given.items()})
        maybe = maybe.union(*(b for _, b in given.values())) if maybe else maybe
        if own:
            memory |= self.allocate(node)
        if value.tensor and not memory and not maybe:
            memory = self.foreign(node)
        items = tuple(self.returned_value(node, item, given) for item in value.items)
        return replace(value, memory=memory, maybe=maybe, items=items)

    def foreign(self, node: ast.Call) -> Memories:
        """Storage that code out of sight gave us."""
        text = self.program.part.slice(self.program.part.span(node.func))
        return frozenset((Memory(Origin.FOREIGN, f"`{' '.join(text.split())[:40]}(...)`"),))

    def unseen(self, node: ast.Call, arguments: list[Value]) -> Value:
        """A call that we cannot look into: it may keep, return or wrap whatever it is given."""
        name = self.program.part.slice(self.program.part.span(node.func)).split("\n")[0][:40]
        for value in arguments:
            if value.memory or value.maybe:
                self.escape(value, None, f"`{name}(...)` may keep it")
        memory, maybe = memories(tuple(arguments))
        tensors = [a for a in arguments if a.tensor]
        if not tensors:
            return UNKNOWN.with_memory(NOWHERE, memory | maybe)
        live = join_live(iter(a.live for a in tensors))
        return replace(tensor(1, live, Dtype.ANY, self.foreign(node)), maybe=memory | maybe, width="?" if any(
            a.width for a in tensors) else "")  # fmt: skip


def _joined(values: list[Value]) -> Value:
    """One value for all operands of a write: the tensors joined, a number if there are none."""
    tensors = [v for v in values if v.tensor or v.kind in (Kind.ARRAY, Kind.UNKNOWN)]
    if not tensors:
        lists = [element(v) for v in values if v.kind is Kind.LIST and v.items]
        return _joined(lists) if lists else NUMBER
    result = tensors[0]
    for value in tensors[1:]:
        result = join(result, value)
    return result


def _joined_items(base: Value) -> Value:
    result = base.items[0]
    for item in base.items[1:]:
        result = join(result, item)
    return result
