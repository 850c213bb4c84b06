"""Optimizer steps, and which modules an optimizer teaches, read off its construction."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from fixinplace.repair.base import Scene
from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.paths import meets, path
from fixinplace.repair.steps.scopes import everywhere
from fixinplace.trace.events import Place

_HOPS = 6


@dataclass(frozen=True, slots=True)
class Step:
    """A statement that steps: the text of its optimizer, and the scaler that steps it."""

    optimizer: str
    scaler: str = ""


def step_of(statement: ast.stmt) -> Step | None:
    """The optimizer step that a statement is: `opt.step()`, `scaler.step(opt)`, `xm.optimizer_step(opt)`."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="step"), args=arguments)):
            text = ast.unparse(owner)
            if _named(text, "sched", "lr_", "warmup", "env", "prof"):
                return None
            if _named(text, "scal") and arguments:
                return Step(ast.unparse(arguments[0]), text)
            return Step(text) if not arguments or path(arguments[0]) != "action" else None
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="optimizer_step"), args=[first, *_])):
            return Step(ast.unparse(first))
    return None


def clears(statement: ast.AST) -> str | None:
    """Whose gradients a statement clears: `opt` for `opt.zero_grad()`."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="zero_grad"))):
            return ast.unparse(owner)
    return None


def scaler_update(statement: ast.stmt) -> bool:
    """True for `scaler.update()`."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="update"), args=[])):
            return _named(ast.unparse(owner), "scal")
    return False


def _named(text: str, *words: str) -> bool:
    return any(word in text.lower() for word in words)


@dataclass(frozen=True, slots=True)
class Taught:
    """The modules whose parameters an optimizer steps; alone: it steps nothing else."""

    modules: tuple[str, ...]
    alone: bool


@dataclass(frozen=True)
class Optimizers:
    """Constructions of optimizers as a function knows them, as far as the files of a scene show them.

    above: the places of the calls that led to the function, the nearest first.
    """

    scene: Scene
    code: Code
    function: Function | None
    above: tuple[Place, ...]

    def teaches(self, optimizer: str) -> tuple[str, ...] | None:
        """The modules whose parameters an optimizer steps, as the function writes them; None if not seen."""
        found = self.taught(optimizer)
        return None if found is None else found.modules

    def taught(self, optimizer: str) -> Taught | None:
        """The same, with whether that is all."""
        return self._within(self.code, self.function, optimizer, self.above, _HOPS)

    def schedules(self, scheduler: str) -> str | None:
        """The optimizer that a learning rate scheduler was made for, if its construction is seen."""
        for value in _assigned(self.code, self.function, scheduler):
            if isinstance(value, ast.Call) and value.args:
                return ast.unparse(value.args[0])
        return None

    def _within(self, code: Code, function: Function | None, optimizer: str, above: tuple[Place, ...],
                hops: int) -> Taught | None:  # fmt: skip
        values = _assigned(code, function, optimizer)
        found = {_made_elsewhere(code, function, value) for value in values} - {None}
        if len(found) == 1:
            return found.pop()
        if found or not hops:
            return None
        return self._passed(code, function, optimizer, above, hops) or _member(code, optimizer)

    def _passed(self, code: Code, function: Function | None, optimizer: str, above: tuple[Place, ...],
                hops: int) -> Taught | None:  # fmt: skip
        """What an optimizer that is a parameter of the function steps, as the caller passes it."""
        call = self._caller(above)
        if function is None or call is None:
            return None
        there, node = call
        given = {name: ast.unparse(value) for name, value in _arguments(function, node)}
        root, dot, rest = optimizer.partition(".")
        if root == "self" or root not in given:
            return None
        found = self._within(there, there.function(node), given[root] + dot + rest, above[1:], hops - 1)
        if found is None:
            return None
        back = {text: name for name, text in given.items()}
        named = tuple(_translated(module, back, there is code) for module in found.modules)
        return Taught(named, found.alone) if all(named) else None

    def _caller(self, above: tuple[Place, ...]) -> tuple[Code, ast.Call] | None:
        spot = self.scene.node(above[0]) if above else None
        if spot is None:
            return None
        code, node = spot
        calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
        return (code, calls[0]) if calls else None


def _made(code: Code, function: Function | None, value: ast.expr) -> Taught | None:
    """What `Adam(net.parameters())` steps."""
    if not isinstance(value, ast.Call):
        return None
    keywords = [k.value for k in value.keywords if k.arg in ("params", "base_optimizer", "parameters")]
    first = [*value.args[:1], *keywords]
    found = tuple(dict.fromkeys(module for each in first for module in _parameters(code, function, each)))
    return Taught(found, all(_plain(code, function, each) for each in first)) if found else None


def _made_elsewhere(code: Code, function: Function | None, value: ast.expr) -> Taught | None:
    """The same in the words of a function, also where another method of the class has made it."""
    owner = code.function(value)
    if owner is None or owner is function or (function is not None and owner in code.up(function)):
        return _made(code, function, value)
    found = _made(code, owner, value)
    modules = [everywhere(module, owner) for module in found.modules] if found is not None else []
    named = tuple(dict.fromkeys(module for module in modules if module is not None))
    return Taught(named, found.alone) if found is not None and None not in modules else None


