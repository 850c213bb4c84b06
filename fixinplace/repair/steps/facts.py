"""What a statement reads, binds and does, helpers of the same file included."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.paths import EMPTY, Paths, base, begins, bound, flows, path, reads

_DRAWS = frozenset(
    "next sample rsample rand randn randint randperm multinomial bernoulli poisson draw shuffle choice choices".split()
)
_ACTS = frozenset(
    "zero_grad put write send save log add_scalar reset store close pop popleft popitem print input read readline "
    "readlines open unscale_".split()
)
_MATHEMATICS = ("torch", "math", "np", "numpy")
_ACTING_WORDS = frozenset("step backward push".split())
_UPDATES = frozenset("append extend insert remove clear pop popleft appendleft setdefault update add discard".split())
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about one statement, or about the header of a compound one.

    reads: paths it loads. flows: those through which a gradient comes to what it binds. binds: paths bound anew.
    updates: paths changed in part. draws: calls that give something else each time. acts: calls with an effect that
    must not happen twice. jumps: it may leave the block. pairs: of `a, b = f(x), g(y)`, what each binds and from where.
    """

    reads: Paths = EMPTY
    flows: Paths = EMPTY
    binds: Paths = EMPTY
    updates: Paths = EMPTY
    draws: tuple[str, ...] = ()
    acts: tuple[str, ...] = ()
    jumps: bool = False
    pairs: tuple[tuple[Paths, Paths], ...] = ()

    @property
    def writes(self) -> Paths:
        """All paths that are another thing afterwards."""
        return self.binds | self.updates

    def __or__(self, other: Facts) -> Facts:
        return Facts(
            self.reads | other.reads,
            self.flows | other.flows,
            self.binds | other.binds,
            self.updates | other.updates,
            (*self.draws, *other.draws),
            (*self.acts, *other.acts),
            self.jumps or other.jumps,
            (*self.pairs, *other.pairs),
        )


