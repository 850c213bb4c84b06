"""Calls: of methods, of names, of whatever an expression gives."""

from __future__ import annotations

import ast

from fixinplace import catalogue
from fixinplace.detect.added import may_take_away
from fixinplace.detect.anatomy import GIVEN_SETTINGS, as_store, is_setattr, removed, sets_settings
from fixinplace.detect.applied import applied
from fixinplace.detect.chosen import chosen
from fixinplace.detect.cut import CUTS, note_cut
from fixinplace.detect.derived import PARTS, calls_as_whole, is_sequence, layer_of
from fixinplace.detect.dtypes import converts
from fixinplace.detect.functions import joined
from fixinplace.detect.given import is_layer, made, may_switch_on
from fixinplace.detect.got import got
from fixinplace.detect.index import ClassInfo, canonical, dotted
from fixinplace.detect.kinds import Kind, Layout
from fixinplace.detect.library import READERS, builtin, of_result
from fixinplace.detect.lists import Lists
from fixinplace.detect.liveness import Function
from fixinplace.detect.modules import METHODS
from fixinplace.detect.named import (
    is_of_settings,
    is_own_attribute,
    is_unread,
    keys_among,
    set_by_name,
)
from fixinplace.detect.outside import LAYERS, is_class_name, is_never_made, layer, part_by_name
from fixinplace.detect.part_names import stored_attributes
from fixinplace.detect.placing import UNKNOWN_PLACE, are_layers, lost
from fixinplace.detect.replacing import replace
from fixinplace.detect.scopes import assigned
from fixinplace.detect.surroundings import Words
from fixinplace.detect.switches import Switch
from fixinplace.detect.usage import TAKE_NOTHING, TELLING
from fixinplace.detect.values import NONE, NOWHERE, NUMBER, SIZE, UNKNOWN, Memories, Value, chained, element, one_of
from fixinplace.detect.vocabulary import REPLACES, SETS
from fixinplace.detect.whose import flags_of_part
from fixinplace.detect.within import perhaps_in_place
from fixinplace.walking import every

_ARITHMETIC = frozenset(
    "sub mul div matmul mm bmm mv pow addmm addcmul addcdiv lerp maximum minimum masked_fill expand_as view_as type_as"
    " reshape_as masked_select index_select eq ne lt le gt ge sub_ mul_ div_ addcmul_ lerp_ masked_fill_".split()
)
"""Methods that no class but a tensor's has: what they are given is computed with, whatever is known of the receiver."""
_COMPUTING = frozenset(
    f"{name}_"
    for name in "abs add addcdiv addcmul addmm clamp clip cos cumsum div exp index_add index_copy index_fill lerp log"
    " masked_fill mul neg pow reciprocal relu rsqrt scatter scatter_add sigmoid sin sqrt sub tanh tril triu".split()
)
"""In-place methods that only tensors have."""
_KEEPS_NOTHING = ("clone", "size", "dim", "numel", "stride", "nelement", "ndimension", "is_floating_point")
"""Methods after which nothing of their tensor is kept for backward."""
_STORES = ("add_", "sub_", "mul_", "div_", "copy_", "fill_", "zero_", "masked_fill_", "index_add_", "index_copy_")
"""In-place methods that keep nothing of what they wrote: `exp_` keeps its result, which a later store changes."""
_OF_OTHERS = ("set_", "map_", "apply_", "resize")
"""Methods that tensors have, and other things as often: arrays and pictures are resized."""
_PRINTERS = ("print", "str", "repr", "format", "pprint", "ascii")
_TEXTS = ("__repr__", "__str__", "__format__", "format", "format_map")
_LOGS = ("debug", "info", "warning", "error", "exception", "critical", "log", "write")


