"""Classes that are not what their text says: a decorator or a metaclass puts another in their place, a body rebinds."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from fixinplace.detect.holders import last
from fixinplace.detect.index import dotted, parameter_names
from fixinplace.detect.liveness import Function
from fixinplace.detect.scopes import bindings, definitions
from fixinplace.detect.vocabulary import CLASSES
from fixinplace.walking import every, functions, remembered, walk


def makes_class(node: ast.Call) -> bool:
    """True for `type("Net", (Base,), {...})`, and for the same by another metaclass; not where there is no base."""
    match node:
        case ast.Call(args=[_, ast.Tuple(elts=[]), *_]):
            return False
        case ast.Call(func=ast.Name(id="type"), args=args):
            return len(args) > 1 or any(isinstance(one, ast.Starred) for one in args)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="type"), attr="__new__" | "__call__")):
            return True
        case ast.Call(func=ast.Call(func=ast.Name(id="type")), args=[_, _, _]):
            return True
        case ast.Call(func=func, args=[ast.Name(id="type"), *_]) if last(func) == "partial":
            return True
        case ast.Call(args=[_, ast.Tuple(elts=bases), ast.Dict() | ast.Call(func=ast.Name(id="dict")), *_]):
            return all(last(one)[:1].isupper() for one in bases)
    return False


def remade(node: ast.ClassDef, tree: ast.Module) -> Iterator[str]:
    """Why the methods of a class may not be those that its body defines one after the other."""
    own = {one.name for one in (*functions(tree), *every(tree, ast.ClassDef))}
    made = any(one.arg == "metaclass" and last(one.value) in own for one in node.keywords)
    kept = all(_keeps(one, tree, own) for one in node.decorator_list)
    answers = any(map(_answers, node.body)) and _is_layer(node, tree, frozenset())
    looked_up = answers or "__getattribute__" in bindings(node.body)
    if made or not kept or looked_up or not (methods(tree) | _stored(tree)).isdisjoint(_uncertain(node)):
        yield CLASSES


def _answers(node: ast.stmt) -> bool:
    """True for a `__getattr__` that may answer for the parts of a module: others ask `super()` first."""
    if not isinstance(node, Function) or node.name != "__getattr__":
        return False
    body = [one for one in node.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    first = body[0].body[0] if body and isinstance(body[0], ast.Try) else body[0] if body else None
    asked = first.value.func if isinstance(first, ast.Return) and isinstance(first.value, ast.Call) else None
    match asked:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__getattr__"):
            return False
    return True


def _is_layer(node: ast.ClassDef, tree: ast.Module, seen: frozenset[str]) -> bool:
    """True for a class that may have parts as modules have, which `__getattr__` is asked for."""
    if "forward" in bindings(node.body) or any(dotted(base).startswith(("nn.", "torch.nn.")) for base in node.bases):
        return True
    names = {last(base) for base in node.bases} - seen
    above = (one for one in every(tree, ast.ClassDef) if one.name in names)
    return any(name.endswith("Module") for name in names) or any(_is_layer(one, tree, seen | names) for one in above)


@remembered
def _stored(tree: ast.Module) -> frozenset[str]:
    """Attributes that are set somewhere in a file."""
    return frozenset(one.attr for one in every(tree, ast.Attribute) if isinstance(one.ctx, ast.Store))


@remembered
def methods(tree: ast.Module) -> frozenset[str]:
    """Names of all methods of a file, wherever in a class they stand."""
    return frozenset(one.name for cls in every(tree, ast.ClassDef) for one in functions(cls))


def _uncertain(node: ast.ClassDef) -> Iterator[str]:
    """Names that the body of a class binds elsewhere than in a row of methods, of which the last one counts."""
    bound = Counter(bindings(node.body))
    plain = Counter(one.name for one in node.body if isinstance(one, Function))
    defined = Counter(definitions(node.body)) - plain
    return (name for name, times in bound.items() if name in defined or 1 < times != plain[name])


def _keeps(decorator: ast.expr, tree: ast.Module, own: set[str]) -> bool:
    """True for a decorator from elsewhere, and for one of this file that returns the class which it is given."""
    func = decorator.func if isinstance(decorator, ast.Call) else decorator
    given = decorator.args if isinstance(decorator, ast.Call) else []
    if last(func) == "add_metaclass" and any(last(one) in own for one in given):
        return False
    if isinstance(func, ast.Lambda):
        return _returns([func.body], func, tree, frozenset())
    return _is_known(func, tree, frozenset())


def _is_known(func: ast.expr, tree: ast.Module, seen: frozenset[str]) -> bool:
    """True if whatever in the file has the name returns what it is given, or a function that does."""
    name = last(func)
    if name in seen:
        return True
    made = [] if isinstance(func, ast.Attribute) else _bound_to(name, tree)
    instances = {last(one.func) for one in made if isinstance(one, ast.Call)}
    classes = [one for one in every(tree, ast.ClassDef) if one.name == name or one.name in instances]
    own = [one for one in functions(tree) if one.name == name]
    own += [one for cls in classes for one in functions(cls) if one.name == "__call__"]
    if classes and not own:
        return False
    deeper = seen | {name}
    others = (one for one in made if isinstance(one, ast.Name | ast.Attribute))
    lambdas = (one for one in made if isinstance(one, ast.Lambda))
    return (
        all(_is_known(one, tree, deeper) for one in others)
        and all(_returns([one.body], one, tree, deeper) for one in lambdas)
        and all(_returns(_returned(one), one, tree, deeper) for one in own)
    )


def _bound_to(name: str, tree: ast.Module) -> list[ast.expr]:
    assigned = every(tree, ast.Assign)
    return [one.value for one in assigned if any(isinstance(t, ast.Name) and t.id == name for t in one.targets)]


def _returned(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """What a function returns that is given a class."""
    inner = {id(one) for each in every(function, ast.FunctionDef) if each is not function for one in walk(each)}
    found = (one.value for each in _of_classes(function) for one in every(each, ast.Return) if id(one) not in inner)
    return [one for one in found if one is not None]


def _of_classes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    """The statements of a function that is given a class, up to `if inspect.isclass(cls): ... return cls`."""
    for place, one in enumerate(function.body):
        match one:
            case ast.If(test=ast.Call(func=func, args=[ast.Name(id=name)]), body=[*_, ast.Return()], orelse=[]):
                if last(func) == "isclass" and name in parameter_names(function):
                    return function.body[: place + 1]
    return function.body


def wraps_constructor(store: ast.AST, above: Mapping[int, ast.AST], tree: ast.Module) -> bool:
    """True for `cls.__init__ = wrapped(cls.__init__)`, which calls what it wraps with the very same arguments."""
    statement = above.get(id(store))
    match store, statement:
        case ast.Attribute(value=base, attr="__init__"), ast.Assign(targets=[_], value=ast.Call() as call):
            given = [dotted(one) for one in call.args]
            found = [one for one in functions(tree) if one.name == last(call.func)]
            whole = bool(dotted(base)) and given == [f"{dotted(base)}.__init__"] and bool(found)
            return whole and all(_hands_on(one) for one in found)
    return False


def _hands_on(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True if all that a function returns, but for classes, is a function of its own that calls its first parameter."""
    inner = {one.name: one for one in function.body if isinstance(one, ast.FunctionDef)}
    ends = [one for one in function.body if isinstance(one, ast.Return)]
    made = [inner.get(last(one.value)) if one.value is not None else None for one in ends]
    calls = parameter_names(function)[:1]
    return bool(made) and all(one is not None and _calls_on(one, calls) for one in made)


