"""Stores into a tensor in a loop: what is read of it meanwhile is cloned where it is read.

Note [Clones of what is read]
    `t[i] = t[i - 1] * w` keeps `t[i - 1]`, a view of t, for backward, and the next store changes t's version.  A clone
    of t in every round would cost the square of its length.  It is enough that nothing of t is kept before a store:
    `t[i] = t[i - 1].clone() * w` keeps the clone of a slot, and each store goes into a tensor that nobody has kept.
      What a store itself computes keeps nothing (see `KEEPING_NOTHING`), nor do `+`, `-`, looks at sizes, and within
      the loop sums of all of it.
      Of a tensor read as a whole before the loop, or made by an operation that keeps its result, one clone is made
      before the loop; one that is read as a whole within it is left alone.
      Only operands of what computes a new tensor are cloned, and views of them within the expression.  Where a slot is
      put into a container, or handed to code that may write it, a write through that would miss the tensor: that loop
      is left alone.  So it is where a slot is bound to a name, unless nothing is done with that but computing: no store
      finds it alive then, or the tensor would have another holder.
"""

from __future__ import annotations

import ast
import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fixinplace.catalogue import Memory, result
from fixinplace.detect.index import dotted
from fixinplace.detect.order import keeps_nothing
from fixinplace.model import Edit, Found, Place, Span, Usage
from fixinplace.rewrite.reads import is_new
from fixinplace.rewrite.setting import joint
from fixinplace.source import Text
from fixinplace.walking import above, children, remembered, walk