class Calls(Lists):
    """Evaluates call expressions."""

    def call(self, node: ast.Call) -> Value:
        """The value of a call; records in-place methods, functions, flags and `out=`."""
        if isinstance(node.func, ast.Attribute):
            writes = catalogue.writer(f"Tensor.{node.func.attr}") is not None
            whole = node.func.attr == "copy_" and isinstance(node.func.value, ast.Name)
            stores = writes and (whole or isinstance(node.func.value, ast.Subscript) or self.is_view(node.func.value))
            before = self.state.unread
            quiet = stores or node.func.attr in _KEEPS_NOTHING
            base = (self.peek if stores else self.glance if quiet else self.evaluate)(node.func.value)
            if stores and base.tensor:
                return self.store_by_method(node, node.func, base, before)
            if base.kind is Kind.PATH:
                return self.library_call(node, canonical(f"{base.name}.{node.func.attr}"))
            return self.method_call(node, node.func, base)
        function = UNKNOWN if self.is_function(node.func) else self.evaluate(node.func)
        if function.kind is Kind.PATH and not self._is_passed_class(node, function):
            return self.library_call(node, canonical(function.name))
        if function.kind is Kind.MODULE:
            return self.module_call(node, function, self.arguments(node))
        arguments = self.arguments(node)
        if function.flags:
            return self.module_call(node, perhaps_in_place(function), arguments)
        if (path := may_switch_on(function)) and self.switch(node, f"{path}(inplace=)") is Switch.ON:
            return self.switched_on(node, path)
        if self._is_passed_class(node, function):
            return self.switched_on(node, "torch.nn.ReLU", known=False)
        instance = made(function, node)
        if instance is not None:
            lost(self.program, arguments, "it is a part of a module that cannot be seen into")
            return instance if instance.name else self.unseen(node, arguments)
        if function.kind is Kind.UNKNOWN and function.name:
            return self.unseen_instance(node, function, arguments)
        if isinstance(node.func, ast.Name):
            return self.named_call(node, node.func.id, arguments)
        return self.unseen(node, arguments)

    def is_function(self, node: ast.expr) -> bool:
        """True for the name of a function of this file."""
        name = node.id if isinstance(node, ast.Name) else ""
        return name in self.program.index.functions and not (name in self.locals or name in self.state.names)

    def is_class(self, name: str) -> bool:
        """True for the name of a class of this file, which nothing else has."""
        index = self.program.index
        apart = name in self.locals or name in self.shadowed or name in index.rebound or name in index.functions
        return name in index.classes and not apart

    def named_call(self, node: ast.Call, name: str, arguments: list[Value]) -> Value:
        """`f(x)` where f is defined in this file, is a builtin, or is unknown."""
        index = self.program.index
        if name in self.nested and name not in self.shape.redefined:
            return self.known_call(node, ("", f"{self.place.name}.{name}"), self.nested[name], arguments)
        if name == "super":
            return Value(Kind.OTHER, name="super")
        if name in self.locals and name not in self.captured:
            classes = chosen(name, self.body, node if name in self.place.parameters else None)
            if classes and all(map(self.is_class, classes)):
                return one_of(self.constructed(node, one, arguments) for one in classes)
        if name in self.locals or name in self.shadowed or name in self.nested or name in index.rebound:
            return self.unseen(node, arguments)
        if name in index.functions:
            return self.known_call(node, ("", name), index.functions[name], arguments)
        if name in index.classes:
            return self.constructed(node, name, arguments)
        if name in ("setattr", "delattr", "getattr") and len(node.args) >= 2:
            return self.by_name(node, name, arguments)
        by_map = name == "map" and node.args and dotted(node.args[0]) in _PRINTERS
        if name in _PRINTERS or by_map:
            self.told([element(a) if a.tensor else a for a in arguments] if by_map else arguments, node)
        if name == "dict":
            lost(self.program, arguments, "it is in a container that is not followed")
        if name == "abs" and len(arguments) == 1 and arguments[0].tensor:  # a new tensor, as `x.abs()` is
            new = replace(arguments[0], memory=self.allocate(node), maybe=NOWHERE, view=False, leaf=False)
            return replace(new, layout=Layout.DENSE)
        known = builtin(name, arguments[: len(node.args)] if name == "zip" else arguments)
        if known is None:
            return self.unseen(node, arguments, name if is_class_name(name) or layer(name) else "")
        passing = name in READERS or (name in ("zip", "enumerate") and _is_gone_over(node, self.above.get(id(node))))
        for value in () if passing else arguments:
            self.escape(value, None, f"`{name}(...)` holds it", node)
        return known

    def constructed(self, node: ast.Call, name: str, arguments: list[Value]) -> Value:
        """An instance of a class of this file."""
        index = self.program.index
        if is_never_made(index.classes[name].node):
            return Value(Kind.UNKNOWN, name="!torch.nn.Dropout")  # nobody has one: the call raises
        self.note_given(node, name, arguments)
        for value in arguments:
            self.escape(value, None, f"`{name}(...)` may keep it", node)
            if value.kind in (Kind.LIST, Kind.DICT):
                self.disordered(value)
        if "dict" in index.bases(name):
            lost(self.program, arguments, "it is in a container that is not followed")
        parts = index.attribute(name, PARTS)
        flags = parts.flags if parts is not None else frozenset[int]()
        return Value(Kind.MODULE if index.is_module(name) else Kind.OTHER, name=name, flags=flags)

    def by_name(self, node: ast.Call, name: str, arguments: list[Value]) -> Value:
        """`setattr(x, "a", v)`, `delattr(x, "a")`, `getattr(x, "a")`."""
        if name == "delattr" and is_own_attribute(self, arguments[0], removed(node)):
            return NONE
        if name == "getattr":
            return got(self, node, arguments)
        value = arguments[2] if len(arguments) > 2 else UNKNOWN
        if name == "setattr" and sets_settings(node, self.above):
            self.program.gives.add(GIVEN_SETTINGS)
            self.escape(value, None, "an attribute that is set by name holds it", node)
            lost(self.program, [value], "it is given a name that its calls are not followed by")
        elif name == "setattr" and is_of_settings(node.args[0], self.program.tree):
            self.escape(value, None, "an attribute that is set by name holds it", node)
        elif not is_unread(self, node.args[-1]):
            if (target := as_store(node)) is not None and arguments[0].name not in self.program.index.classes:
                self.store_attribute(target, value)
            else:
                set_by_name(self, arguments[0], node.args[1], value, SETS, node.args[-1])
        return NONE

    def method_call(self, node: ast.Call, func: ast.Attribute, base: Value) -> Value:
        """`base.name(...)`."""
        name = func.attr
        if name in _TEXTS:
            self.told([base], node)
        if not (base.tensor and base.sure == 3) and base.kind is not Kind.PATH and converts(self, node, name):
            self.program.note(Words(dtype_word=name), everywhere=base.kind is Kind.UNKNOWN and not base.name)
        if base.kind is Kind.OTHER and base.name == "super":
            return self.super_call(node, name)
        if is_setattr(node, func):
            set_by_name(self, base, node.args[0], self.arguments(node)[1], SETS)
            return NONE
        if base.name in self.program.index.classes:
            return self.own_call(node, func, base)
        if base.kind is Kind.MODULE:
            return self.module_method(node, name, base)
        if name in CUTS:
            note_cut(self.program, func.value, base)
        if name == "add_module" and len(node.args) == 2:
            set_by_name(self, base, node.args[0], self.arguments(node)[1], REPLACES, node.args[1])
            return NONE
        if of_class := self.method_of_class(func):
            return self.class_call(node, *of_class)
        given = base.kind is Kind.UNKNOWN and bool(node.args or node.keywords) and name not in METHODS
        part = given and name in stored_attributes(self.program.tree)
        flags = flags_of_part(self, func.value, name) if part else frozenset[int]()
        if flags := flags or (base.flags if given else frozenset()):
            return self.module_call(node, Value(Kind.MODULE, 1, flags=flags), self.arguments(node))
        if base.tensor or (base.kind is Kind.UNKNOWN and self.tells(name, node)):
            base = base if base.tensor else self.as_tensor(base)
            certain = name in _COMPUTING and _is_computed(func.value) and name not in self.program.index.all_methods
            return self.tensor_method(node, func, replace(base, sure=3) if certain else base)
        arguments = self.arguments(node)
        kind = part_by_name(name) if base.kind is Kind.UNKNOWN and not (base.name or base.flags) else ""
        if kind and len(arguments) == 1 and are_layers(self.program, name):
            self.program.gives.add(LAYERS)
            return self.unseen_instance(node, Value(Kind.UNKNOWN, name=kind), arguments)
        if base.kind in (Kind.LIST, Kind.DICT):
            return self.container_method(node, func, base, arguments)
        if base.kind is Kind.STRING or name in _LOGS or name in _TEXTS:
            self.told(arguments, node)
        if base.kind in (Kind.STRING, Kind.ARRAY, Kind.NUMBER, Kind.SIZE):
            return SIZE if base.kind is Kind.SIZE else NUMBER if name in ("item", "numel") else replace(base, items=())
        unseen = [*arguments, base] if base.memory else arguments
        return applied(self, node, func, arguments) or self.unseen(node, unseen)

    def tells(self, method: str, node: ast.Call) -> bool:
        """True if calling this method makes an unknown receiver a tensor."""
        if method in TAKE_NOTHING and (node.args or node.keywords):
            return False
        writer = catalogue.writer(f"Tensor.{method}")
        return method in TELLING or (writer is not None and method not in _OF_OTHERS)

    def tensor_method(self, node: ast.Call, func: ast.Attribute, base: Value) -> Value:
        """A method of a tensor, in place or not."""
        name = func.attr
        writer = catalogue.writer(f"Tensor.{name}")
        arguments = self.arguments(node)
        if base.sure < 3 and name not in _ARITHMETIC:
            for value in arguments:
                self.escape(value, None, f"`.{name}(...)` may be no tensor's method, and keep it", node)
        if writer is not None and writer.rule is not None:
            if name == "requires_grad_":
                off = [a for a in (*node.args, *(k.value for k in node.keywords)) if isinstance(a, ast.Constant)]
                self.make_live(base.memory, not (off and off[0].value is False), leaf=base.live is False)
                return replace(base, live=not (off and off[0].value is False), leaf=not (off and off[0].value is False))
            value = NUMBER if writer.rule == "FIP112" else joined(arguments[_skipped(name) :])  # sizes, dimensions
            self.write(node, writer.name, writer.rule, func.value, base, value)
            return self.given_back(base, value)
        if catalogue.is_unknown_in_place(name):
            if base.sure == 3:
                seen = self.write(node, f"Tensor.{name}", "FIP116", func.value, base, joined(arguments))
                seen.hazards.clear()
            return base
        if name not in _KEEPS_NOTHING:
            self.read(base)
        row = catalogue.result(f"Tensor.{name}")
        if row is None:
            self.escape(base, None, f"`.{name}(...)` may keep the tensor or look at its identity", node)
            return self.unseen(node, [base, *arguments])
        result = of_result(self, node, row, [base, *arguments])
        return replace(result, sure=min(result.sure, base.sure)) if result.tensor else result

    def store_by_method(self, node: ast.Call, func: ast.Attribute, base: Value, before: Memories) -> Value:
        """`x[i].add_(v)`, `row.add_(v)`, `x.copy_(v)`: like stores, harmless before anybody has read fresh storage."""
        result = self.tensor_method(node, func, base)
        span = self.program.part.span(node)
        seen = self.program.observed.get((span.start, span.end, f"Tensor.{func.attr}"))
        whole = func.attr == "copy_" and isinstance(func.value, ast.Name) and not self.is_view(func.value)
        if seen is not None and (whole or isinstance(func.value, ast.Subscript)):
            self.finish(seen, base, before & self.state.unread)
            if func.attr not in _STORES:
                self.read(base)
        elif seen is not None:
            self.finish_view(seen, base, before & self.state.unread)
            self.read(base)
        return result

    def super_call(self, node: ast.Call, name: str) -> Value:
        """`super().name(...)`."""
        arguments = self.arguments(node)
        cls = self.place.cls
        found = self.program.index.inherited(cls.name, name) if cls else []
        if found:
            return self.dispatched(node, found, arguments)
        if cls and name == "__init__" and "torch.nn.Sequential" in self.program.index.bases(cls.name):
            parts = self.new_module("torch.nn.Sequential", arguments)
            if keys_among(self.body, {**cls.attrs, **cls.known}):
                lost(self.program, [parts], UNKNOWN_PLACE)
                parts = replace(parts, items=(), exact=False, order=None)
            if is_sequence(self.program.index, cls.name) or calls_as_whole(self.program.index, cls.name):
                if self.leaves_early() or self.place.key != (cls.name, "__init__"):
                    self.set_attribute(cls.name, PARTS, parts)
                self.state.attrs[f"{self.place.first_parameter}.{PARTS}"] = parts
            else:
                lost(self.program, [parts], f"`{cls.name}` calls its parts itself")
            return NONE
        known = self.program.index.attribute(cls.name, PARTS) if cls and name in ("forward", "__call__") else None
        layer = layer_of(self.program.index, cls.name) if cls and name == "forward" else ""
        if (row := catalogue.result(layer)) is not None:
            return of_result(self, node, row, arguments, module=True)
        if known is not None and known.kind is Kind.MODULE:
            return self.module_call(node, known, arguments)
        return self.unseen(node, arguments)

    def settle_parts(self) -> None:
        """At the end of a constructor: what a class that derives from `Sequential` consists of."""
        whole = self.state.attrs.get(f"{self.place.first_parameter}.{PARTS}")
        if (cls := self.place.cls) is None or whole is None or self.place.key != (cls.name, "__init__"):
            return
        if any(one.attr == "add_module" for each in self.body for one in every(each, ast.Attribute)):
            gone = may_take_away(self.body, self.program.tree)
            lost(self.program, [whole] if gone else [], UNKNOWN_PLACE)
            whole = replace(whole, exact=False, order=None if gone else chained(whole, others=True))
        self.set_attribute(cls.name, PARTS, whole)

    def _is_passed_class(self, node: ast.Call, function: Value) -> bool:
        """True for `act(inplace=True)` with a local name, and `get_act(kind)(inplace=True)`, if no more is known."""
        passed = isinstance(node.func, (ast.Call, ast.Subscript)) or dotted(node.func) in self.locals
        plain = function.kind in (Kind.UNKNOWN, Kind.PATH) and not function.name and not node.args
        return passed and plain and self.switch(node, "torch.nn.ReLU(inplace=)") is Switch.ON

    def method_of_class(self, func: ast.Attribute) -> tuple[ClassInfo, Function] | None:
        """The method that `Class.method` means for a class of this file, if the name stands for that class alone."""
        index = self.program.index
        if not isinstance(func.value, ast.Name) or func.value.id not in index.classes:
            return None
        name = func.value.id
        if name in self.locals or name in self.shadowed or name in index.rebound:
            return None
        if any(func.attr in assigned(info.node) for info in index.lineage(name)):
            return None
        return index.method(name, func.attr)

    def class_call(self, node: ast.Call, info: ClassInfo, function: Function) -> Value:
        """`Class.method(...)`: whatever the method takes first is given, unless that is the class itself."""
        bound = any(isinstance(d, ast.Name) and d.id == "classmethod" for d in function.decorator_list)
        return self.known_call(node, (info.name, function.name), function, self.arguments(node), int(bound))

    def own_call(self, node: ast.Call, func: ast.Attribute, base: Value) -> Value:
        """A method, or a callable attribute, of an instance of a class of this file."""
        index = self.program.index
        arguments = self.arguments(node)
        found = index.methods(base.name, func.attr)
        if found:
            part = self.property_of_layer(found)
            return self.unseen_instance(node, part, arguments) if part else self.dispatched(node, found, arguments)
        value = self.evaluate(func)
        if value.kind is Kind.MODULE:
            return self.module_call(node, value, arguments)
        if value.kind is Kind.PATH:
            return self.library_result(node, value.name, arguments)
        if value.flags:
            return self.module_call(node, perhaps_in_place(value), arguments)
        if value.kind is Kind.UNKNOWN and value.name:
            return self.unseen_instance(node, value, arguments)
        known = index.is_module(base.name) and func.attr in stored_attributes(self.program.tree)
        if known and value.kind in (Kind.UNKNOWN, Kind.NONE) and any(a.tensor for a in arguments):
            return self.instance_call(node, arguments)  # what a module holds and calls is mostly a module
        return self.module_method(node, func.attr, base, arguments)

    def property_of_layer(self, found: list[tuple[ClassInfo, Function]]) -> Value | None:
        """The layer that a property gives: `return getattr(self, self.norm1_name)`; None for other methods."""
        if not all([dotted(one) for one in function.decorator_list] == ["property"] for _, function in found):
            return None
        summaries = [self.program.summary((info.name, function.name)) for info, function in found]
        given = {one.returns.name for one in summaries if one is not None and is_layer(one.returns)}
        return summaries[0].returns if summaries[0] and len(given) == 1 and len(summaries) == 1 else None


def _is_computed(node: ast.expr) -> bool:
    """True for `x.mul(2)`, by which nobody but a tensor makes something new."""
    match node:
        case ast.Call(func=ast.Attribute(attr=attr)) if attr in _ARITHMETIC:
            row = catalogue.result(f"Tensor.{attr}")
            return row is not None and row.memory is catalogue.Memory.FRESH
    return False


def _is_gone_over(node: ast.expr, parent: ast.AST | None) -> bool:
    """True for what a loop goes over, and nobody has besides."""
    return isinstance(parent, ast.For) and parent.iter is node


def _skipped(method: str) -> int:
    """Number of leading arguments that only say where to write: `scatter_(dim, index, src)`."""
    if method.startswith(("scatter", "index_")) and method != "index_put_":
        return 2
    return 1 if method.startswith("masked_") or method == "index_put_" else 0