@dataclass
class Reader:
    """Facts about the statements of one file."""

    code: Code
    known: dict[int, Facts] = field(default_factory=dict)

    @cached_property
    def imported(self) -> Paths:
        """Names under which the file imports: `F.relu_(x)` changes `x`, not `F`."""
        imports = (node for node in ast.walk(self.code.tree) if isinstance(node, (ast.Import, ast.ImportFrom)))
        return frozenset((each.asname or each.name).split(".")[0] for node in imports for each in node.names)

    def facts(self, statement: ast.stmt) -> Facts:
        """Facts about a statement and all that stands in it."""
        if id(statement) not in self.known:
            self.known[id(statement)] = self._facts(statement, 0)
        return self.known[id(statement)]

    def header(self, statement: ast.stmt) -> Facts:
        """Facts about the header of a compound statement: the loop variable, the names of a `with`."""
        match statement:
            case ast.For(target=target, iter=iterable):
                return self._bindings([target], iterable) | self._calls([iterable], statement, 0)
            case ast.While(test=test) | ast.If(test=test):
                return Facts(reads=reads(test)) | self._calls([test], statement, 0)
            case ast.With(items=items):
                found = Facts()
                for item in items:
                    targets = [] if item.optional_vars is None else [item.optional_vars]
                    found |= self._bindings(targets, item.context_expr)
                return found
        return Facts()

    def called(self, call: ast.Call, near: ast.AST) -> Function | None:
        """The function or method of this file that is called by name or as `self.name`."""
        match call.func:
            case ast.Name(id=name):
                body: list[ast.stmt] = self.code.tree.body
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                owner = next((up for up in self.code.up(near) if isinstance(up, ast.ClassDef)), None)
                body = owner.body if owner is not None else []
            case _:
                return None
        return next((each for each in body if isinstance(each, Function) and each.name == name), None)

    # --- one statement

    def _facts(self, node: ast.stmt, depth: int) -> Facts:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return Facts(reads=reads(node), binds=frozenset({node.name}))
        parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.expr, ast.withitem))]
        found = self._own(node) | self._calls(parts, node, depth)
        if isinstance(node, ast.With):
            found |= self.header(node)
        blocks = list(_blocks(node))
        for block in blocks:
            found |= self._block(block, found.binds, depth)
        if isinstance(node, (ast.For, ast.While)) and not any(isinstance(n, ast.Return) for n in ast.walk(node)):
            found = replace(found, jumps=False)
        quiet = isinstance(node, ast.With) and any(untracked(item.context_expr) for item in node.items)
        sure = not blocks or isinstance(node, ast.With)
        return _loose(replace(found, flows=EMPTY) if quiet else found, sure)

    def _block(self, block: Iterable[ast.stmt], bindings: Paths, depth: int) -> Facts:
        """Statements one after the other: what one binds is no longer read from outside by the next."""
        found = Facts()
        for statement in block:
            facts = self._facts(statement, depth)
            outer, coming = (
                frozenset(name for name in names if not any(begins(name, each) for each in bindings))
                for names in (facts.reads, facts.flows)
            )
            found |= replace(facts, reads=outer, flows=coming, pairs=())
            bindings |= facts.binds
        return found

    def _own(self, node: ast.stmt) -> Facts:
        match node:
            case ast.Assign(targets=targets, value=value):
                return replace(self._bindings(targets, value), pairs=tuple(_pairs(targets, value)))
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                return self._bindings([target], value)
            case ast.AugAssign(target=target, value=value):
                name = base(target)
                names = frozenset() if name is None else frozenset({name})
                return Facts(reads(value) | reads(target) | names, flows(value) | names, EMPTY, names)
            case ast.For() | ast.AsyncFor():
                return self._bindings([node.target], node.iter)
            case ast.Delete(targets=targets):
                return Facts(binds=frozenset(p for t in targets if (p := base(t)) is not None))
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                return Facts(binds=frozenset((a.asname or a.name).split(".")[0] for a in names))
            case ast.Return() | ast.Break() | ast.Continue():
                return Facts(reads=reads(node), jumps=True)
        parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return Facts(frozenset().union(*map(reads, parts)), frozenset().union(*map(flows, parts)))

    def _bindings(self, targets: list[ast.expr], value: ast.expr) -> Facts:
        found = [pair for target in targets for pair in bound(target)]
        binds = frozenset(name for name, whole in found if whole)
        updates = frozenset(name for name, whole in found if not whole)
        return Facts(reads(value) | updates | frozenset().union(*map(reads, targets)), flows(value), binds, updates)

    # --- calls

    def _calls(self, parts: Iterable[ast.AST], near: ast.stmt, depth: int) -> Facts:
        found = Facts()
        for part in parts:
            for node in ast.walk(part):
                if isinstance(node, ast.NamedExpr):
                    found |= Facts(binds=frozenset({node.target.id}))
                elif isinstance(node, (ast.Yield, ast.YieldFrom)):
                    found |= Facts(jumps=True)
                elif isinstance(node, ast.Call):
                    found |= self._call(node, near, depth)
        return found

    def _call(self, call: ast.Call, near: ast.stmt, depth: int) -> Facts:
        helper = self.called(call, near)
        if helper is not None and depth < _DEPTH:
            return self._helper(helper, depth + 1)
        name = path(call.func) or (call.func.attr if isinstance(call.func, ast.Attribute) else "")
        last = name.rsplit(".", 1)[-1]
        words = set(last.split("_"))
        text = self.code.source_of(call)
        statement = isinstance(near, ast.Expr) and near.value is call
        target = base(call.func.value) if isinstance(call.func, ast.Attribute) else None
        if target is not None and target.split(".")[0] in self.imported:
            target = base(call.args[0]) if call.args else None
        updated = target is not None and isinstance(call.func, ast.Attribute) and _changes(call.func.attr)
        acts = (last in _ACTS and not _is_logarithm(call)) or bool(words & _ACTING_WORDS) or (statement and not updated)
        flowing = frozenset().union(*map(flows, call.args))
        return Facts(
            updates=frozenset({target}) if updated and target is not None else EMPTY,
            flows=flowing if updated else EMPTY,
            draws=(text,) if words & _DRAWS else (),
            acts=(text,) if acts else (),
        )

    def _helper(self, helper: Function, depth: int) -> Facts:
        """What a call of a function of this file does to the attributes of `self`, and which effects it has."""
        found = self._block(helper.body, EMPTY, depth)
        reading, flowing = _own_paths(found.reads), _own_paths(found.flows)
        return Facts(
            reading, flowing, _own_paths(found.binds), _own_paths(found.updates), found.draws, found.acts
        )  # fmt: skip


def _is_logarithm(call: ast.Call) -> bool:
    """True for `torch.log(x)` and `x.log()`, which log nothing."""
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="log"), args=[_], keywords=[]):
            return name in _MATHEMATICS
        case ast.Call(func=ast.Attribute(attr="log"), args=[], keywords=[]):
            return True
    return False


def _own_paths(names: Paths) -> Paths:
    return frozenset(name for name in names if name.startswith("self."))


def untracked(context: ast.expr) -> bool:
    """True for `with torch.no_grad()` and `with torch.inference_mode()`."""
    node = context.func if isinstance(context, ast.Call) else context
    return (path(node) or "").rsplit(".", 1)[-1] in ("no_grad", "inference_mode")


def _pairs(targets: list[ast.expr], value: ast.expr) -> Iterator[tuple[Paths, Paths]]:
    match targets, value:
        case [ast.Tuple(elts=names)], ast.Tuple(elts=values) if len(names) == len(values):
            for name, one in zip(names, values, strict=True):
                yield frozenset(found for found, whole in bound(name) if whole), flows(one)


def _changes(attr: str) -> bool:
    return attr in _UPDATES or (attr.endswith("_") and not attr.endswith("__"))


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The blocks of a compound statement, those of handlers and cases included."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if block:
            yield block
    for child in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield child.body


def _loose(facts: Facts, sure: bool) -> Facts:
    """In a branch or loop a name may keep its old value: bound there means updated."""
    if sure:
        return facts
    return replace(facts, binds=EMPTY, updates=facts.writes, pairs=())
