"""Places of containers: `hs[0] += 1` can become `hs[0] = hs[0] + 1` where the list is this function's own.

Note [Places of containers]
    Binding a place anew reaches everybody who comes by the container, and nobody who has the tensor itself.  Names,
    attributes and containers that hold it are looked for as with a name's tensor; the container itself is none of
    them.  What remains is that two of its places hold one tensor, perhaps only for arguments that no run has: then a
    run that agrees proves nothing, and the write stays.  A display is known element by element, a comprehension whose
    element allocates makes a tensor in every round, and what is put in by itself may be a tensor that is just made.
"""

from __future__ import annotations

import ast
from typing import cast

from fixinplace import catalogue
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Kind, Origin
from fixinplace.detect.program import HELD, Observation
from fixinplace.detect.replacing import replace
from fixinplace.detect.roles import Roles, add_hazard
from fixinplace.detect.values import Memories, Value, distinct, element, memories, named, overlap
from fixinplace.model import Place
from fixinplace.walking import walk

_RULES = ("FIP103", "FIP104", "FIP105", "FIP106", "FIP113", "FIP114")
_PART_RULES = ("FIP103", "FIP104", "FIP106", "FIP109", "FIP113", "FIP114")
_COMPREHENSIONS = (ast.ListComp, ast.SetComp)
_DISPLAYS = (ast.List, ast.ListComp, ast.Dict, ast.DictComp)
_PLAIN = (ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context)


def is_put_back(target: ast.expr, call: ast.AST) -> bool:
    """True for `hs[i] = hs[i].relu_()` and `hs[i] = relu_(hs[i])`: the place gets what was written in it."""
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Subscript() as written)):
            return ast.unparse(written) == ast.unparse(target)
        case ast.Call(args=[ast.Subscript() as written, *_]):
            return ast.unparse(written) == ast.unparse(target)
    return False


def _given_up(value: Value, base: Value) -> Value:
    """A value without the order of a list that it may be, or hold."""
    if value.kind not in (Kind.LIST, Kind.DICT):
        return value
    shared = overlap(value.memory | value.maybe, base.memory | base.maybe)
    if shared or (_holds_modules(value) and (base.kind is Kind.UNKNOWN or _holds_modules(base))):
        items = (element(value),) if value.items else ()
        return replace(value, items=items, exact=False, order=None)
    return value


def _holds_modules(value: Value) -> bool:
    return value.order is not None or any(
        one.kind is Kind.MODULE or _holds_modules(one) for one in map(named, value.items)
    )


