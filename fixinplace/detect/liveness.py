"""Which names are read later: backward liveness over structured statements.

`after(stmt)` is the set of names that may be read after a statement before they are bound again, loops,
branches and handlers included.  Names that a nested function reads count as read wherever that function is
defined; `captured` lists them, since such a function may run at any later time.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from fixinplace.walking import children, remembered, walk

Names = frozenset[str]
EMPTY: Names = frozenset()
Function = ast.FunctionDef | ast.AsyncFunctionDef
_CONSUMERS = ("sum", "any", "all", "max", "min", "tuple", "list", "set", "sorted", "dict", "frozenset")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
APART = frozenset((*_SCOPES, ast.GeneratorExp))
DECLARING = (ast.Global, ast.Nonlocal)


@dataclass(frozen=True, slots=True)
class _Exits:
    """What is live where a jump leads: `break`, `continue`, leaving the function, an exception."""

    brk: Names = EMPTY
    cont: Names = EMPTY
    leave: Names = EMPTY
    error: Names = EMPTY


@remembered
def loads(node: ast.AST) -> Names:
    """Every name that is read anywhere inside a node, nested functions included."""
    return frozenset([n.id for n in walk(node) if type(n) is ast.Name and type(n.ctx) is ast.Load])


def stores(node: ast.AST) -> Names:
    """Every name that is bound anywhere inside a node."""
    return frozenset(n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def captured(body: Iterable[ast.stmt]) -> Names:
    """Names read by functions, lambdas, classes or generators defined inside these statements."""
    found: set[str] = set()
    for statement in body:
        found |= _captured_in(statement)
    return frozenset(found)


@remembered
def _captured_in(statement: ast.stmt) -> Names:
    if not any(type(node) in APART for node in walk(statement)):
        return EMPTY
    found: set[str] = set()
    consumed = {id(a) for n in walk(statement) if _consumes(n) for a in n.args}
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if type(node) not in APART or id(node) in consumed:
            todo += children(node)
        else:
            found |= _from_outside(node)
    return frozenset(found)


def _from_outside(node: ast.AST) -> Names:
    """Names that are read in a scope, apart from those that the functions in it bind themselves."""
    if isinstance(node, Function):
        inside = EMPTY.union(*(loads(one) for one in node.body)) - own_names(node)
        around = [*node.decorator_list, node.args, *([node.returns] if node.returns is not None else [])]
        return inside.union(declared(node.body), *map(loads, around))
    if isinstance(node, ast.ClassDef):
        return EMPTY.union(*map(_from_outside, children(node)))
    if isinstance(node, ast.Lambda):
        return (loads(node.body) - _parameters(node.args)) | loads(node.args)
    return loads(node) | declared([node])


def own_names(function: Function) -> Names:
    """Names that are the function's own unless it declares them: parameters, and what its statements assign to."""
    found = {*_parameters(function.args)}
    todo: list[ast.AST] = [*function.body]
    while todo:
        node = todo.pop()
        if type(node) not in APART and not isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp):
            todo += children(node)
            found |= {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()
    return frozenset(found)


def _parameters(a: ast.arguments) -> Names:
    return frozenset(n.arg for n in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if n is not None)


def _consumes(node: ast.AST) -> TypeGuard[ast.Call]:
    """True for a call that runs a generator to its end before it returns."""
    return type(node) is ast.Call and isinstance(node.func, ast.Name) and node.func.id in _CONSUMERS


def declared(body: Iterable[ast.AST]) -> Names:
    """Names that these statements declare `global` or `nonlocal`."""
    return EMPTY.union(*map(_declared_in, body))


@remembered
def _declared_in(node: ast.AST) -> Names:
    return frozenset([name for n in walk(node) if type(n) is ast.Global or type(n) is ast.Nonlocal for name in n.names])


class Liveness:
    """Liveness of one function body or module body."""

    def __init__(self, body: Sequence[ast.stmt], at_exit: Names = EMPTY) -> None:
        self._body, self._at_exit = body, at_exit
        self._after: dict[int, Names] = {}
        exits = _Exits(leave=at_exit | declared(body), error=EMPTY)
        self._block(body, exits.leave, exits)

    def after(self, statement: ast.stmt) -> Names:
        """Names read after `statement`; for a compound one, after its header within it too."""
        return self._after.get(id(statement), EMPTY)

    @functools.cached_property
    def used(self) -> Liveness:
        """The same, but for reads by statements that only write into what the name stands for: `x.mul_(2)`."""
        return _Used(self._body, self._at_exit)

    @functools.cached_property
    def lost(self) -> Liveness:
        """The names that a later statement may only write into, of which nothing reads what it wrote."""
        return _Lost(self._body, self.used)

    def _reads(self, node: ast.AST) -> Names:
        return loads(node)

    def _block(self, body: Sequence[ast.stmt], out: Names, exits: _Exits) -> Names:
        for statement in reversed(body):
            out |= exits.error
            self._after[id(statement)] = self._after.get(id(statement), EMPTY) | out
            out = self._statement(statement, out, exits)
        return out

    def _statement(self, node: ast.stmt, out: Names, exits: _Exits) -> Names:
        match node:
            case ast.If():
                inner = self._block(node.body, out, exits) | self._block(node.orelse, out, exits)
                self._after[id(node)] |= inner
                return self._reads(node.test) | inner
            case ast.While():
                return self._loop(node, self._reads(node.test), EMPTY, out, exits)
            case ast.For() | ast.AsyncFor():
                head = self._reads(node.target) | self._reads(
                    node.iter
                )  # the iterator goes on reading what it was made from
                return self._loop(node, head, _bound(node.target), out, exits)
            case ast.With() | ast.AsyncWith():
                inner = self._block(node.body, out, exits)
                self._after[id(node)] |= inner
                return inner.union(*(self._reads(item) for item in node.items))
            case ast.Try() | ast.TryStar():
                return self._try(node, out, exits)
            case ast.Match():
                inner = frozenset().union(*(self._block(case.body, out, exits) for case in node.cases), out)
                self._after[id(node)] |= inner
                return inner | self._reads(node.subject) | frozenset().union(*(self._reads(c) for c in node.cases))
            case ast.Return():
                return self._reads(node) | exits.leave
            case ast.Raise():
                return self._reads(node) | exits.error | exits.leave
            case ast.Break():
                return exits.brk
            case ast.Continue():
                return exits.cont
        return self._simple(node, out)

    def _simple(self, node: ast.stmt, out: Names) -> Names:
        match node:
            case ast.Assign():
                killed = frozenset().union(*(_bound(target) for target in node.targets))
            case ast.AnnAssign() if node.value is not None:
                killed = _bound(node.target)
            case ast.Delete():
                killed = frozenset(t.id for t in node.targets if isinstance(t, ast.Name))
            case ast.AugAssign(target=ast.Name(id=name)):
                return out | self._reads(node) | {name}
            case _:
                killed = EMPTY
        return (out - killed) | self._reads(node)

    def _loop(self, node: ast.While | ast.For | ast.AsyncFor, head: Names, killed: Names, out: Names,
              exits: _Exits) -> Names:  # fmt: skip
        done = self._block(node.orelse, out, exits)
        entry = head | done
        while True:
            inner = self._block(node.body, entry, replace(exits, brk=out, cont=entry)) - killed
            if inner | entry == entry:
                break
            entry |= inner
        self._after[id(node)] |= entry
        return entry

    def _try(self, node: ast.Try | ast.TryStar, out: Names, exits: _Exits) -> Names:
        last = self._block(node.finalbody, out, exits)
        final = self._block(node.finalbody, exits.leave, exits) if node.finalbody else EMPTY
        inner = replace(exits, leave=exits.leave | final, brk=exits.brk | final, cont=exits.cont | final)
        handlers = EMPTY.union(*(self._block(h.body, last, inner) for h in node.handlers))
        handlers = handlers.union(*(self._reads(h.type) for h in node.handlers if h.type is not None))
        body = replace(inner, error=exits.error | handlers | last)
        orelse = self._block(node.orelse, last, inner)
        entry = self._block(node.body, orelse, body)
        self._after[id(node)] |= entry | handlers
        return entry | handlers


class _Used(Liveness):
    """See `Liveness.used`."""

    def _simple(self, node: ast.stmt, out: Names) -> Names:
        target = _written(node)
        if target is None:
            return super()._simple(node, out)
        return out | frozenset(n.id for n in walk(node) if _is_read(n) and n is not target)


class _Lost(Liveness):
    """See `Liveness.lost`."""

    def __init__(self, body: Sequence[ast.stmt], used: Liveness) -> None:
        self._used = used
        super().__init__(body)

    def _reads(self, node: ast.AST) -> Names:
        return EMPTY

    def _simple(self, node: ast.stmt, out: Names) -> Names:
        target = _written(node)
        if target is None:
            return super()._simple(node, out)
        return out | (frozenset((target.id,)) - self._used.after(node))


def _is_read(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _written(node: ast.stmt) -> ast.Name | None:
    """The name whose tensor is written by a statement that does nothing else: `x[0] += 1`, `x.data.mul_(a).add_(b)`."""
    match node:
        case ast.AugAssign(target=target) | ast.Assign(targets=[ast.Subscript() as target]):
            return _root(target)
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr)) as call) if attr.endswith("_"):
            return _root(call)
    return None


def _root(node: ast.expr) -> ast.Name | None:
    match node:
        case ast.Name():
            return node
        case ast.Subscript(value=value) | ast.Attribute(value=value, attr="data" | "T"):
            return _root(value)
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr.endswith("_") or attr in _PARTS:
            return _root(value)
    return None


_PARTS = ("view", "narrow", "select", "diagonal", "t", "transpose", "squeeze", "unsqueeze", "view_as", "detach")


def binds(statement: ast.AST | None) -> Names:
    """Plain names that an assignment certainly binds, once all else of it is done."""
    match statement:
        case ast.Assign(targets=targets):
            return EMPTY.union(*map(_bound, targets))
        case ast.AnnAssign(target=target, value=ast.expr()):
            return _bound(target)
    return EMPTY


def _bound(target: ast.expr) -> Names:
    """Plain names that an assignment to `target` certainly binds."""
    match target:
        case ast.Name(id=name):
            return frozenset((name,))
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return EMPTY.union(*(_bound(e) for e in elements))
        case ast.Starred(value=value):
            return _bound(value)
    return EMPTY
