"""Evaluates expressions to abstract values."""

from __future__ import annotations

import ast

from fixinplace import catalogue
from fixinplace.detect.attributes import SHAPES, of_tensor
from fixinplace.detect.changed import cut, moved
from fixinplace.detect.closed import is_passing, is_plain_use
from fixinplace.detect.deferred import deferred
from fixinplace.detect.distinct import collected
from fixinplace.detect.each import is_plain, is_taken_apart, mapped, one_by_one
from fixinplace.detect.growing import as_left
from fixinplace.detect.guards import evaluating
from fixinplace.detect.index import dotted
from fixinplace.detect.initialisers import is_filled
from fixinplace.detect.kinds import Dtype, Kind, Layout, Origin
from fixinplace.detect.laid import takes_all
from fixinplace.detect.listed import LIST, fixed_lists, holds_all
from fixinplace.detect.named import got_by_name
from fixinplace.detect.operators import Operators
from fixinplace.detect.order import keeps_nothing
from fixinplace.detect.part_names import stored_attributes
from fixinplace.detect.patterned import owner_of_part
from fixinplace.detect.placing import (  # fmt: skip
    is_asked,
    is_followed,
    is_passed_on,
    lost,
    method_of,
    part_or_number,
)
from fixinplace.detect.program import HELD, USED
from fixinplace.detect.reaching import looks_at_parts
from fixinplace.detect.replacing import replace
from fixinplace.detect.switches import literal
from fixinplace.detect.values import (
    DISTINCT,
    NONE,
    NOWHERE,
    NUMBER,
    OTHER,
    SIZE,
    STRING,
    UNKNOWN,
    Memory,
    Value,
    distinct,
    element,
    join,
    memories,
    overlap,
    path,
    rows,
    sequence,
    tensor,
)
from fixinplace.detect.walked import beginning, first_ones
from fixinplace.detect.whose import flags_of_part
from fixinplace.walking import every, walk

_KNOWN = dict.fromkeys(("numpy.pi", "numpy.inf", "numpy.nan", "torch.pi", "torch.inf", "torch.nan"), NUMBER)
_KNOWN |= {"numpy.newaxis": NONE}
_UNCONVERTED = -1
"""`FormattedValue.conversion` without `!r`, `!s` or `!a`."""


def _is_number_format(spec: ast.expr | None) -> bool:
    """True for what no tensor of several elements takes: `.3f` in `{x:.3f}`."""
    return isinstance(spec, ast.JoinedStr) and any(isinstance(v, ast.Constant) and v.value for v in spec.values)