class Containers(Roles):
    """Tells places of lists and dicts that can be bound to a new tensor."""

    def is_own(self, node: ast.expr, container: Value) -> bool:
        """True for a container that only this function's names hold."""
        if not all(m.origin in (Origin.ALLOCATED, Origin.EARLIER) for m in container.memory):
            return False
        if isinstance(node, ast.Attribute):
            return dotted(node) in self.making and dotted(node) in self.state.names
        return isinstance(node, ast.Name) and node.id in self.state.names and self.binds(node.id)

    def disordered(self, base: Value) -> None:
        """A list changes, under whichever of its names: what stands at which place of it is not known any more.

        What shares a tensor with it may be the same list, and so may, of lists of modules, any other.
        """
        for table in (self.state.names, self.state.attrs):
            for name, value in table.items():
                if value.items or value.order is not None:
                    table[name] = _given_up(value, base)

    def held_place(self, node: ast.AST, rule: str, target: ast.expr, place: Place, owner: ast.expr
                   ) -> tuple[Place, ast.expr, ast.Name | None]:  # fmt: skip
        """The place and the owner of a write, and the container where that is what is bound anew."""
        slot = self.slot(node, rule, target)
        if slot is not None:
            return Place.SLOT, slot, cast("ast.Name", slot.value)
        holder = self.container(node, rule, target)
        return (place if holder is None else Place.ITEM), owner, holder

    def container(self, node: ast.AST, rule: str, target: ast.expr) -> ast.Name | None:
        """The container whose place a statement writes, if the place can be bound anew."""
        return self._holder(node, target) if rule in _RULES else None

    def _holder(self, node: ast.AST, target: ast.expr) -> ast.Name | None:
        match target:
            case ast.Subscript(value=ast.Name() as holder, slice=index) if self._stands_alone(node):
                base = self.peek(holder)
                known = base.kind in (Kind.LIST, Kind.DICT) and self.is_own(holder, base)
                plain = all(isinstance(each, _PLAIN) for each in walk(index))
                return holder if known and plain and self._is_written_down(holder.id) else None
        return None

    def slot(self, node: ast.AST, rule: str, target: ast.expr) -> ast.Subscript | None:
        """The place of a container whose tensor a statement writes a part of: `hs[0]` of `hs[0][:, 1] = 0`.

        None if the place cannot be bound anew, or the statement reads the container besides.
        """
        inner = target
        while isinstance(inner, ast.Subscript) and isinstance(inner.value, ast.Subscript):
            inner = inner.value
        match inner:
            case ast.Subscript(value=ast.Name(id=name)) if inner is not target and rule in _PART_RULES:
                mentioned = sum(isinstance(n, ast.Name) and n.id == name for n in walk(self.root))
                holder = self._holder(self.root if rule == "FIP109" else node, inner)
                return inner if mentioned == 1 and holder is not None and self.peek(inner).tensor else None
        return None

    def gone_through(self, node: ast.AST) -> set[int]:
        """Mentions of lists that comprehensions around a node go through, tensor by tensor and each of them once."""
        found: set[int] = set()
        for comprehension in (n for n in walk(self.root) if isinstance(n, _COMPREHENSIONS)):
            if any(each is node for each in walk(comprehension.elt)):
                found |= {id(name) for name in self.once(comprehension.generators, comprehension.elt)}
        return found

    def share_rounds(self, seen: Observation, node: ast.AST, owner: ast.expr) -> None:
        """A list that is gone through once holds the tensor for nobody: who reads the list later is told apart."""
        for comprehension in (n for n in walk(self.root) if isinstance(n, _COMPREHENSIONS)):
            if any(each is node for each in walk(comprehension.elt)):
                bound = [n.id for n in walk(comprehension.generators[0].target) if isinstance(n, ast.Name)]
                if dotted(owner) in bound and self.once(comprehension.generators, comprehension.elt):
                    seen.doubts.pop(HELD, None)

    def is_own_list(self, name: ast.Name, container: Value) -> bool:
        """True for a list of the function's own with a tensor of its own in each place."""
        known = container.kind is Kind.LIST and distinct(container) and self.is_own(name, container)
        return known and self._is_written_down(name.id)

    def note_listed(self, seen: Observation, name: str, container: Value) -> None:
        """Note whether a container that holds the written tensor can have its place bound anew, see `Facts.listed`."""
        fits = container.kind in (Kind.LIST, Kind.DICT) and distinct(container) and self._is_written_down(name)
        fits = fits and self.is_own(ast.Name(name, ast.Load()), container)
        self.note_container(seen, name if fits else "")

    def note_container(self, seen: Observation, name: str) -> None:
        """One more container that holds the written tensor, "" for one that is none of those."""
        known = cast("frozenset[str]", seen.facts.get("listed", frozenset()))
        seen.facts["listed"] = known | {name}

    def note_holders(self, seen: Observation, name: str, value: Value, written: Value) -> None:
        """Note a name that holds the written tensor, and of a list or a tuple that is known exactly in which places."""
        if value.tensor:
            found = {name}
        elif value.kind is Kind.LIST and value.exact:
            places = (f"{name}[{n}]" for n, item in enumerate(value.items) if overlap(item.memory, written.memory))
            found = {*places} or {""}
        else:
            found = {""}
        seen.facts["holders"] = cast("frozenset[str]", seen.facts.get("holders", frozenset())) | found

    def share_list(self, seen: Observation) -> None:
        """The one container whose place can be bound anew holds the tensor for nobody else."""
        found = cast("frozenset[str]", seen.facts.get("listed", frozenset()))
        holders = cast("frozenset[str]", seen.facts.get("holders", frozenset()))
        if (len(found) == 1 and "" not in found) or (holders and "" not in holders):
            seen.doubts.pop(HELD, None)

    def once(self, generators: list[ast.comprehension], result: ast.expr) -> list[ast.Name]:
        """The lists whose tensors a comprehension goes through once, each of them another tensor than all others."""
        names = _listed(generators[0].iter) if len(generators) == 1 else []
        inner = [result, *(one for generator in generators for one in generator.ifs)]
        read = {each.id for one in inner for each in walk(one) if isinstance(each, ast.Name)}
        return [name for name in names if name.id not in read and distinct(self.peek(name))]

    def each_once(self, over: ast.expr) -> Memories:
        """The storages of tensors that a loop takes from places of their own, which can be bound anew meanwhile."""
        match over:
            case ast.Call(func=ast.Attribute(value=ast.Name() as table, attr="items" | "values"), args=[], keywords=[]):
                names = [table]
            case _:
                names = _listed(over)
        held = [self.peek(name) for name in names]
        return memories(tuple(one for one in held if distinct(one)))[0]

    def _is_written_down(self, name: str) -> bool:
        """True if the name stands for lists and dicts that are written down here: a tuple takes no new elements."""
        nodes = [node for one in self.body for node in walk(one)]
        bound = sum(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in nodes)
        return name not in self.captured and bound == sum(_binds_list(node, name) for node in nodes)

    def _stands_alone(self, node: ast.AST) -> bool:
        """True for a statement that writes this once, and binds no name on the way."""
        root = self.root
        bound = isinstance(root, ast.Assign) and len(root.targets) == 1 and is_put_back(root.targets[0], node)
        whole = isinstance(root, (ast.Expr, ast.Assign)) and root.value is node and isinstance(node, ast.Call)
        if whole and (bound or isinstance(root, ast.Expr)):
            assert isinstance(node, ast.Call)
            inner: list[ast.expr] = [*node.args, *(word.value for word in node.keywords)]
        elif isinstance(node, ast.AugAssign) or (isinstance(node, ast.Assign) and len(node.targets) == 1):
            inner = [node.value]
        else:
            return False
        return not any(isinstance(each, ast.NamedExpr) or _writes(each) for one in inner for each in walk(one))

    def share_places(self, seen: Observation, holder: ast.Name, written: Value) -> None:
        """Whether another place of the container may hold the tensor; see Note [Places of containers]."""
        base = self.peek(holder)
        seen.doubts.pop(HELD, None)
        if written.leaf:
            add_hazard(seen, "registered-parameter", f"a place of `{holder.id}` holds a leaf: it cannot be replaced")
        if not distinct(base):
            add_hazard(seen, "container-slot", f"another place of `{holder.id}` may hold the same tensor")
            seen.facts["holders"] = frozenset(("",))


