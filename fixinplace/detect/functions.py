"""Calls of functions: those of this file by their summaries, unseen ones by what they may do."""

from __future__ import annotations

import ast

from fixinplace.detect.callers import Callers
from fixinplace.detect.derived import SEQUENTIAL
from fixinplace.detect.flattened import flattens
from fixinplace.detect.given import hands_nothing
from fixinplace.detect.growing import only_looks
from fixinplace.detect.index import ClassInfo, substitute
from fixinplace.detect.initialisers import FILLS, initialises
from fixinplace.detect.kinds import Dtype, Kind, Layout, Origin
from fixinplace.detect.laid import computes_alone, only_asks
from fixinplace.detect.library import flatten
from fixinplace.detect.links import without_attributes
from fixinplace.detect.liveness import Function
from fixinplace.detect.mixing import reshapes
from fixinplace.detect.outside import LAYERS, gives_arrays, is_unseen_class, is_without_autograd, layer, writes_by_name
from fixinplace.detect.placing import lost
from fixinplace.detect.program import Key
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import (
    ARRAY,
    NOWHERE,
    NUMBER,
    UNKNOWN,
    Memories,
    Memory,
    Value,
    distinct,
    element,
    join,
    join_live,
    memories,
    tensor,
)


class Functions(Callers):
    """Evaluates calls of functions."""

    def arguments(self, node: ast.Call) -> list[Value]:
        """Values of all arguments, in order of evaluation."""
        if isinstance(node.func, ast.Name) and node.func.id == "len" and len(node.args) == 1:
            return [self.glance(node.args[0])]
        kept = self.state.kept
        values: list[Value] = []
        for argument in node.args:
            value = self.evaluate(argument.value if isinstance(argument, ast.Starred) else argument)
            if not values:
                self.offered[id(node)] = kept if isinstance(argument, ast.Name) else self.state.kept
            values.append(self.read(value))
        return values + [self.read(self.evaluate(k.value)) for k in node.keywords]

    def flattened(self, node: ast.Call, arguments: list[Value]) -> Value:
        """The `Sequential` of Note [Flattened sequences]: the parts of those that are known stand in it themselves."""
        if len(node.args) == 1 and not isinstance(node.args[0], ast.Starred):
            return arguments[0]
        parts: list[Value] = []
        for one in arguments:
            parts += one.items if one.name == SEQUENTIAL and one.exact else () if one.kind is Kind.NONE else (one,)
        made = self.new_module(SEQUENTIAL, parts)
        known = all(one.kind is Kind.MODULE and one.name != SEQUENTIAL for one in parts)
        return made if known else replace(made, items=(), exact=False)

    def known_call(self, node: ast.Call, key: Key, function: Function, arguments: list[Value], skip: int = 0) -> Value:
        """A call of a function of this file: its summary in the caller's terms."""
        program = self.program
        if flattens(function):
            return self.flattened(node, arguments)
        if key != self.place.key:  # a function that calls itself does so in the mode that others call it in
            program.note_mode(key, self.grad)
        given, left = _given(node, function, arguments, skip)
        program.note_arguments(key, given)
        self.note_exposed(node, key, function, given)
        self.state.links = without_attributes(self.state.links)
        summary = program.summary(key)
        if summary is None:
            program.note_early(key)
            return self.unseen(node, arguments)
        starred = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
        for name, value in given.items():
            if name in summary.keeps or starred:
                self.escape(value, None, f"`{function.name}(...)` may keep it", summary.keepers.get(name) or node)
        for value in arguments if starred else left:
            self.escape(value, None, f"`{function.name}(...)` may keep it", node)
        if any(isinstance(a, ast.Starred) for a in node.args):
            left = arguments
        lost(program, left, f"`{function.name}(...)` is given it in a way that is not followed")
        for name, live in summary.writes.items():
            if name in given:
                self.wrote(given[name], live)
        self.caught_up()
        listed = {name: value for name, value in given.items() if value.kind in (Kind.LIST, Kind.DICT)}
        changed = (value for name, value in listed.items() if not only_looks(function, name, program.above))
        for value in (*changed, *(one for one in left if one.kind in (Kind.LIST, Kind.DICT))):
            self.disordered(value)
        alone = program.words.reshapes and computes_alone(function, program.tree)
        if program.words.reshapes and not (alone and not reshapes(program.part.slice(program.part.span(function)))):
            self.state.links = {name: link for name, link in self.state.links.items() if not link.steps}
            held = (value for name, value in given.items() if not only_asks(function, name, program.above))
            self.turn(NOWHERE.union(*(value.memory for value in held)), Layout.GAPS)
        return self.returned_value(node, summary.returns, given)

    def run_again(self, node: ast.Call, key: Key, function: Function, arguments: list[Value]) -> Value:
        """What a function gives that something else calls, and keeps what it calls it with."""
        program, summary = self.program, self.program.summary(key)
        if summary is None:
            return self.unseen(node, arguments)
        given, left = _given(node, function, arguments, 0)
        program.note_mode(key, self.grad)
        program.note_arguments(key, given)
        lost(program, left, f"`{function.name}(...)` is given it in a way that is not followed")
        for name, value in given.items():
            program.note_handed(key, name, program.part.span(node).start, None, seen=True)
            if name in summary.writes:
                self.wrote(value, summary.writes[name])
        return self.returned_value(node, summary.returns, given)

    def note_given(self, node: ast.Call, cls: str, arguments: list[Value]) -> None:
        """Remember what a class of this file is constructed with."""
        found = self.program.index.method(cls, "__init__")
        if found is None:
            lost(self.program, arguments, f"`{cls}(...)` is given it in a way that is not followed")
            return
        given, left = _given(node, found[1], arguments, 1)
        starred = (v for a, v in zip(node.args, arguments, strict=False) if isinstance(a, ast.Starred))
        bundled = not all(map(_is_written_out, starred))
        lost(self.program, arguments if bundled else left, f"`{cls}(...)` is given it in a way that is not followed")
        self.program.note_arguments((found[0].name, "__init__"), given)

    def dispatched(self, node: ast.Call, found: list[tuple[ClassInfo, Function]], arguments: list[Value]) -> Value:
        """A call of a method that may be any of several: what holds whichever it is."""
        results = []
        for info, function in found:
            static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list)
            results.append(self.known_call(node, (info.name, function.name), function, arguments, 0 if static else 1))
        result = results[0]
        for other in results[1:]:
            result = join(result, other)
        return result

    def returned_value(self, node: ast.Call, value: Value, given: dict[str, Value], part: str = "") -> Value:
        """A callee's result with its own allocations made here and its parameters replaced by arguments.

        What hands on a parameter hands on the view that it was given.  part: of the result, if it lies in none of the
        others.
        """
        own = [m for m in value.memory | value.maybe if m.origin in (Origin.ALLOCATED, Origin.EARLIER)]
        rest = value.memory - frozenset(own)
        memory = substitute(rest, {k: v.memory for k, v in given.items()})
        maybe = substitute(value.maybe - frozenset(own), {k: v.memory for k, v in given.items()})
        handed = {one.label for one in rest if one.origin is Origin.PARAMETER}
        maybe = maybe.union(*(v.maybe for name, v in given.items() if maybe or name in handed))
        apart = value.kind is Kind.LIST and value.exact and distinct(value)
        parts = [f"{part}#{n}" if apart else part for n in range(len(value.items))]
        items = tuple(self.returned_value(node, item, given, n) for item, n in zip(value.items, parts, strict=True))
        if own:
            memory |= memories(items)[0] if apart else self.allocate(node, part)
        if value.tensor and not memory and not maybe:
            memory = self.foreign(node)
        if value.name.startswith("pieces@") and rest:  # another call may cut the same tensor otherwise
            value = replace(value, name="")
        passed = [v for name, v in given.items() if name in handed and v.tensor and value.tensor]
        view, layout = value.view or any(v.view for v in passed), max((v.layout for v in passed), default=value.layout)
        return replace(value, memory=memory, maybe=maybe, items=items, view=view, layout=max(layout, value.layout))

    def foreign(self, node: ast.Call) -> Memories:
        """Storage that code out of sight gave us."""
        text = self.program.part.slice(self.program.part.span(node.func))
        return frozenset((Memory(Origin.FOREIGN, f"`{' '.join(text.split())[:40]}(...)`"),))

    def given_to(self, node: ast.Call, arguments: list[Value], how: str) -> None:
        """Note that modules are given to code out of sight, which may call them, unless it fills their weights."""
        if isinstance(self.above.get(id(node)), ast.Expr) and initialises(node.func, self.program.tree):
            self.program.gives.add(FILLS)
        else:
            lost(self.program, arguments, how)

    def unseen(self, node: ast.Call, arguments: list[Value], path: str = "") -> Value:
        """A call that we cannot look into: it may keep, return or wrap whatever it is given.

        path: of the callee, if it is a library's; see Note [Out of sight].
        """
        self.state.links = without_attributes(self.state.links)
        name = self.program.part.slice(self.program.part.span(node.func)).split("\n")[0][:40]
        self.given_to(node, arguments, f"`{name}(...)` is given it, and may call it")
        for value in arguments:
            if value.memory or value.maybe:
                self.escape(value, None, f"`{name}(...)` may keep it", node)
        if writes_by_name(name) and any(a.live is not False for a in arguments):
            for value in arguments:
                self.wrote(value, None)
        program = self.program
        memory, maybe = memories(tuple(arguments))
        kind = layer(path)
        if (
            kind
            and not any(a.tensor or a.kind is Kind.MODULE for a in flatten(arguments))
            and hands_nothing(program, node)
        ):
            program.gives.add(LAYERS)
            return replace(UNKNOWN, name=kind, exact=True)  # none of this file's classes
        if is_unseen_class(path):
            return replace(UNKNOWN, name=path, maybe=memory | maybe)
        tensors = [a for a in flatten(arguments) if a.tensor]
        if not tensors:
            live = False if path and is_without_autograd(path) and not memory | maybe else None
            return replace(UNKNOWN, sure=int(live is False), live=live, maybe=memory | maybe)
        if gives_arrays(path):
            return ARRAY.with_memory(NOWHERE, memory | maybe)
        live = join_live(iter(a.live for a in tensors))
        live = None if live is False and not is_without_autograd(path) else live
        any_width = self.program.words.mixes or any(a.width for a in tensors)
        return replace(
            tensor(1, live, Dtype.ANY, self.foreign(node)), maybe=memory | maybe, width="?" if any_width else ""
        )

    def instance_call(self, node: ast.Call, arguments: list[Value]) -> Value:
        """Calling an instance of a class of another file: mostly a module; see Note [Out of sight]."""
        result = self.unseen(node, arguments)
        if result.tensor:  # a module computes in the dtype of what it is given
            width = "?" if any(a.width for a in flatten(arguments)) else ""
            return replace(result, sure=2, live=True, width=width)
        if not any(a.kind is Kind.UNKNOWN for a in arguments):
            return result
        return replace(tensor(1, True, Dtype.ANY, self.foreign(node)), maybe=result.maybe)

    def as_tensor(self, value: Value) -> Value:
        """The value, taken for a tensor because only tensors can be used like this."""
        if value.tensor:
            return value
        guess = tensor(1, value.live if value.sure else None, Dtype.ANY, value.memory)
        width = "?" if self.program.words.mixes and value.kind is not Kind.LIST else ""
        return replace(guess, maybe=value.maybe, iterated=value.iterated, width=width)


