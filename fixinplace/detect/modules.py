"""Modules: how they are made, what calling them returns, and whom their `inplace` flag reaches."""

from __future__ import annotations

import ast
import functools

from fixinplace import catalogue
from fixinplace.detect.added import may_replace, named_apart
from fixinplace.detect.chains import Chain
from fixinplace.detect.derived import PARTS, SEQUENTIAL, as_layer, calls_as_whole, is_sequence
from fixinplace.detect.functions import Functions
from fixinplace.detect.given import ASSUMED, COMPUTES, is_given
from fixinplace.detect.gone_through import gone_through
from fixinplace.detect.growing import begun, has_other_name, longer_list
from fixinplace.detect.harmless import not_plain, writing_inside
from fixinplace.detect.index import dotted, keyword
from fixinplace.detect.kinds import Dtype, Kind
from fixinplace.detect.library import of_result
from fixinplace.detect.links import without_attributes
from fixinplace.detect.listed import GROWS, LIST, fixed_lists, is_list, unnested
from fixinplace.detect.named import may_be, pattern, set_by_name
from fixinplace.detect.part_names import added_names
from fixinplace.detect.passed_in import is_passed_in
from fixinplace.detect.patterned import is_read
from fixinplace.detect.placing import (
    CONTAINERS,
    UNKNOWN_BEFORE,
    UNKNOWN_PLACE,
    behind_others,
    binds_forward,
    is_flag,
    is_whole,
    leaves,
    left,
    lost,
    makes_new,
    misplaced,
    place,
    place_all,
    returned,
)
from fixinplace.detect.quiet import Fresh
from fixinplace.detect.replacing import replace
from fixinplace.detect.state import State
from fixinplace.detect.values import (
    NONE,
    NOWHERE,
    ONE_OF,
    UNKNOWN,
    Value,
    chained,
    element,
    join,
    memories,
    named,
    options,
    overlap,
    sequence,
    spelled,
    tensor,
)
from fixinplace.detect.vocabulary import CHANGES, REPLACES
from fixinplace.detect.whose import is_anybodys
from fixinplace.detect.within import Within, hands_back, is_again, lasts, some

_REBUILDS = ("append", "insert", "extend", "pop", "__delitem__", "__setitem__")
METHODS = frozenset(
    "zero_grad state_dict load_state_dict eval train parameters buffers children modules named_parameters type"
    " share_memory named_buffers named_children named_modules extra_repr apply to cpu cuda half float double bfloat16"
    " requires_grad_ get_parameter get_buffer get_extra_state set_extra_state compile xpu ipu to_empty init_weights"
    " reset_parameters append extend insert pop keys values items __repr__ __len__".split()
)
"""Methods of modules that call none of their parts."""


_UNKNOWN_PARTS = Value(Kind.MODULE, name=SEQUENTIAL)