KEEPING_NOTHING = frozenset(
    "Tensor.__setitem__ Tensor.__iadd__ Tensor.__isub__ Tensor.__imul__ Tensor.__itruediv__ Tensor.add_ Tensor.sub_"
    " Tensor.mul_ Tensor.div_ Tensor.copy_ Tensor.fill_ Tensor.zero_".split()
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SIZES = ("shape", "dtype", "device", "ndim")
_ASKS = ("size", "dim", "numel", "clone")
_VIEWS = (
    "view reshape flatten squeeze unsqueeze t transpose permute narrow select expand expand_as view_as swapaxes movedim"
).split()
_SUMS = ("sum", "mean", "cumsum", "flip", "roll", "repeat", "trace")
_FLAG_FROM = 3
"""Functionals take `inplace` by position from the third argument on: calls with so many are left alone."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Sites that store into one tensor in loops, the edits that cure them all, and these as lines for a title.

    No edits: nothing of the tensor is kept while they run, so that they are finished code.
    """

    found: tuple[Found, ...]
    edits: tuple[Edit, ...]
    told: tuple[str, ...]


def slots(part: Text, tree: ast.Module, found: Sequence[Found]) -> Iterator[Slots]:
    """The tensors whose stores in loops can stay as they are; see Note [Clones of what is read]."""
    wanted = [one for one in found if _is_store(one) and one.facts.in_loop and not one.facts.hazards]
    if not wanted:
        return
    owners = _owners(part, tree, found)
    for scope in [tree, *(n for n in walk(tree) if isinstance(n, FUNCTIONS))]:
        inside = owners.get(id(scope), [])
        for name in dict.fromkeys(one.site.target for one in wanted if one in inside):
            sites = [one for one in inside if one.site.target == name]
            if all(map(_is_store, sites)) and not any(map(_is_hindered, sites)):
                yield from _Slots(part, scope, name, sites, _own_code(tree), _module_writes(found)).plan()


@remembered
def own_nodes(scope: ast.AST) -> Sequence[ast.AST]:
    """The nodes of a function or module that belong to no function inside it, in the order of the text."""
    found: list[ast.AST] = []
    todo = [*reversed(children(scope))]
    while todo:
        node = todo.pop()
        found.append(node)
        if not isinstance(node, _SCOPES):
            todo += reversed(children(node))
    return found


def is_seen_within(scope: ast.AST, name: str) -> bool:
    """True if a name of a function is seen by another scope, or stands in an f-string, where it has no position."""
    inner = (n for n in walk(scope) if isinstance(n, (*_SCOPES, ast.JoinedStr)) and n is not scope)
    shared = (n for n in walk(scope) if isinstance(n, ast.Global | ast.Nonlocal))
    return any(isinstance(m, ast.Name) and m.id == name for n in inner for m in walk(n)) or any(
        name in n.names for n in shared
    )


def _is_store(found: Found) -> bool:
    facts = found.facts
    plain = facts.place is Place.SUBSCRIPT and found.site.op in KEEPING_NOTHING and found.site.target.isidentifier()
    called = found.site.rule == "FIP104"
    alone = not called or (facts.part and facts.usage is Usage.STATEMENT)
    return plain and alone and not facts.family and facts.tracked is not False


def _is_hindered(found: Found) -> bool:
    return found.facts.parameter is not None or any(h.refusal != "finished" for h in found.facts.hazards)


def _owners(part: Text, tree: ast.Module, found: Sequence[Found]) -> dict[int, list[Found]]:
    """The sites by the innermost function around them, else the module, by its identity; in their order."""
    spans = sorted(((part.span(n), n) for n in walk(tree) if isinstance(n, FUNCTIONS)), key=lambda each: each[0].start)
    owners: dict[int, list[Found]] = {}
    for one in found:
        begun = bisect.bisect_right(spans, one.site.span.start, key=lambda each: each[0].start)
        around = (n for span, n in reversed(spans[:begun]) if span.contains(one.site.span))
        owners.setdefault(id(next(around, tree)), []).append(one)
    return owners


def _own_code(tree: ast.Module) -> frozenset[str]:
    """Names of the functions and methods of the file: what is passed to them may be written, there or further on."""
    return frozenset(n.name for n in walk(tree) if isinstance(n, FUNCTIONS))


def _module_writes(found: Sequence[Found]) -> bool:
    """True if a module of the file may write what it is called with."""
    flags = any(one.site.rule in ("FIP107", "FIP108") for one in found)
    called = (one for one in found if one.site.function.rpartition(".")[2] in ("forward", "__call__"))
    return flags or any(one.facts.parameter is not None for one in called)


@dataclass
class _Slots:
    part: Text
    scope: ast.AST
    name: str
    sites: list[Found]
    own: frozenset[str]
    flags: bool

    def plan(self) -> Iterator[Slots]:
        """The edits, unless something hinders."""
        self.above = above(self.scope)
        self.left: set[Span] = set()
        self.apart: set[str] = set()
        made = self._made()
        if made is None:
            return
        self.outer = set(map(id, self._loops(made)))
        self.stores = [n for n in self._names() if self._is_target(n)]
        reads = [n for n in self._names() if isinstance(n.ctx, ast.Load) and n not in self.stores]
        early = [n for n in reads if any(self._precedes(n, store) for store in self.stores)]
        edits: list[Edit] = []
        told: list[str] = []
        for read in early:
            if self._within(read):
                whole = self._slot(read)
                if self._keeps_nothing(whole):
                    continue
                if whole is read or not self._may_clone(whole):
                    return
                end = self.part.span(whole).end
                edits.append(Edit(Span(end, end), ".clone()"))
                told.append(self.part.slice(self.part.span(whole)) + ".clone()")
        before = self._clones_before(made, early)
        if before is None:
            return
        edits += before
        told = [f"{self.name} = {self.name}.clone()"] * bool(before) + told
        found = tuple(one for one in self.sites if one.site.statement not in self.left)
        yield Slots(found, tuple(edits), tuple(dict.fromkeys(told)))

    def _names(self) -> list[ast.Name]:
        return [n for n in walk(self.scope) if isinstance(n, ast.Name) and n.id == self.name]

    def _made(self) -> ast.Assign | None:
        """The one statement that binds the name, if no other scope sees it."""
        bound = [n for n in self._names() if isinstance(n.ctx, ast.Store | ast.Del)]
        if len(bound) != 1 or not isinstance(self.scope, FUNCTIONS):
            return None
        if is_seen_within(self.scope, self.name):
            return None
        parent = self.above[id(bound[0])]
        statement = self.above[id(parent)] if isinstance(parent, ast.Tuple) else parent
        return statement if isinstance(statement, ast.Assign) and self._value(statement) is not None else None

    def _value(self, made: ast.Assign) -> ast.expr | None:
        """What the name is bound to, also as one of several: `t, u = torch.zeros(3), torch.zeros(3)`."""
        match made:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == self.name:
                return value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)) if len(names) == len(values):
                given = zip(names, values, strict=True)
                return next(
                    (value for each, value in given if isinstance(each, ast.Name) and each.id == self.name), None
                )
        return None

    def _loops(self, node: ast.AST) -> list[ast.AST]:
        """The loops around a node, innermost first."""
        found: list[ast.AST] = []
        while (parent := self.above.get(id(node))) is not None:
            found += [parent] if isinstance(parent, _LOOPS) else []
            node = parent
        return found

    def _within(self, node: ast.AST) -> list[ast.AST]:
        """The loops around a node that do not make the tensor anew in each round."""
        return [loop for loop in self._loops(node) if id(loop) not in self.outer]

    def _is_target(self, name: ast.Name) -> bool:
        """True for `t` in `t[i] = v`, `t[i] += v` and `t[i].add_(v)`."""
        node = self._slot(name)
        span = self.part.span(node)
        parent = self.above.get(id(node))
        for one in self.sites:
            same = one.site.statement.start == span.start or one.site.span.start == span.start
            if same and node is not name and one.site.span.contains(span):
                return True
        return isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and parent is not None

    def _precedes(self, read: ast.Name, store: ast.Name) -> bool:
        """True if a store may come after a read, with the tensor still the same."""
        before = self.part.span(read).start < self.part.span(store).start
        common = set(map(id, self._within(read))) & set(map(id, self._within(store)))
        statement = self._statement(read) is self._statement(store)
        return before or statement or bool(common)

    def _statement(self, node: ast.AST) -> ast.stmt:
        while not isinstance(node, ast.stmt):
            node = self.above[id(node)]
        return node

    def _slot(self, name: ast.Name) -> ast.expr:
        """The longest chain of subscripts that begins with the name."""
        node: ast.expr = name
        while isinstance(parent := self.above.get(id(node)), ast.Subscript) and parent.value is node:
            node = parent
        return node

    def _keeps_nothing(self, node: ast.expr) -> bool:
        """True where a slot is read and nothing of it is kept for backward, nor held by anybody."""
        match self.above.get(id(node)):
            case ast.Compare():
                return True
            case ast.BinOp(left=left, op=op, right=right) if keeps_nothing(left, op, right):
                return True
            case ast.Attribute(attr=attr) as parent:
                called = isinstance(self.above.get(id(parent)), ast.Call)
                whole = isinstance(node, ast.Name) and bool(self._within(node))
                return attr in _SIZES or (called and attr in (*_ASKS, *(_SUMS if whole else ())))
            case ast.Call(func=ast.Name(id="len")):
                return True
            case ast.Assign(targets=[ast.Subscript()], value=value):
                return value is node
            case ast.AugAssign(target=ast.Subscript(), op=ast.Add() | ast.Sub(), value=value):
                return value is node
            case ast.IfExp(test=test) as parent:
                return node is not test and self._keeps_nothing(parent)
        return False

    def _may_clone(self, node: ast.expr) -> bool:
        """True where a slot is an operand of something that computes a new tensor from it, and holds on to nothing.

        An element of a container, a name that is written, the receiver of `.data`: a write through any of them reaches
        the tensor, which a clone would not.
        """
        parent = self.above.get(id(node))
        match parent:
            case ast.BinOp() | ast.UnaryOp():
                return True
            case ast.AugAssign(value=value):
                return value is node
            case ast.Attribute(attr=attr):
                call = self.above.get(id(parent))
                called = isinstance(call, ast.Call) and call.func is parent
                viewed = called and attr in _VIEWS and isinstance(call, ast.expr) and self._may_clone(call)
                return viewed or (called and _is_new(f"Tensor.{attr}"))
            case ast.IfExp(test=test):
                return node is not test and self._may_clone(parent)
            case ast.Assign(targets=[ast.Name(id=name)]):
                return self._only_computes(name)
            case ast.keyword():
                return self._computes(self.above.get(id(parent)))
            case ast.Call():
                return parent.func is not node and self._computes(parent)
        return False

    def _only_computes(self, name: str) -> bool:
        """True for a name of the function's own that is bound once, and only read to compute something new."""
        found = [n for n in walk(self.scope) if isinstance(n, ast.Name) and n.id == name]
        bound = [n for n in found if not isinstance(n.ctx, ast.Load)]
        given = any(isinstance(n, ast.arg) and n.arg == name for n in walk(self.scope))
        if len(bound) != 1 or given or name in self.apart or is_seen_within(self.scope, name):
            return False
        self.apart.add(name)
        wholes = [self._slot(n) for n in found if n not in bound]
        return all(_is_read(each) and (self._keeps_nothing(each) or self._may_clone(each)) for each in wholes)

    def _computes(self, call: ast.AST | None) -> bool:
        """True for a call of torch's own that gives a new tensor, and of a module of self where no module writes."""
        if not isinstance(call, ast.Call) or any(k.arg in ("out", "inplace", None) for k in call.keywords):
            return False
        head, _, last = dotted(call.func).rpartition(".")
        if head in ("torch", "F", "torch.nn.functional", "nn.functional") and len(call.args) < _FLAG_FROM:
            return _is_new(f"torch.{last}") or _is_new(f"torch.nn.functional.{last}")
        return head == "self" and not self.flags and last not in self.own

    def _clones_before(self, made: ast.Assign, early: Sequence[ast.Name]) -> list[Edit] | None:
        """Clones before the loops at which the tensor may be kept already; None where no line can stand."""
        outside = [n for n in early if not self._within(n) and not self._keeps_nothing(self._slot(n))]
        value = self._value(made)
        kept: list[ast.AST] = [*outside, *([] if value is not None and _is_unkept(value) else [made])]
        single: list[ast.AST] = [store for store in self.stores if not self._within(store)]
        loops = self._outermost()
        edits: list[Edit] = []
        dirty = False
        places = [(self._start(n), n) for n in (*kept, *loops)] + [(self._end(n), n) for n in single]
        for start, node in sorted(places, key=lambda pair: pair[0]):
            between = joint(self.part, self._start(node))
            if node in kept:
                dirty = True
            elif dirty and node in single:
                self.left.add(self.part.span(self._statement(node)))  # a store of its own, with a clone of its own
            elif dirty and between == "; ":
                return None
            elif dirty:
                edits.append(Edit(Span(start, start), f"{self.name} = {self.name}.clone(){between}"))
                dirty = False
        return edits

    def _end(self, node: ast.AST) -> int:
        """Where the statement of a store ends: its value is read before anything is stored."""
        return self.part.span(self._statement(node)).end

    def _start(self, node: ast.AST) -> int:
        assert isinstance(node, ast.expr | ast.stmt)
        return self.part.span(node).start

    def _outermost(self) -> list[ast.stmt]:
        loops = {id(around[-1]): around[-1] for store in self.stores if (around := self._within(store))}
        return sorted((n for n in loops.values() if isinstance(n, ast.stmt)), key=lambda n: self.part.span(n).start)


def _is_new(name: str) -> bool:
    """True if the catalogue says that the call gives a new tensor, and the name is none of an in-place one."""
    row = result(name)
    return row is not None and row.memory is Memory.FRESH and not name.endswith("_")


def _is_read(node: ast.expr) -> bool:
    """True for a name, and for an element of it that is not stored into."""
    return not isinstance(node, ast.Subscript) or isinstance(node.ctx, ast.Load)


def _is_unkept(value: ast.expr) -> bool:
    """True for a value that the operation which makes it does not keep for its own backward."""
    return is_new(value) or (
        isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub | ast.Mult | ast.Div)
    )
