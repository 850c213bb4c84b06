"""Who holds torch, a module that others share or the class of tensors as a value; see Note [What names stand for]."""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fixinplace import walking
from fixinplace.detect.index import all_imports, canonical, dotted, parameter_names
from fixinplace.detect.outermost import outermost
from fixinplace.walking import every, functions, walk

_LIBRARIES = ("builtins", "copy", "itertools", "functools", "operator", "einops")
_MODULES = frozenset(
    "torch torch.nn torch.nn.functional torch.functional torch.nn.modules torch.linalg torch.fft"
    " torch.special torch.autograd torch._C torch.ops torch.Tensor torch.FloatTensor torch.nn.Parameter"
    " torch.nn.parameter.Parameter torch.nn.Module torch.autograd.Variable torch.autograd.Function".split()
) | {*_LIBRARIES}
"""What is shared by all code, and is only ever handed on by who wants to look into it."""
_SETTINGS = ("torch.backends.", "torch._dynamo.", "torch._inductor.", "torch.utils.", "torch.nn.init.")
"""What no operation on tensors that are computed with is looked up in."""
_PARTS = frozenset("nn functional Tensor Parameter Module linalg special fft autograd _C modules parameter".split())
_REACHES = frozenset("__class__ __mro__ __base__ __bases__".split())
"""How a class is got hold of by an instance or a subclass."""
_FINDS = ("import_module", "__import__")
_TAKES_OUT = ("get", "pop", "setdefault", "values", "items", "copy", "popitem")
_PUTS_IN = ("append", "add", "insert", "update", "setdefault", "extend", "appendleft")
_GATHERS = frozenset(
    "list tuple dict set sorted reversed enumerate zip iter next copy deepcopy chain partial map filter SimpleNamespace"
    " Namespace".split()
)
"""What hands back what it is given, or a container of that."""
_ASKS = ("isinstance", "issubclass", "hasattr", "len", "id", "callable", "type")
"""Functions that call nothing of what they are given but what looks at it."""
_BUILTINS = frozenset(dir(builtins))
_Named = ast.Name | ast.arg | ast.MatchAs | ast.MatchStar
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Store:
    """An attribute of `base` is set, or deleted; attr: its name, None if that is computed."""

    node: ast.expr
    base: ast.expr
    attr: str | None


def stores(tree: ast.Module) -> Iterator[Store]:
    """All places where attributes are set or deleted, by a text or otherwise."""
    for one in every(tree, ast.Attribute):
        if not isinstance(one.ctx, ast.Load):
            yield Store(one, one.value, one.attr)
    for call in every(tree, ast.Call):
        match call:
            case ast.Call(func=ast.Attribute(value=base, attr="__setattr__" | "__delattr__"), args=[name, *rest]):
                whole = len(rest) < 2
                yield Store(call, base if whole else name, _text(name if whole else rest[0]))
            case ast.Call(func=func, args=[base, *names]) if last(func) in ("setattr", "delattr"):
                yield Store(call, base, _text(names[0]) if names else None)


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def last(func: ast.expr) -> str:
    """The last name of a path, whatever it begins with."""
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _passed(call: ast.Call) -> Iterator[tuple[int | str | None, ast.expr]]:
    """What a call passes, and at which place or by which name; None for one that is not known."""
    starred = False
    for place, one in enumerate(call.args):
        starred |= isinstance(one, ast.Starred)
        yield (None if starred else place), one
    yield from ((each.arg, each.value) for each in call.keywords)


def _parameters(function: _Function, place: int | str | None) -> list[str]:
    """The parameters that may be given what is passed at a place; a method may be given an object before that."""
    names = parameter_names(function)
    if isinstance(place, str) and place in names:
        return [place]
    if isinstance(place, int) and place + 1 < len(names) and not function.args.vararg:
        return names[place : place + 1 if isinstance(function, ast.Lambda) else place + 2]
    return names