def _calls_on(function: ast.FunctionDef, names: list[str]) -> bool:
    a = function.args
    told = [one.value for one in every(function, ast.Return)]
    if a.vararg is None or a.kwarg is None or a.args or a.kwonlyargs or not told:
        return False
    text = f"({{}})(*{a.vararg.arg}, **{a.kwarg.arg})"
    wanted = {ast.dump(ast.parse(text.format(name), mode="eval").body) for name in names}
    rebound = {one.id for one in every(function, ast.Name) if not isinstance(one.ctx, ast.Load)}
    return all(one is not None and ast.dump(one) in wanted for one in told) and not rebound & {
        *names,
        a.vararg.arg,
        a.kwarg.arg,
    }


def _returns(values: Iterable[ast.expr], function: Function | ast.Lambda, tree: ast.Module,
             seen: frozenset[str]) -> bool:  # fmt: skip
    """True if these are parameters, which nothing rebinds, or functions of the file that return theirs."""
    stored = {one.id for one in every(function, ast.Name) if not isinstance(one.ctx, ast.Load)}
    names = {*parameter_names(function)} - stored - _replacing(function)
    return all(_is_own(value, names, function, tree, seen) for value in values)


def _replacing(function: Function | ast.Lambda) -> set[str]:
    """Parameters that stand for something of the function's own unless they are given."""
    a = function.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [*zip(plain[len(plain) - len(a.defaults) :], a.defaults, strict=True)]
    given = [*defaults, *zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    return {one.arg for one, value in given if value is not None and not isinstance(value, ast.Constant)}


def _is_own(node: ast.expr, names: set[str], function: Function | ast.Lambda, tree: ast.Module,
            seen: frozenset[str]) -> bool:  # fmt: skip
    match node:
        case ast.IfExp(body=body, orelse=other):
            return all(_is_own(one, names, function, tree, seen) for one in (body, other))
        case ast.Constant():
            return True
        case ast.Lambda(body=body):
            return _is_own(body, names | {*parameter_names(node)}, function, tree, seen)
        case ast.Name(id=name) if name in names:
            return True
        case ast.Call(func=func, args=[first, *_]) if last(func) == "partial":
            return _is_own(first, names, function, tree, seen)
        case ast.Call(func=func):
            return _is_own(func, names, function, tree, seen) if last(func) not in names else False
        case ast.Name() | ast.Attribute():
            return any(one.name == last(node) for one in functions(tree)) and _is_known(node, tree, seen)
    return False
