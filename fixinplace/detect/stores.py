"""Stores into names, attributes and elements, plain and augmented."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from fixinplace.detect.anatomy import has_entries
from fixinplace.detect.cut import is_replaced, note_cut
from fixinplace.detect.distinct import named_with
from fixinplace.detect.entries import is_count
from fixinplace.detect.expressions import Expressions
from fixinplace.detect.growing import led_by, only_grows
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Dtype, Kind, Origin
from fixinplace.detect.links import without, without_attributes
from fixinplace.detect.listed import LIST
from fixinplace.detect.liveness import Function
from fixinplace.detect.masks import same_shape
from fixinplace.detect.operators import BITS
from fixinplace.detect.other_kind import is_of_other_kind
from fixinplace.detect.outside import is_open
from fixinplace.detect.parameters import defaults_of
from fixinplace.detect.part_names import named_parts
from fixinplace.detect.placing import lost
from fixinplace.detect.plain import takes_no_tensor
from fixinplace.detect.program import HELD, Observation
from fixinplace.detect.reaching import is_set_by_property
from fixinplace.detect.remade import wraps_constructor
from fixinplace.detect.replaced import adds_own_class
from fixinplace.detect.replacing import replace
from fixinplace.detect.surroundings import Words
from fixinplace.detect.torchcalls import is_false
from fixinplace.detect.usage import is_loss
from fixinplace.detect.values import NOWHERE, SUMMED, UNIQUE, UNKNOWN, Memories, Value, element, join, overlap
from fixinplace.detect.vocabulary import CHANGES
from fixinplace.detect.whose import is_anybodys
from fixinplace.model import Hazard, Place
from fixinplace.walking import every, scope

OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "iadd", ast.Sub: "isub", ast.Mult: "imul", ast.Div: "itruediv", ast.FloorDiv: "ifloordiv", ast.Mod: "imod",
    ast.Pow: "ipow", ast.LShift: "ilshift", ast.RShift: "irshift", ast.BitAnd: "iand", ast.BitOr: "ior",
    ast.BitXor: "ixor",
}  # fmt: skip
"""Operators with an in-place form; `@=` has none in torch, it binds a new tensor."""


class Stores(Expressions):
    """Binds targets of every kind and records those that write a tensor."""

    def store(self, target: ast.expr, value: Value, source: ast.expr | None) -> None:
        """Assign to any kind of target; `source` is the expression if `value` is its value as a whole."""
        match target:
            case ast.Subscript():
                self.store_item(target, value)
            case ast.Attribute():
                self.store_attribute(target, value)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) if not isinstance(target, ast.Name):
                exact = value.exact and len(value.items) == len(elements)
                starred = any(isinstance(e, ast.Starred) for e in elements)
                self.interleaved = NOWHERE.union(value.memory, value.maybe)
                for i, one in enumerate(elements):
                    part = value.items[i] if exact and not starred else self.unpacked(value, i)
                    self.store(one, part, None)
                self.interleaved = NOWHERE
            case _:
                self.assign(target, value)

    def store_attribute(self, target: ast.Attribute, value: Value) -> None:
        """`base.attr = value`: a module's flag, `x.data = y`, or a slot that holds the value from now on."""
        base = self.evaluate(target.value)
        text = dotted(target)
        if text in self.growing and isinstance(self.root, ast.Assign):
            self.bind(text, value)
            return
        if text in self.making:
            self.state.names.pop(text, None)
            if value.kind is Kind.LIST:
                self.bind(text, value)
                return
        if target.attr == "data" and value.width:
            self.program.note(Words(dtype_word="data"), everywhere=not base.name)
        if base.tensor and target.attr == "data":
            seen = self.write(target, "Tensor.data", "FIP111", target, replace(base, live=True))
            seen.facts["place"] = Place.ATTRIBUTE
            return
        if target.attr == "inplace" and isinstance(self.root, ast.Assign) and _is_true(self.root.value):
            self.switch_on(target)
            return
        off = isinstance(self.root, ast.Assign) and is_false(self.root.value)
        told = isinstance(target.value, ast.Name) and is_of_other_kind(target.value, self.above, self.program.tree)
        if target.attr == "inplace" and not (off or told or self.is_own_word(base)):
            sentence = "whether a module's `inplace` is on depends on a value that is not in sight"
            self.program.doubt(sentence, everywhere=self.is_anybodys(base, target))
        drawn = base.kind is Kind.PATH and base.name.startswith("torch.distributions.")  # of which nothing is known
        if not (drawn or adds_own_class(target, self.program.tree)):
            self.note_shared(base, target.attr)
        own = base.kind is Kind.OTHER or base.name in self.program.index.classes
        if not own and target.attr in named_parts(self.program.tree) and is_replaced(self.program, value):
            self.program.doubt("the file replaces parts of modules by name", self.is_anybodys(base, target))
        if base.tensor:
            self.escape(base, None, f"`.{target.attr}` is set on the tensor itself")
        self.kept |= {m.label for m in value.memory | value.maybe if m.origin is Origin.PARAMETER}
        self.state.links = without_attributes(without(self.state.links, text), target.attr)
        if base.name not in self.program.index.classes:
            lost(self.program, [value], "it is an attribute of an object that is not followed")
        self.set_attribute(base.name, target.attr, value)
        self.escape(value, None, f"`{text or '.' + target.attr}` holds it", target)
        if not self.program.index.is_module(base.name) and has_entries(self.program.tree):
            self.escape(value, None, HELD, target)
            lost(self.program, [value], "it is in a container that is not followed")
        wrapped = wraps_constructor(target, self.above, self.program.tree)
        alone = _is_called_once(target.attr, self.root, self.program.tree)
        wrapped = wrapped or (target.attr != "forward" and (alone or _is_switch(self.root, self.above)))
        if not (wrapped or drawn) and (target.attr == "forward" or self.is_method(base, target.attr)):
            self.program.doubt(f"the file replaces the method `{target.attr}`", self.is_anybodys(base, target))
        self.held |= value.memory | value.maybe
        if text and value.memory | value.maybe:
            self.state.attrs[text] = value.with_memory(value.memory, value.maybe)
        elif text:
            self.state.attrs.pop(text, None)
        elif value.memory:
            self.escape(value, "escapes-to-attribute", f"an attribute `{target.attr}` holds the same tensor", target)

    def is_anybodys(self, base: Value, target: ast.Attribute | ast.Subscript) -> bool:
        """True for what is stored into something that this piece of the file was handed: it may be of any class."""
        return not base.name and is_anybodys(target.value, self.program.tree)

    def note_shared(self, base: Value, attr: str) -> None:
        """`torch.nn.functional.relu = mine`: what all code of the program calls."""
        if base.kind is Kind.PATH and base.name.startswith("torch") and not _is_setting(base.name, attr):
            self.program.doubt(f"the file replaces `{base.name}.{attr}`", everywhere=True)

    def is_method(self, base: Value, name: str) -> bool:
        """True if objects like this one may have a method of that name: of its class, or one that derives from that."""
        index = self.program.index
        if base.name not in index.classes:
            return name in index.all_methods and not is_set_by_property(name, [self.program.tree])
        own = (base.name, *(heir.name for heir in index.heirs(base.name)))
        having = [info.node for each in own for info in index.lineage(each) if name in info.methods]
        return bool(having) and not is_set_by_property(name, having)

    def is_own_word(self, base: Value) -> bool:
        """True for an instance of a class of this file to which `inplace` means what the class makes of it."""
        index = self.program.index
        known = (*index.classes, "torch.nn.Module", "object")
        return base.name in index.classes and all(each in known for each in index.bases(base.name))

    def set_attribute(self, owner: str, attr: str, value: Value) -> None:
        """See `Frame.set_attribute`."""
        self.program.index.note_attribute(owner, attr, value)

    def switch_on(self, target: ast.Attribute) -> None:
        """`m.inplace = True`."""
        self.program.doubt("the file switches modules to work in place")
        self.program.ledger.unrepeatable()
        seen = self._observation(target, "FIP108", "torch.nn.Module.inplace", dotted(target.value) or "module")
        seen.lives.append(None)
        seen.facts |= {"place": Place.ATTRIBUTE, "module": True, "torch": self.torch_name()}
        seen.doubts["which calls the module serves is not known"] = None

    def store_item(self, target: ast.Subscript, value: Value) -> None:
        """`base[index] = value`."""
        index = self.peek(target.slice)  # what an index is computed from is never saved for backward
        base = self.peek(target.value)
        before = self.state.unread
        grows = base.name == "torch.nn.ModuleDict" and not base.items  # of whose parts nothing is known
        if base.kind is Kind.MODULE and not grows:
            self.program.doubt("the file replaces parts of modules by index", self.is_anybodys(base, target))
        if is_replaced(self.program, value):
            note_cut(self.program, target.value, base)
            held = target.value if isinstance(target.value, ast.Attribute) else None
            if held is not None and held.attr == "_modules" and is_anybodys(held.value, self.program.tree):
                self.program.doubt("the file replaces parts of modules by name", everywhere=True)
        if base.kind not in (Kind.LIST, Kind.DICT):
            lost(self.program, [value], "it is in a container that is not followed")
        if not base.tensor:
            self.escape(value, None, HELD, target)
            self.escape(index, None, "it is a key")
        if base.tensor or (is_open(base) and value.tensor and _slices(target.slice)):
            self.store_elements(target, base if base.tensor else self.as_tensor(base), value, before)
        elif base.kind in (Kind.LIST, Kind.DICT) and not self.is_own(target.value, base):
            self.disordered(base)
            lost(self.program, [base, value], "it is in a container whose order changes")
            if value.memory:
                self.escape(value, "container-slot", f"`{dotted(target.value) or '...'}[...]` holds the same tensor")
        elif base.kind in (Kind.LIST, Kind.DICT):
            merged = join(element(base), value) if base.items else value
            memory, maybe = base.memory | value.memory, base.maybe | value.maybe
            own = only_grows(self.body, dotted(target.value), self.program.above)
            order = led_by(base, value, target.slice) if own else None
            if order is None:
                lost(self.program, [base, value], "it is in a container whose order changes")
            longer = replace(base, items=(merged,), exact=False, memory=memory, maybe=maybe,
                             name=named_with(base, value), flags=base.flags | value.flags, order=order)  # fmt: skip
            if order is None:
                self.disordered(base)
            self.bind(dotted(target.value), longer)
        else:
            if base.memory or base.maybe or value.kind is Kind.MODULE:
                self.disordered(base)
            if value.memory:
                self.escape(value, "container-slot", f"`{dotted(target.value) or '...'}[...]` holds the same tensor")

    def store_elements(self, target: ast.Subscript, base: Value, value: Value, unread: Memories) -> None:
        """A store into a tensor; harmless while nobody has read the fresh storage."""
        seen = self.write(target, "Tensor.__setitem__", "FIP109", target, base, value)
        self._note_copy(seen, target, base)
        seen.facts["mask"] = same_shape(self, target)
        seen.facts["scalar"] = value.kind is Kind.NUMBER
        index = self.peek(target.slice)
        if _numbers_rows(target.slice, index):
            seen.assumes["what an index is given beside `arange` has one dimension"] = None
        elif _may_repeat(target.slice, index):
            seen.doubts["the index may name one element twice, and torch's own gradient is wrong then"] = None
        if overlap(self.interleaved, base.memory):
            sentence = "the values of the assignment are views of the tensor, and its stores come one after the other"
            seen.hazards.setdefault("evaluation-order", Hazard("evaluation-order", sentence))
        self.finish(seen, base, unread)

    def _note_copy(self, seen: Observation, target: ast.Subscript, base: Value) -> None:
        """Mark `x[[0, 1]][1:] = v`, which writes a copy that nobody has: a clone of `x` would leave its holders."""
        root: ast.expr = target.value
        while isinstance(root, ast.Subscript):
            root = root.value
        whole = self.peek(root) if root is not target.value else UNKNOWN
        if whole.tensor and not overlap(base.memory | base.maybe, whole.memory | whole.maybe):
            sentence = f"the index picks a copy: the write does not reach `{ast.unparse(root)}` at all"
            seen.hazards.setdefault("live-view", Hazard("live-view", sentence))

    def augmented(self, node: ast.AugAssign) -> None:
        """`target op= value`."""
        if isinstance(node.target, ast.Subscript):
            base = self.peek(node.target.value)
            self.peek(node.target.slice)
            before = self.state.unread
            value = self.evaluate(node.value)
            self.augmented_item(node, node.target, base, value, before & self.state.unread)
            return
        view, kept = self.is_view(node.target), self.state.kept
        old = self.peek(node.target) if view else self.evaluate(node.target)
        before = self.state.unread
        self.state.kept = kept
        value = self.evaluate(node.value)
        name = OPERATORS.get(type(node.op))
        if isinstance(node.op, BITS):
            old, value = replace(old, live=False), replace(value, live=False)
        if value.kind is Kind.UNKNOWN and _adds_loss(node):
            value = self.as_tensor(value)
        if old.kind is Kind.UNKNOWN and value.tensor:
            old = self.as_tensor(old)
        if old.tensor and name is not None and not takes_no_tensor(node):
            rule = "FIP101" if isinstance(node.target, ast.Name) else "FIP102"
            seen = self.write(node, f"Tensor.__{name}__", rule, node.target, old, value)
            self.finish_view(seen, old, before & self.state.unread if view else NOWHERE)
            seen.facts["free"] = self.is_free(old, self.state.kept) and bool(seen.facts.get("free", True))
            self.read(old)
            begun = old.sure == 2 and seen.sure == 3  # a sum that was a number at first, and is added to
            longer = replace(old, live=True if value.live else old.live, name=SUMMED if begun else old.name)
        elif old.kind in (Kind.LIST, Kind.DICT):
            order = self.longer_list(node.target, old, value) if old.kind is Kind.LIST else None
            if order is None:
                self.disordered(old)
            longer = replace(old, items=tuple(filter(None, (element(old) if old.items else None, element(value)))),
                             exact=False, memory=old.memory | value.memory, maybe=old.maybe | value.maybe,
                             flags=old.flags | value.flags, name="", order=order)  # fmt: skip
        else:
            longer = self.binary(node, old, value, node.op)
            longer = old if old.kind is Kind.OTHER and old.name in self.program.index.classes else longer
            given = any(one.origin is Origin.PARAMETER for one in value.memory)
            if old.kind is Kind.NUMBER and longer.tensor and longer.sure == 2 and not given:
                longer = replace(longer, name=SUMMED)
        if old.name == LIST and isinstance(node.target, ast.Attribute) and isinstance(node.op, ast.Add):
            self.grown(node.target, element(value))
            return
        if old.kind is Kind.MODULE:
            self.program.doubt(CHANGES, everywhere=True)
        if isinstance(node.target, ast.Name):
            links = self.state.links
            self.bind(node.target.id, longer)
            self.state.links = links if old.tensor and name is not None else self.state.links
        elif not old.tensor:
            self.store_attribute(node.target, longer)
        elif old.name == SUMMED and isinstance(node.target, ast.Attribute):  # else it were a number in the next round
            self.set_attribute(self.peek(node.target.value).name, node.target.attr, longer)

    def augmented_item(self, node: ast.AugAssign, target: ast.Subscript, base: Value, value: Value,
                       unread: Memories) -> None:  # fmt: skip
        """`base[index] op= value`: an in-place op on a view and a store of the view into itself."""
        name = OPERATORS.get(type(node.op), "imatmul")
        if is_open(base) and _slices(target.slice):
            base = self.as_tensor(base)
        if isinstance(node.op, BITS):
            base, value = replace(base, live=False), replace(value, live=False)
        if base.tensor:
            seen = self.write(node, f"Tensor.__{name}__", "FIP103", target, base, value)
            self._note_copy(seen, target, base)
            self.finish(seen, base, unread)
            if not isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
                self.read(base)  # what the operator has computed is kept, and a later store changes it
            return
        item = element(base) if base.kind in (Kind.LIST, Kind.DICT) else UNKNOWN
        if item.tensor and not is_count(target, self.program.tree):
            seen = self.write(node, f"Tensor.__{name}__", "FIP103", target, item, value)
            if seen.facts["place"] is Place.ITEM:
                return
            sentence = f"the tensor lies in the container `{dotted(target.value) or '...'}`"
            seen.hazards.setdefault("container-slot", Hazard("container-slot", sentence))
        elif value.memory and isinstance(target.value, ast.Name):
            self.escape(value, None, f"`{target.value.id}[...]` may hold the same tensor", target)