class Calls:
    """The calls of a file, and the functions that may be given what they pass."""

    def __init__(self, tree: ast.Module, imported: frozenset[str]) -> None:
        self.all = every(tree, ast.Call)
        self._imported = imported
        self._named: dict[str, list[_Function]] = defaultdict(list)
        for function in functions(tree):
            self._named[function.name].append(function)
        for cls in every(tree, ast.ClassDef):
            self._named[cls.name] += [one for one in functions(cls) if one.name in ("__init__", "__new__")]
        stored = {one.id for one in every(tree, ast.Name) if not isinstance(one.ctx, ast.Load)}
        self.defined = imported | stored | self._named.keys()
        called = {id(call.func) for call in self.all}
        values = {last(one) for kind in (ast.Name, ast.Attribute) for one in every(tree, kind) if id(one) not in called}
        self._loose: list[_Function] = [*every(tree, ast.Lambda), *self._named["__call__"]]
        self._loose += [one for name in values for one in self._named.get(name, ())]

    def takers(self, call: ast.Call, loose: bool) -> Iterator[tuple[_Function, bool]]:
        """The functions that may be called, and whether by their names: those that are passed beside may be as well.

        loose: where nothing is known of what is called, it may be any function that is used as a value.
        """
        for one in (call.func, *(given for _, given in _passed(call))):
            found = [one] if isinstance(one, ast.Lambda) else self._named.get(last(one), ())
            yield from ((each, one is call.func) for each in found)
        func = call.func
        head = dotted(func).split(".")[0]
        elsewhere = head in self._imported or (isinstance(func, ast.Name) and func.id in _BUILTINS)
        own = isinstance(func, ast.Lambda) or last(func) in self._named
        if loose and not elsewhere and not own:
            yield from ((each, True) for each in self._loose)