class Expressions(Operators):
    """Evaluates every kind of expression but calls and operators."""

    def evaluate(self, node: ast.expr) -> Value:
        """See `Frame.evaluate`."""
        if type(node) is ast.Name:
            return self.read(self.watched(node, self.name(node.id)))
        if type(node) is ast.Constant:
            return literal(node.value)
        if type(node) is ast.Call:
            each = mapped(node) if is_taken_apart(node, self.above) and self.is_builtin("map") else None
            return self.call(node) if each is None else self.collected(node, self.comprehension([each[0]], each[1]))
        if type(node) is ast.Attribute:
            return self.watched(node, self.attribute(node))
        match node:
            case ast.Subscript():
                return self.subscript(node)
            case ast.BinOp(left=left, op=op, right=right):
                look = self.glance if keeps_nothing(left, op, right) else self.evaluate
                return self.binary(node, look(left), look(right), op)
            case ast.UnaryOp(op=op, operand=operand):
                return self.unary(node, self.evaluate(operand), op)
            case ast.Compare():
                return self.compare(node)
            case ast.Tuple(elts=elements):
                return self.collected(node, sequence(tuple(map(self.evaluate, elements)), exact=not _starred(elements)))
            case ast.List(elts=elements) | ast.Set(elts=elements):
                return self.collected(node, self.display(elements))
        return self.composed(node)

    def composed(self, node: ast.expr) -> Value:
        """Expressions made of others: branches, comprehensions, bindings, strings."""
        match node:
            case ast.Dict(keys=keys, values=values):
                for key in keys:
                    if key is not None:
                        self.evaluate(key)
                items = tuple(self.evaluate(v) for v in values)
                memory, maybe = memories(items)
                flags = frozenset[int]().union(*(i.flags for i in items))
                name = DISTINCT if None not in keys and distinct(sequence(items, exact=True)) else ""
                found = Value(Kind.DICT, items=items, memory=memory, maybe=maybe, flags=flags, name=name)
                return self.collected(node, found)
            case ast.ListComp(elt=elt) | ast.SetComp(elt=elt) | ast.GeneratorExp(elt=elt):
                return self.collected(node, self.comprehension(node.generators, elt))
            case ast.DictComp(key=key, value=value):
                self.comprehension(node.generators, key)
                found = self.comprehension(node.generators, value)
                return replace(found, kind=Kind.DICT)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.evaluate(test)
                return self.either(body, orelse, evaluating(test, self.shape.guards))
            case ast.BoolOp(values=values):
                found = self.evaluate(values[0])
                for value in values[1:]:
                    found = join(found, self.perhaps(value))
                return found
            case ast.NamedExpr(target=target, value=value):
                found = self.evaluate(value)
                self.bind(target.id, found)
                return found
            case ast.Starred(value=value) | ast.Await(value=value):
                return self.evaluate(value)
            case ast.Lambda():
                return deferred(self, node)
            case ast.JoinedStr():
                self.children(node)
                return STRING
            case ast.FormattedValue(value=value, conversion=conversion, format_spec=spec):
                found = self.evaluate(value)
                if spec is not None:
                    self.evaluate(spec)
                if conversion != _UNCONVERTED or not _is_number_format(spec):
                    self.told([found], node)
                return STRING
            case ast.Slice():
                self.children(node)
                return OTHER
            case ast.Yield(value=value) if value is not None:
                lost(self.program, [self.evaluate(value)], "a generator hands it out")
                self.escape(self.evaluate(value), "container-slot", "the generator's consumer holds the same tensor")
                return UNKNOWN
        self.children(node)
        return UNKNOWN

    def either(self, body: ast.expr, orelse: ast.expr, evaluating: int | None) -> Value:
        """One of two expressions; `evaluating` is the one that runs in evaluation alone."""
        entry, seldom = self.state.copy(), self.seldom_on
        self.seldom_on = seldom or evaluating == 0
        found = self.evaluate(body)
        other, self.state = self.state, entry
        self.seldom_on = seldom or evaluating == 1
        found = join(found, self.evaluate(orelse))
        self.state, self.seldom_on = other.join(self.state), seldom
        return found

    def watched(self, node: ast.Name | ast.Attribute, value: Value) -> Value:
        """Note a use of a tensor that is none of the plain ones; see Note [Safe is a closed world]."""
        if (value.tensor or value.items) and not is_plain_use(node, self.above.get(id(node)), self.above):
            self.escape(value, None, USED, node)
        if value.flags and not is_followed(node, self.above.get(id(node))):
            lost(self.program, [value], "it is used in a way that is not followed")
        return value

    def collected(self, node: ast.expr, value: Value) -> Value:
        """Note that a container holds tensors, unless it is taken apart or handed to torch at once."""
        if (value.memory or value.maybe) and not is_passing(node, self.above.get(id(node)), self.above):
            self.escape(value, None, HELD, node)
        return value

    def children(self, node: ast.AST) -> None:
        """Evaluate every expression below a node for its effects."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.evaluate(child)
            else:
                self.children(child)

    def name(self, name: str) -> Value:
        """A name: a variable, an import, or what a star import may have brought."""
        value = self.lookup(name)
        if value.kind is Kind.UNKNOWN and name not in self.state.names:
            for module in self.program.index.stars:
                for full in (f"{module}.{name}", f"{module}.{name}(inplace=)"):
                    if catalogue.result(full) or catalogue.writer(full):
                        return path(f"{module}.{name}")
        return value

    def display(self, elements: list[ast.expr]) -> Value:
        """A list or set display."""
        values = tuple(self.evaluate(e) for e in elements)
        flags = frozenset[int]().union(*(v.flags for v in values))
        return replace(sequence(values, exact=not _starred(elements)), flags=flags)

    def comprehension(self, generators: list[ast.comprehension], result: ast.expr) -> Value:
        """Names bound inside stay inside; the elements are one value."""
        outside = dict(self.state.names)
        iterating = self.iterating
        self.loops += 1
        before = self.state.copy()
        for generator in generators:
            source = self.evaluate(generator.iter)
            self.iterating |= rows(source) - memories(tuple(map(self.peek, self.once(generators, result))))[0]
            item = element(source)
            self.assign(generator.target, replace(item, iterated=True) if source.tensor else item)
            for condition in generator.ifs:
                self.evaluate(condition)
        value = self.evaluate(result)
        self.loops -= 1
        self.iterating = iterating
        self.state = before.join(self.state)
        bound = {n.id for g in generators for n in walk(g.target) if isinstance(n, ast.Name)}
        self.state.names = {k: v for k, v in self.state.names.items() if k not in bound} | {
            k: outside[k] for k in bound & outside.keys()
        }
        span = self.program.part.span(result)
        apart = len(generators) == 1 and self.is_told_apart(generators[0], result, source)
        each = one_by_one(value, source, self.place.name, span) if apart else None
        modules = beginning(generators, result)
        order = first_ones(self.peek(modules)) if modules is not None and self.is_builtin("range") else None
        made = each or collected(value, self.place.name, span)
        return replace(made, exact=False, order=order) if order is not None else made

    def is_told_apart(self, generator: ast.comprehension, result: ast.expr, source: Value) -> bool:
        """True if an expression reads nothing that shares memory with the elements but the element itself."""
        if generator.ifs or not isinstance(generator.target, ast.Name) or not is_plain(result):
            return False
        names = self.state.names
        read = [names[one.id] for one in every(result, ast.Name) if one.id in names and one.id != generator.target.id]
        held = source.memory | source.maybe
        return not any(overlap(one.memory | one.maybe, held) for one in (*read, *self.state.attrs.values()))

    def assign(self, target: ast.expr, value: Value) -> None:
        """Bind a target; statements override this with stores."""
        match target:
            case ast.Name(id=name):
                self.bind(name, value)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                parts = value.items if value.exact and len(value.items) == len(elements) else ()
                parts = () if _starred(elements) else parts
                for i, one in enumerate(elements):
                    self.assign(one, parts[i] if parts else self.unpacked(value, i))
            case ast.Starred(value=inner):
                self.assign(inner, sequence((value,)))

    def unpacked(self, value: Value, index: int) -> Value:
        """One of the values that `a, b = value` binds."""
        if value.tensor:
            whole = not value.view and self.is_made_here([value])
            return cut(element(value), f"rows@{self.root_span().start}", index) if whole else element(value)
        return cut(element(value), value.name, index) if value.name.startswith("pieces@") else element(value)

    def attribute(self, node: ast.Attribute) -> Value:
        """`base.attr`."""
        attr = node.attr
        base = self.glance(node.value) if attr in ("shape", *SHAPES) else self.evaluate(node.value)
        match base.kind:
            case Kind.TENSOR:
                return of_tensor(base, attr)
            case Kind.PATH:
                full = f"{base.name}.{attr}"
                of_math = base.name in ("math", "cmath") and attr in ("pi", "e", "inf", "nan", "tau")
                return NUMBER if of_math else _KNOWN.get(full, path(full))
            case Kind.ARRAY:
                return SIZE if attr == "shape" else base if attr in ("T", "real", "imag") else OTHER
        own = self.own_attribute(node, base)
        if own is not None:
            return own
        return self.guessed_attribute(node, base)

    def own_attribute(self, node: ast.Attribute, base: Value) -> Value | None:
        """An attribute of an instance of this file's classes, or of self."""
        text = dotted(node)
        if text in (*self.making, *self.growing) and text in self.state.names:
            return self.state.names[text]
        if text in self.state.attrs:
            return as_left(self.state.attrs[text], node.attr, self.program.tree)
        if base.name not in self.program.index.classes:
            return None
        self.note_use(node, base)
        value = self.program.index.attribute(base.name, node.attr)
        module = self.program.index.is_module(base.name)
        if value is None:
            if module and node.attr in ("weight", "bias"):
                value = tensor(2, True)
            elif node.attr == "training" and module:
                return NUMBER
            else:
                return None
        value = as_left(self.program.as_written(value, f"{base.name}.{node.attr}"), node.attr, self.program.tree)
        if value.tensor or value.kind in (Kind.LIST, Kind.DICT):
            return moved(value, Memory(Origin.ATTRIBUTE, text or node.attr))
        fixed = value.name == LIST and holds_all(value) and node.attr in fixed_lists(self.program.tree)
        return replace(value, exact=True) if fixed else value

    def note_use(self, node: ast.Attribute, base: Value) -> None:
        """Remember how an attribute is used: an in-place module that is only ever called has all its calls seen."""
        value = self.program.index.attribute(base.name, node.attr)
        if value is not None and value.flags:
            calls = (node, method_of(node, self.above))
            called = isinstance(self.root, ast.AST) and any(n.func in calls for n in every(self.root, ast.Call))
            asked = is_asked(node, self.above) or is_filled(node, self.above, self.program.tree)
            use = "call" if called else f"`{dotted(node)}` is used other than by calling it"
            fixed = value.name == LIST and node.attr in fixed_lists(self.program.tree)
            if called or not (fixed or asked or is_passed_on(self.above.get(id(node)))):
                for flag in value.flags:
                    self.program.note_use(flag, use)

    def guessed_attribute(self, node: ast.Attribute, base: Value) -> Value:
        """Attributes that tell what they are by their names."""
        attr = node.attr
        held = frozenset((Memory(Origin.ATTRIBUTE, dotted(node) or attr),))
        if attr == "shape":
            return SIZE
        if attr in ("weight", "bias", "weight_v", "weight_g") and base.kind is not Kind.OTHER:
            return replace(tensor(2, True, memory=held), leaf=True)
        if base.kind is Kind.MODULE and attr in ("running_mean", "running_var"):
            return tensor(3, False, memory=held)
        if attr == "data" and base.kind in (Kind.UNKNOWN, Kind.MODULE) and isinstance(node.value, ast.Attribute):
            return tensor(2, False, memory=held)
        if attr == "grad":
            return tensor(1, False, memory=held)
        if base.kind is Kind.UNKNOWN and attr in stored_attributes(self.program.tree):
            return replace(UNKNOWN, flags=flags_of_part(self, node.value, attr) or base.flags)
        return part_or_number(base, attr) if base.kind is Kind.MODULE or base.flags else UNKNOWN

    def subscript(self, node: ast.Subscript) -> Value:
        """`base[index]`."""
        if (owner := owner_of_part(node)) is not None:
            self.evaluate(node.slice)
            known = looks_at_parts(node, self.above, self.program.tree)
            return (None if known else got_by_name(self, self.evaluate(owner), node.slice, owner)) or UNKNOWN
        base = self.evaluate(node.value)
        index = self.evaluate(node.slice)
        if base.kind not in (Kind.TENSOR, Kind.ARRAY, Kind.MODULE):
            self.escape(index, None, "it is a key")
        match base.kind:
            case Kind.TENSOR:
                return self.indexed(node, base, index)
            case Kind.LIST | Kind.DICT | Kind.MODULE:
                return self.picked(node, base)
            case Kind.SIZE:
                return SIZE if isinstance(node.slice, ast.Slice) else NUMBER
            case Kind.ARRAY | Kind.STRING:
                return base
            case Kind.UNKNOWN if base.name.startswith("!"):
                return base  # `build_norm_layer(config, planes)[1]`
        if _tensor_index(node.slice):
            return replace(tensor(1, base.live, Dtype.ANY, base.memory), view=True)
        held = replace(UNKNOWN, sure=_believed(base), live=base.live, memory=base.memory, maybe=base.maybe)
        return replace(held, flags=base.flags)

    def indexed(self, node: ast.Subscript, base: Value, index: Value) -> Value:
        """A tensor's elements: a view for numbers and slices, a copy for masks and index tensors.

        A tensor without dimensions is a number; but the view of a leaf that it gives torch refuses to write.
        """
        parts = index.items if index.exact else (index,)
        copied = any(p.tensor and (p.dtype is Dtype.BOOL or base.leaf) for p in parts)
        elements = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if copied or any(isinstance(one, ast.List) for one in elements):
            return replace(base, memory=self.allocate(node), maybe=NOWHERE, view=False, leaf=False, layout=Layout.DENSE)
        plain = all(p.kind in (Kind.NUMBER, Kind.OTHER, Kind.NONE) for p in parts)
        fresh = NOWHERE if plain else self.allocate(node)
        self.state.unread |= fresh
        memory = base.memory | fresh
        rows = (isinstance(node.slice, ast.Slice) and node.slice.step is None) or index.kind is Kind.NUMBER
        rows = rows and (base.layout is Layout.ROWS or not base.view)
        whole = rows or takes_all(node.slice, [p.kind is Kind.NONE for p in parts])
        layout = base.layout if whole else max(base.layout, Layout.GAPS)
        return replace(base, memory=memory, view=True, leaf=False, layout=layout)


def _starred(elements: list[ast.expr]) -> bool:
    return any(isinstance(e, ast.Starred) for e in elements)


def _believed(base: Value) -> int:
    """How sure it is whether what something unknown holds requires grad."""
    return base.sure if base.kind is Kind.UNKNOWN else 0


def _tensor_index(node: ast.expr) -> bool:
    """True for an index that lists and dicts do not take: a tuple with a slice or an ellipsis."""
    if not isinstance(node, ast.Tuple):
        return False
    return any(isinstance(e, ast.Slice) or (isinstance(e, ast.Constant) and e.value is ...) for e in node.elts)