def _given(
    node: ast.Call, function: Function, arguments: list[Value], skip: int
) -> tuple[dict[str, Value], list[Value]]:
    """What a call gives to which parameter, and the arguments that fit none; `*rest` and `**rest` get theirs joined."""
    a = function.args
    positional = [p.arg for p in (*a.posonlyargs, *a.args)][skip:]
    named = {p.arg for p in (*a.args, *a.kwonlyargs)}
    count = len(node.args)
    places = (one for each in zip(node.args, arguments, strict=False) for one in _unpacked(*each))
    pairs = [(positional[n] if n < len(positional) else "", v, a.vararg) for n, v in enumerate(places)]
    for word, value in zip(node.keywords, arguments[count:], strict=False):
        pairs.append((word.arg if word.arg in named else "", value, a.kwarg))
    given: dict[str, Value] = {}
    left: list[Value] = []
    for name, value, rest in pairs:
        key = name or (rest.arg if rest is not None else "")
        if key:
            given[key] = join(given[key], value) if key in given else value
        else:
            left.append(value)
    return given, left


def _unpacked(argument: ast.expr, value: Value) -> tuple[Value, ...]:
    """What an argument gives: `*pair` both of a pair."""
    return value.items if isinstance(argument, ast.Starred) and _is_written_out(value) else (value,)


def _is_written_out(value: Value) -> bool:
    return value.kind is Kind.LIST and value.exact


def joined(values: list[Value]) -> Value:
    """One value for all operands of a write: the tensors joined, a number if there are none."""
    tensors = [v for v in values if v.tensor or v.kind in (Kind.ARRAY, Kind.UNKNOWN)]
    if not tensors:
        unsure = [v for v in values if v.kind is Kind.NUMBER and v.live is None]
        if unsure:
            return unsure[0]
        lists = [element(v) for v in values if v.kind is Kind.LIST and v.items]
        return joined(lists) if lists else NUMBER
    result = tensors[0]
    for value in tensors[1:]:
        result = join(result, value)
    return result