def read_again(node: ast.AST, root: ast.AST) -> set[int]:
    """Names inside a node that are read once more in the next round of a comprehension around it: not its own."""
    found: set[int] = set()
    for scope in (n for n in walk(root) if isinstance(n, (*_COMPREHENSIONS, ast.DictComp, ast.GeneratorExp))):
        if any(each is node for each in walk(scope)):
            bound = {n.id for one in scope.generators for n in walk(one.target) if isinstance(n, ast.Name)}
            found |= {id(n) for n in walk(node) if isinstance(n, ast.Name) and n.id not in bound}
    return found


def _listed(over: ast.expr) -> list[ast.Name]:
    """The lists that `for p in parts` and `for p, q in zip(parts, others)` go through."""
    match over:
        case ast.Name():
            return [over]
        case ast.Call(func=ast.Name(id="zip" | "enumerate" | "reversed"), args=args):
            return [each for each in args if isinstance(each, ast.Name)]
    return []


def _binds_list(node: ast.AST, name: str) -> bool:
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=bound)], value=value)
            | ast.AnnAssign(target=ast.Name(id=bound), value=value)
        ):
            call = (
                isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in ("list", "dict")
            )
            return bound == name and (call or isinstance(value, _DISPLAYS))
        case ast.AugAssign(target=ast.Name(id=bound)):
            return bound == name
    return False


def _writes(node: ast.AST) -> bool:
    """True for a call that may write in place."""
    match node:
        case ast.Call(func=ast.Attribute(attr=attr)):
            return attr.endswith("_") or catalogue.writer(f"Tensor.{attr}") is not None
    return False