def _is_part(value: Value) -> bool:
    """True for a module, or an instance of a class that is not in sight; layers are followed in another way."""
    return value.kind is Kind.MODULE or (value.kind is Kind.UNKNOWN and value.name[:1] not in ("", "?", "!"))


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
            parts = tuple(map(named, parts[0].items)) if parts[0].exact else (named(element(parts[0])),)
        holder = path == SEQUENTIAL or path in CONTAINERS
        flags = frozenset[int]().union(*(p.flags for p in (*arguments, *parts))) if holder else frozenset[int]()
        order = begun(arguments) if path == LIST else self.sequenced(arguments) if path == SEQUENTIAL else None
        if not holder:
            lost(self.program, arguments, "it is a part of a module that cannot be seen into")
        exact = path == SEQUENTIAL and known and all(map(_is_part, parts))
        return Value(Kind.MODULE, name=path, items=parts if holder else (), exact=exact, flags=flags, order=order)

    def sequenced(self, arguments: list[Value]) -> Chain[Value] | None:
        """Note the places of the in-place parts that a Sequential is made of; see Note [Inner modules].

        The answer is how they may stand, where that is not written down but can be followed; see Note [Chains].
        """
        listed = [part for part in arguments if part.kind in (Kind.LIST, Kind.DICT)]
        if len(listed) == len(arguments) == 1 and listed[0].exact:
            place(self.program, listed[0].items)
            return chained(listed[0], others=True)
        if all(part.exact for part in listed) and not any(part.kind is Kind.UNKNOWN for part in arguments):
            place(self.program, (one for part in arguments for one in (part.items if part in listed else (part,))))
            return None
        order: Chain[Value] | None = Chain()
        for part in arguments:
            several = len(arguments) > 1  # of one argument, it may be a table of them
            one = chained(part if part in listed else sequence((part,), exact=True), others=several or part in listed)
            order = order.followed_by(one) if order is not None and one is not None else None
        if order is None:
            misplaced(self.program, arguments)
        else:
            place_all(self.program, order)
        return order

    def parameter(self, node: ast.Call, arguments: list[Value]) -> Value:
        """`nn.Parameter(x)`: a leaf over x's memory."""
        off = keyword(node, "requires_grad")
        live = not (isinstance(off, ast.Constant) and off.value is False)
        memory = arguments[0].memory if arguments else self.allocate(node)
        width = arguments[0].width if arguments else ""
        view = bool(node.args) and isinstance(node.args[0], (ast.Name, ast.Attribute, ast.Subscript))
        return Value(Kind.TENSOR, live=live, dtype=Dtype.FLOAT, memory=memory, leaf=live, width=width, view=view)

    def module_method(self, node: ast.Call, name: str, base: Value, arguments: list[Value] | None = None) -> Value:
        """Methods that every `nn.Module` has."""
        arguments = self.arguments(node) if arguments is None else arguments
        if name == "add_module" and len(arguments) == 2:
            self.added(node, base, arguments[1])
            return NONE
        if name == "append" and len(arguments) == 1 and base.name == "torch.nn.Sequential":
            self.added(node, base, arguments[0])
            return base
        if name == "forward":
            return self.module_call(node, base, arguments)
        if name == "register_buffer" or name == "register_parameter":
            for value in arguments:
                self.escape(value, None, "a module holds it", node)
            match node.args:
                case [ast.Constant(value=str(attr)), *_] if len(arguments) > 1:
                    if arguments[1].live:
                        self.rebound(f"{base.name}.{attr}", arguments[1])
                    width = arguments[1].width if arguments[1].tensor else "?" if self.program.words.mixes else ""
                    if width:
                        self.set_attribute(base.name, attr, replace(tensor(3, False), width=width))
            return NONE
        owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if name in GROWS and arguments and is_list(base, owner, self.program.tree):
            part = element(arguments[-1]) if name == "extend" else arguments[-1]
            self.grown(*unnested(owner, part, self.program.tree))
            return NONE
        if name in _REBUILDS and (base.name in (SEQUENTIAL, "") or SEQUENTIAL in self.program.index.bases(base.name)):
            self.program.doubt(CHANGES)
        if (given := gone_through(name, base)) is not None:
            return given
        if name in ("to", "cuda", "cpu", "train", "eval", "requires_grad_", "half", "float", "double", "apply"):
            return base
        if base.flags and name not in METHODS:  # a part, by its name
            return self.module_call(node, replace(base, name="", items=(), exact=False), arguments)
        return self.unseen(node, arguments)

    def grown(self, target: ast.expr, part: Value) -> None:
        """`self.blocks.append(part)`: the list holds one more, where all that do so are followed."""
        if not isinstance(target, ast.Attribute) or target.attr not in fixed_lists(self.program.tree):
            lost(self.program, [part], "it is in a list that others may change")
            return
        if part.name == LIST and not (part.items or part.flags):
            return  # which holds nothing yet
        if dotted(target) in self.growing and (known := self.state.names.get(dotted(target))) is not None:
            self.bind(dotted(target), longer_list(known, part))
            return
        longer = Value(Kind.MODULE, name=LIST, items=(part,), flags=part.flags)
        self.set_attribute(self.evaluate(target.value).name, target.attr, longer)

    def added(self, node: ast.Call, base: Value, part: Value) -> None:
        """`m.add_module(name, part)`, `m.append(part)`: an attribute; a Sequential at hand is one part longer."""
        name = node.args[0] if node.args else None
        owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if base.name != "torch.nn.Sequential":
            if self.place.key == (base.name, "__init__") and calls_as_whole(self.program.index, base.name):
                key = f"{dotted(owner)}.{PARTS}"
                self.state.attrs[key] = whole = self.longer(self.state.attrs.get(key, _UNKNOWN_PARTS), part)
                if self.leaves_early():
                    self.set_attribute(base.name, PARTS, replace(whole, exact=False))
                part = part if is_read(self, base, pattern(name)) else replace(part, flags=frozenset())
            set_by_name(self, base, name, part, REPLACES, node.args[-1] if node.args else None)
            return
        longer = self.longer(base, part)
        if isinstance(owner, ast.Name) and has_other_name(owner.id, self.body):
            self.program.doubt(CHANGES, is_anybodys(owner, self.program.tree))  # `b = self.body`
        if dotted(owner) in self.state.names and (isinstance(owner, ast.Name) or dotted(owner) in self.growing):
            self.bind(dotted(owner), longer)
        elif isinstance(owner, ast.Attribute):
            self.set_attribute(self.evaluate(owner.value).name, owner.attr, longer)
        else:
            self.program.doubt(CHANGES, is_anybodys(owner, self.program.tree))

    def longer(self, base: Value, part: Value) -> Value:
        """A Sequential with one part more; what stands before the part is known while no loop or branch is met."""
        cls = self.place.cls
        self.program.ledger.unrepeatable()
        others = {**cls.attrs, **cls.known} if cls is not None else {}
        known = base.exact and not self.loops and named_apart(self.body, others)
        replaces = may_replace(self.body, self.program.tree)
        added = [one for each in self.body for one in added_names(each)]
        attributes = any(may_be(one, name) for one in added for name in others)
        before, last = chained(base), chained(sequence((part,), exact=True))
        known = known and not replaces
        followed = before is not None and last is not None and not (known or attributes or replaces)
        order = before.followed_by(last) if followed and before and last else None
        if known:
            place(self.program, [part], place(self.program, base.items))
        elif order is not None:
            place_all(self.program, order)
        else:
            misplaced(self.program, [part])
        if replaces:
            lost(self.program, [base], UNKNOWN_PLACE)
        return replace(base, items=(*base.items, part), exact=known, flags=base.flags | part.flags, order=order)

    def module_call(self, node: ast.Call, module: Value, arguments: list[Value]) -> Value:
        """Calling a module: `self.conv(x)`, `self.net(x)`, `self.block(x)`."""
        index, module = self.program.index, as_layer(self.program.index, module)
        if module.name in index.classes:
            found = [one for name in ("__call__", "forward") for one in index.methods(module.name, name)]
            if found and not binds_forward(self.program, module.name):
                return self.dispatched(node, found, arguments)
            parts = index.attribute(module.name, PARTS) if is_sequence(index, module.name) else None
            if parts is not None and parts.kind is Kind.MODULE:
                return self.module_call(node, parts, arguments)
        if module.name == ONE_OF and module.order is not None:
            return self.one_of(node, module.order, arguments)
        first = node.args[0] if node.args and not isinstance(node.args[0], ast.Starred) else keyword(node, "input")
        if module.name == "torch.nn.Sequential" and module.exact and len(arguments) == 1:
            text = self.program.part.slice(self.program.part.span(node.func)) if is_again(node.func) else None
            return self.sequential(node, module, arguments[0], first, Within(text, hands_back(module)))
        row = catalogue.result(module.name)
        passed = self.through(node, module, arguments)
        if module.flags:
            alone = module.exact and not module.items
            whole = module.name == "torch.nn.Sequential"
            behind = behind_others(self.program, module.order) if module.order is not None else frozenset[int]()
            for flag in module.flags if not whole else self.program.outer(module.flags):
                value = arguments[0] if arguments else UNKNOWN
                if flag in behind:
                    self.program.note_use(flag, UNKNOWN_BEFORE)
                    continue
                self.note_call(flag, node, first, value, alone)
            if passed is not None:
                return passed
            if len(module.flags) == 1 and not module.items and arguments:
                return self.as_tensor(arguments[0])
            if not module.items and arguments and arguments[0].tensor:
                return replace(arguments[0], memory=arguments[0].memory | self.allocate(node))
        if row is not None and module.name not in CONTAINERS and module.name != "torch.nn.Sequential":
            return self.handed_on(module, of_result(self, node, row, arguments, module=True), arguments)
        if passed is not None:
            return passed
        result = self.unseen(node, arguments)
        if result.tensor:
            return replace(result, live=True, sure=max(result.sure, 2))
        return replace(tensor(2, True), maybe=result.maybe, memory=self.foreign(node))

    def unseen_instance(self, node: ast.Call, function: Value, arguments: list[Value]) -> Value:
        """A call of an instance whose class is not in sight; of one that was passed in, see Note [Given modules]."""
        if not is_given(self.program, function) or not any(a.tensor for a in arguments):
            return self.instance_call(node, arguments)
        self.program.gives.add(ASSUMED)
        self.state.links = without_attributes(self.state.links)
        computes = makes_new(self.program, function)
        self.program.gives |= {COMPUTES} if computes else set()
        memory, maybe = memories(() if computes else tuple(arguments))
        words = self.program.words
        other = words.mixes and bool(words.passed_on & self.program.index.classes.keys())  # it may make any dtype
        width = "?" if other or any(a.width for a in arguments) else ""
        return replace(tensor(3, True, Dtype.FLOAT, self.allocate(node)), maybe=memory | maybe, width=width)

    def one_of(self, node: ast.Call, order: Chain[Value], arguments: list[Value]) -> Value:
        """Calling one of several modules: what is right after one of them may be wrong after another."""
        before, ends, results = self.state, [], []
        told_apart = len(order.parts) > 1 and not all(is_flag(self.program, one) for one in order.parts)
        choosing, self.choosing = self.choosing, self.choosing or told_apart
        for part in sorted(order.parts, key=spelled):
            self.state = before.copy()
            results.append(self.module_call(node, part, arguments))
            ends.append(self.state)
        self.choosing = choosing
        self.state = functools.reduce(State.join, ends)
        return some(results, arguments)

    def through(self, node: ast.Call, module: Value, arguments: list[Value]) -> Value | None:
        """What a Sequential returns whose order is not known for certain; None if nothing can be told.

        Parts of which nothing is known may keep what it is called with, but not what a plain one behind them returns.
        """
        order = module.order
        if order is None or len(arguments) != 1:
            return None
        given = self.as_tensor(arguments[0])
        inside = writing_inside(self.program, order)
        others = frozenset(each for one in order.parts - inside for each in not_plain(self.program, one))
        if others and (left(self.program, order) is Fresh.NO or not all(map(is_passed_in, others))):
            return None
        if not all(is_given(self.program, one) for one in others):
            self.unseen(node, arguments)
        made = self.made_last(node, order, given)
        if made is None:
            return None
        leaving = left(self.program, order)
        own, same = self.allocate(node), leaving is Fresh.NO
        if leaving is Fresh.FREE:
            self.state.quiet |= own
        shared, maybe = (given.memory, given.maybe) if same else (NOWHERE, NOWHERE)
        view = same and not all(is_whole(self.program, one) for one in order.parts)
        return replace(made, memory=own | shared, maybe=maybe, view=view)

    def made_last(self, node: ast.Call, order: Chain[Value], given: Value) -> Value | None:
        """What the part of a Sequential makes that may be the last one, but for its memory."""
        index, ending = self.program.index, sorted(order.lasts, key=spelled)
        ends = [as_layer(index, each) for one in ending for each in lasts(as_layer(index, one))]
        rows = [row for one in ends if (row := catalogue.result(one.name.removeprefix("!"))) is not None]
        own = [returned(self.program, one) for one in ends if one.name in self.program.index.classes]
        made = [*(of_result(self, node, row, [given], module=True) for row in rows), *filter(None, own)]
        return functools.reduce(join, made) if made else None

    def sequential(self, node: ast.Call, module: Value, value: Value, first: ast.expr | None, within: Within) -> Value:
        """The parts of a Sequential one after the other; an in-place part writes what the one before it made."""
        entry, fresh = value, Fresh.NO
        for number, part in enumerate(module.items):
            call = self.some_part if part.name == ONE_OF else self.one_part
            if fresh is Fresh.NO or not all(is_flag(self.program, one) for one in options(part)):
                value = call(node, part, (value, entry), first, within.part(number))
            fresh = leaves(self.program, part, fresh)
        return value

    def one_part(
        self, node: ast.Call, part: Value, given: tuple[Value, Value], first: ast.expr | None, within: Within
    ) -> Value:
        """One part of a Sequential; given: what the part before it returned, and what the Sequential is called with."""
        value, entry = given
        if not is_flag(self.program, part):
            return self.module_call_quietly(node, part, value, first, within)
        if overlap(value.memory, entry.memory) or value.maybe or not value.memory:
            for flag in part.flags:
                self.note_call(flag, node, first, value, within.whole, within.head(part))
        return value

    def some_part(
        self, node: ast.Call, part: Value, given: tuple[Value, Value], first: ast.expr | None, within: Within
    ) -> Value:
        """The same for one of several modules."""
        before, ends, results = self.state, [], []
        choosing, self.choosing = self.choosing, True
        for one in sorted(options(part), key=spelled):
            self.state = before.copy()
            results.append(self.one_part(node, one, given, first, within))
            ends.append(self.state)
        self.choosing = choosing
        self.state = functools.reduce(State.join, ends)
        return some(results, [given[0]])

    def module_call_quietly(
        self, node: ast.Call, part: Value, value: Value, first: ast.expr | None, within: Within
    ) -> Value:
        """One part of a Sequential that is not in place itself, called with what the part before it returned."""
        if part.name == "torch.nn.Sequential" and part.exact:
            return self.sequential(node, part, value, first, within)
        row = catalogue.result(part.name)
        if row is not None:
            return self.handed_on(part, of_result(self, node, row, [value], module=True), [value])
        if part.kind is Kind.UNKNOWN:
            return self.unseen_instance(node, part, [value])
        return self.module_call(node, part, [value])

    def handed_on(self, module: Value, result: Value, arguments: list[Value]) -> Value:
        """What a module returns that may write in place: what it is given, then."""
        if not module.view or not arguments:
            return result
        first = arguments[0]
        return replace(result, memory=result.memory | first.memory, maybe=result.maybe | first.maybe)