def _translated(module: str, back: dict[str, str], same_file: bool) -> str:
    """A module of the caller in the words of the function called; empty where it has none."""
    for text, name in back.items():
        if module == text or module.startswith(text + "."):
            return name + module[len(text) :]
    return module if same_file and module.startswith("self.") else ""


def _arguments(function: Function, call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    if names[:1] in (["self"], ["cls"]):
        names = names[1:]
    yield from zip(names, call.args, strict=False)
    yield from ((k.arg, k.value) for k in call.keywords if k.arg is not None)


def _assigned(code: Code, function: Function | None, target: str) -> list[ast.expr]:
    """The values that a name or attribute is assigned: in the function, else in the whole file."""
    everywhere: list[tuple[ast.expr, Function | None]] = []
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Assign):
            everywhere += [
                (value, code.function(node)) for t in node.targets for value in _value(t, node.value, target)
            ]
        elif isinstance(node, ast.AnnAssign) and node.value is not None and ast.unparse(node.target) == target:
            everywhere.append((node.value, code.function(node)))
    here = [value for value, owner in everywhere if owner is function]
    if here or target.startswith("self."):
        return here or [value for value, _ in everywhere]
    return [value for value, owner in everywhere if owner is None]


def _value(target: ast.expr, value: ast.expr, wanted: str) -> Iterator[ast.expr]:
    """The value that a target with the wanted text gets; `d["k"]` is looked up in a dict that is written out."""
    text = ast.unparse(target)
    if text == wanted:
        yield value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for each, one in zip(target.elts, value.elts, strict=True):
            yield from _value(each, one, wanted)
    elif isinstance(value, ast.Dict):
        for key, one in zip(value.keys, value.values, strict=True):
            if key is not None and f"{text}[{ast.unparse(key)}]" == wanted:
                yield one


def _parameters(code: Code, function: Function | None, node: ast.expr, hops: int = 3) -> Iterator[str]:
    for name in _named_parts(node) if hops else ():
        for value in _assigned(code, function, name):
            yield from _parameters(code, function, value, hops - 1)
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Attribute(value=owner, attr="parameters")):
                yield ast.unparse(owner)


def _named_parts(node: ast.expr) -> Iterator[str]:
    """Names of lists that a list is put together from: `shared` in `shared + list(head.parameters())`."""
    match node:
        case ast.Name(id=name):
            yield name
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from (name for each in (left, right) for name in _named_parts(each))
        case ast.Starred(value=value) | ast.Call(func=ast.Name(id="list"), args=[value]):
            yield from _named_parts(value)
        case (
            ast.List(elts=parts)
            | ast.Tuple(elts=parts)
            | ast.Call(func=ast.Name(id="chain"), args=parts)
            | ast.Call(func=ast.Attribute(attr="chain"), args=parts)
        ):
            yield from (name for each in parts for name in _named_parts(each))
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            yield from (name for key, value in pairs if _is_params(key) for name in _named_parts(value))


def _plain(code: Code, function: Function | None, node: ast.expr, hops: int = 3) -> bool:
    """True for `net.parameters()` and for lists, sums and chains of such."""
    match node:
        case ast.Call(func=ast.Attribute(attr="parameters"), args=[]):
            return True
        case ast.Call(func=ast.Name(id="list" | "chain") | ast.Attribute(attr="chain"), args=parts):
            return all(_plain(code, function, each, hops) for each in parts)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return all(isinstance(e, (ast.Starred, ast.Dict)) and _plain(code, function, e, hops) for e in parts)
        case ast.Starred(value=value):
            return _plain(code, function, value, hops)
        case ast.Dict(keys=keys, values=values):
            named = zip(keys, values, strict=True)
            return all(_plain(code, function, v, hops) for k, v in named if _is_params(k))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _plain(code, function, left, hops) and _plain(code, function, right, hops)
        case ast.Name(id=name):
            values = _assigned(code, function, name) if hops else []
            return bool(values) and all(_plain(code, function, each, hops - 1) for each in values)
    return False


def _is_params(key: ast.expr | None) -> bool:
    return key is None or (isinstance(key, ast.Constant) and key.value == "params")


def _member(code: Code, optimizer: str) -> Taught | None:
    """What `agent.opt` steps, if one class of the file sets `self.opt`."""
    owner, dot, name = optimizer.rpartition(".")
    if not dot or owner == "self":
        return None
    found = set()
    for value in _assigned(code, None, f"self.{name}"):
        made = _made_elsewhere(code, None, value)
        if made is not None and all(module.startswith("self.") for module in made.modules):
            found.add(Taught(tuple(owner + module[4:] for module in made.modules), made.alone))
    return found.pop() if len(found) == 1 else None


def one_shot(code: Code, function: Function | None, name: str) -> bool:
    """True if a name may hold an iterator, which gives its elements once only."""
    makers = ("iter", "zip", "map", "filter", "reversed", "enumerate")
    for value in _assigned(code, function, name):
        match value:
            case ast.GeneratorExp() | ast.Call(func=ast.Attribute(attr="parameters" | "modules" | "children")):
                return True
            case ast.Call(func=ast.Name(id=maker)) if maker in makers:
                return True
    return False


def disjoint(some: tuple[str, ...] | None, others: tuple[str, ...] | None) -> bool:
    """True if two optimizers are known to teach different modules."""
    return some is not None and others is not None and not any(meets(a, b) for a in some for b in others)