def _adds_loss(node: ast.AugAssign) -> bool:
    """True for `loss += f(x, y)`: what compares two things for a loss is a tensor, whoever computes it.

    So is `loss += layer_loss`, which goes by the name of one.
    """
    match node:
        case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=ast.Name(id=term)):
            return is_loss(name) and is_loss(term)
        case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=ast.Call(args=[_, _, *_])):
            return is_loss(name)
    return False


def _may_repeat(node: ast.expr, index: Value) -> bool:
    """True for an index of numbers in a tensor, an array or a list, unless the list is written down without repeats."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    values = index.items if index.exact and len(index.items) == len(parts) else (index,) * len(parts)
    for part, value in zip(parts, values, strict=True):
        if isinstance(part, (ast.List, ast.Tuple)):
            listed = [ast.dump(one) for one in part.elts]
            if len(set(listed)) < len(listed) or not all(isinstance(one, ast.Constant) for one in part.elts):
                return True
        elif (value.tensor and value.dtype is not Dtype.BOOL and value.name != UNIQUE) or value.kind in (
            Kind.ARRAY,
            Kind.LIST,
        ):
            return True
    return False


def _numbers_rows(node: ast.expr, index: Value) -> bool:
    """True for `y[torch.arange(n), label]`: one element of each row."""
    parts = index.items if isinstance(node, ast.Tuple) and index.exact and len(index.items) == len(node.elts) else ()
    return len(parts) > 1 and all(one.tensor for one in parts) and any(one.name == UNIQUE for one in parts)


def _is_called_once(name: str, node: ast.AST, tree: ast.Module) -> bool:
    """True for `self.content = self.content()`, if nobody else calls a method of that name."""
    match node:
        case ast.Assign(targets=[target], value=ast.Call(func=func)) if dotted(target) == dotted(func):
            methods = [one.func for one in every(tree, ast.Call) if isinstance(one.func, ast.Attribute)]
            return sum(one.attr == name for one in methods) == 1
    return False


def _is_switch(node: ast.AST, above: Mapping[int, ast.AST]) -> bool:
    """True for `self.freeze_bn = freeze_bn` with a parameter that is a number, a truth or a text by default."""
    function = scope(node, above)
    match node:
        case ast.Assign(value=ast.Name(id=name)) if isinstance(function, Function):
            default = defaults_of(function).get(name)
            return isinstance(default, ast.Constant) and default.value is not None
    return False


_SWITCHES = frozenset("allow_tf32 benchmark benchmark_limit deterministic enabled fp32_precision".split())
_CONFIGS = ("torch._dynamo.config", "torch._inductor.config", "torch._functorch.config")


def _is_setting(module: str, name: str) -> bool:
    """True for `torch.backends.cudnn.benchmark`, which chooses among kernels, and for settings of the compiler."""
    if module == "torch.nn.Module" and name == "dump_patches":
        return True
    return module in _CONFIGS or (module.startswith("torch.backends.") and name in _SWITCHES)


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _slices(node: ast.expr) -> bool:
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    ranges = (isinstance(p, ast.Slice) or (isinstance(p, ast.Constant) and p.value is ...) for p in parts)
    return len(parts) > 1 and any(ranges)