class Holders:
    """The names and attributes of a file that may hold a shared module, or a class that is reached by an instance."""

    def __init__(self, tree: ast.Module) -> None:
        self._paths: dict[str, set[str]] = defaultdict(set)
        for name, path in all_imports(tree):
            self._paths[name].add(path)
        stars = (one.module or "" for one in every(tree, ast.ImportFrom) if any(a.name == "*" for a in one.names))
        for module in stars:
            for name in ("torch", "nn", "Tensor", "Parameter", "functional") if module.startswith("torch") else ():
                self._paths[name].add("torch" if name == "torch" else f"{module}.{name}")
        self._above, self._outer = walking.above(tree), outermost(tree)
        declared = [*(one.names for one in every(tree, ast.Global)), *(one.names for one in every(tree, ast.Nonlocal))]
        self._declared = {name for names in declared for name in names}
        own = (scoped for one in _local(tree, self._above) for scoped in self._scoped(one))
        self._own = {(scope, name) for scope, name in own if name not in self._declared}
        self._names: set[tuple[int, str]] = set()
        self._attrs: set[str] = set()
        self._found: set[tuple[int, str]] = set()
        bound, calls = [*_bound(tree)], Calls(tree, frozenset(self._paths))
        known = -1
        while known < (known := len(self._names) + len(self._attrs) + len(self._found)):
            for targets, value, passing in bound:
                if self._carries(value, self.holds) if passing else self.holds(value):
                    for target in targets:
                        self._learn(target)
                elif self._carries(value, self._finds) if passing else self._finds(value):
                    plain = [one for target in targets for one in walk(target) if isinstance(one, _Named)]
                    self._found |= {scoped for one in plain for scoped in self._scoped(one)}
            for call in calls.all:
                self._hand(call, calls)

    def _learn(self, target: ast.AST) -> None:
        """What is bound holds one, or a container of one."""
        match target:
            case ast.Name() | ast.arg() | ast.MatchAs() | ast.MatchStar():
                self._names |= self._scoped(target)
                if isinstance(target, ast.Name) and self._is_of_class(target):
                    self._attrs.add(target.id)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self._names.add((self._scopes(self._above[id(target)])[0], name))
                self._attrs.add(name)
            case ast.Attribute(attr=attr) | ast.keyword(arg=str(attr)):
                self._attrs.add(attr)
            case ast.Subscript(value=inner) | ast.Starred(value=inner):
                self._learn(inner)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self._learn(part)

    def _scopes(self, node: ast.AST) -> list[int]:
        """The functions around a node, the nearest first, and 0 for the module."""
        found: list[int] = []
        around: ast.AST | None = node
        while around is not None:
            if isinstance(around, _Function):
                found.append(id(around))
            around = self._above.get(id(around))
        return [*found, 0]

    def _is_of_class(self, node: ast.AST) -> bool:
        """True for a name that the body of a class binds: it is an attribute as well."""
        around = self._above.get(id(node))
        while around is not None and not isinstance(around, _Function | ast.ClassDef):
            around = self._above.get(id(around))
        return isinstance(around, ast.ClassDef)

    def _scoped(self, node: _Named) -> set[tuple[int, str]]:
        """A name with the scope that it is bound in: all around where it is declared to be another one's."""
        name = node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else node.name or "self"
        scopes = self._scopes(node)
        return {(scope, name) for scope in (scopes if name in self._declared else scopes[:1]) if name != "self"}

    def _is_among(self, node: ast.Name, names: set[tuple[int, str]]) -> bool:
        for scope in self._scopes(node) if names else ():
            if (scope, node.id) in names:
                return True
            if (scope, node.id) in self._own:  # which hides what the scopes around it mean by the name
                return False
        return False

    def _hand(self, call: ast.Call, calls: Calls) -> None:
        """Parameters of functions that the call may give what it passes hold that."""
        if isinstance(call.func, ast.Name) and call.func.id in _ASKS and call.func.id not in calls.defined:
            return
        for place, one in _passed(call):
            held = self.holds(one)
            if held or self._finds(one):
                named = not _MODULES.isdisjoint(self._spelled(one))
                for function, direct in calls.takers(call, loose=named):
                    names = _parameters(function, place if direct else None)
                    into = self._names if held else self._found
                    into |= {(id(function), name) for name in names if name != "self"}

    def holds(self, node: ast.expr) -> bool:
        """True for a shared module or class that is named, and for a container of some."""
        match node:
            case ast.Name(id=name):
                known = name == "__builtins__" or self._is_among(node, self._names)
                return known or not _MODULES.isdisjoint(self._spelled(node))
            case ast.Attribute(value=value, attr=attr):
                known = attr in self._attrs or (attr in _PARTS and self.holds(value))
                return known or not _MODULES.isdisjoint(self._spelled(node))
            case ast.Call(func=ast.Attribute(value=inner, attr=attr)) if attr in _TAKES_OUT and self.holds(inner):
                whole = not _MODULES.isdisjoint(self._spelled(inner))  # `copy.copy(x)` takes nothing out of `copy`
                return not whole or any(self.holds(one) for _, one in _passed(node))
            case ast.Call(func=func):
                given = last(func) in _GATHERS and any(self.holds(one) for _, one in _passed(node))
                return given or self._is_told(func)
            case ast.Dict(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return any(map(self.holds, parts))
            case ast.BoolOp(values=parts):
                return any(map(self.holds, parts))
            case ast.IfExp(body=body, orelse=other):
                return self.holds(body) or self.holds(other)
            case (
                ast.NamedExpr(value=inner)
                | ast.Starred(value=inner)
                | ast.Lambda(body=inner)
                | ast.Subscript(value=inner)
            ):
                return self.holds(inner)
            case ast.ListComp(elt=inner) | ast.SetComp(elt=inner) | ast.GeneratorExp(elt=inner):
                return self.holds(inner)
        return False

    def _is_told(self, func: ast.expr) -> bool:
        """True for a function that returns one, by its name."""
        if isinstance(func, ast.Name):
            return self._is_among(func, self._names)
        return isinstance(func, ast.Attribute) and func.attr in self._attrs

    def _finds(self, node: ast.expr) -> bool:
        """True for what gets hold of a module by a text, or of a class by an instance, and for a name of that.

        Much code asks for a class like this, and few change it: what containers and attributes hold is not followed.
        """
        match node:
            case ast.Name():
                return self._is_among(node, self._found) or "sys.modules" in self._spelled(node)
            case ast.Attribute(value=value, attr=attr):
                reached = attr in _REACHES and dotted(value) not in ("self", "cls")
                return reached or "sys.modules" in self._spelled(node) or (attr in _PARTS and self._finds(value))
            case ast.Call(func=ast.Name(id="type"), args=[one], keywords=[]):
                return dotted(one) not in ("self", "cls")
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _TAKES_OUT:
                return self._finds(value)
            case ast.Call(func=ast.Attribute(value=value, attr="__subclasses__" | "mro")):
                return dotted(value) not in ("self", "cls")
            case ast.Call(func=ast.Name(id="getattr"), args=[one, *_]):
                return self.holds(one)
            case ast.Call(func=func):
                found = {last(func), *(path.rsplit(".", 1)[-1] for path in self._spelled(func))}
                given = last(func) in _GATHERS and any(self._finds(one) for one in node.args)
                return given or not found.isdisjoint(_FINDS)
            case ast.Dict(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                return any(map(self._finds, parts))
            case ast.Subscript(value=ast.Call(func=ast.Name(id="globals"))):
                return True
            case ast.Subscript(value=inner) | ast.NamedExpr(value=inner):
                return self._finds(inner)
            case ast.IfExp(body=body, orelse=other):
                return self._finds(body) or self._finds(other)
            case ast.BoolOp(values=parts):
                return any(map(self._finds, parts))
        return False

    def _spelled(self, node: ast.expr) -> set[str]:
        """The paths that an expression may spell out, by the imports of the file."""
        head, dot, rest = dotted(node).partition(".")
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and isinstance(root.ctx, ast.Load) and id(root) not in self._outer:
            return set()  # a name of a function's own
        return {canonical(f"{path}{dot}{rest}") for path in self._paths.get(head, ())}

    def is_named(self, base: ast.expr) -> bool:
        """True for what the file spells out as a part of torch, or of another shared module."""
        return any(path in _MODULES or _is_part(path) for path in self._spelled(base))

    def may_be(self, base: ast.expr) -> bool:
        """True for an object on which nobody may set an attribute without changing what other code means."""
        if self.is_named(base):
            return True
        return self._carries(base, self.holds) or self._carries(base, self._finds)

    def _carries(self, node: ast.expr, asked: Callable[[ast.expr], bool]) -> bool:
        """True if such a thing stands in an expression, other than to take an attribute from it or to call it.

        What a call is given may come back from it, but for a class that an instance is asked for.
        """
        passed: set[int] = set()
        for one in walk(node):
            if isinstance(one, ast.Attribute):
                passed.add(id(one.value))
            elif isinstance(one, ast.Subscript):
                passed |= {id(each) for each in walk(one.slice)}
            elif isinstance(one, ast.Call) and not (isinstance(one.func, ast.Name) and asked(one.func)):
                passed.add(id(one.func))
                if asked == self._finds and last(one.func) not in _GATHERS:
                    passed |= {id(each) for _, given in _passed(one) for each in walk(given)}
        return any(isinstance(one, ast.expr) and id(one) not in passed and asked(one) for one in walk(node))


def _is_part(path: str) -> bool:
    head = path.split(".", 1)[0]
    return (head == "torch" and not f"{path}.".startswith(_SETTINGS)) or (head in _LIBRARIES and path != head)


def _local(tree: ast.Module, above: Mapping[int, ast.AST]) -> Iterator[ast.Name | ast.arg]:
    """Names that a scope binds for itself, as far as that is plain: parameters and assignments."""
    yield from every(tree, ast.arg)
    for name in (one for one in every(tree, ast.Name) if isinstance(one.ctx, ast.Store)):
        around = above.get(id(name))
        while isinstance(around, ast.Tuple | ast.List | ast.Starred):
            around = above.get(id(around))
        if isinstance(around, ast.Assign | ast.AnnAssign | ast.For | ast.withitem):
            yield name


_Bound = tuple[Sequence[ast.AST], ast.expr, bool]
"""What is bound, to which value, and whether a part of that may be meant."""


def _bound(tree: ast.Module) -> Iterator[_Bound]:
    for node in walk(tree):
        match node:
            case ast.Match(subject=value):
                yield [one for one in walk(node) if isinstance(one, ast.MatchAs | ast.MatchStar)], value, True
            case ast.Assign(targets=targets, value=value):
                yield targets, value, False
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                yield [target], value, False
            case ast.AugAssign(target=target, value=value):
                yield [target], value, False
            case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                yield [target], value, True
            case ast.comprehension(target=target, iter=value):
                yield [target], value, True
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                yield [target], value, True
            case ast.keyword(arg=str(), value=value):
                yield [node], value, False
            case ast.Call(func=ast.Attribute(value=target, attr=attr), args=args) if attr in _PUTS_IN:
                yield from (([target], value, False) for value in args)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from _of_function(node)


def _of_function(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Iterator[_Bound]:
    """Defaults of parameters; what a function returns is reached by its name."""
    plain = [*node.args.posonlyargs, *node.args.args]
    defaults = node.args.defaults
    for each, value in zip(plain[len(plain) - len(defaults) :], defaults, strict=True):
        yield [each], value, False
    for each, given in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if given is not None:
            yield [each], given, False
    if not isinstance(node, ast.Lambda):
        told = [*(one.value for one in every(node, ast.Return)), *(one.value for one in every(node, ast.Yield))]
        yield from (([node], value, False) for value in told if value is not None)
