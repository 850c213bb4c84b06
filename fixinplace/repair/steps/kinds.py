"""What a carried state is (a tensor, a tuple, a list or a dict of them), and how it is detached."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.paths import path

_LIST = "[{item}.detach() for {item} in {name}]"
_FORMS = {
    "tensor": "{name}.detach()",
    "tuple": "tuple({item}.detach() for {item} in {name})",
    "list": _LIST,
    "dict": "{{key: {item}.detach() for key, {item} in {name}.items()}}",
}


def detached_text(name: str, kind: str) -> str:
    """The expression that detaches a state."""
    item = "state" if name.rsplit(".", 1)[-1] != "state" else "each"
    return _FORMS[kind].format(name=name, item=item)


def kind(code: Code, function: Function | None, name: str) -> str:
    """What the assignments and uses of a state in its file show it to be; a tensor where nothing else shows."""
    for found in _evidence(code, function, name):
        return found
    return "tensor"


def may_be_none(code: Code, function: Function | None, name: str) -> bool:
    """True if the state is None somewhere."""
    return any(isinstance(value, ast.Constant) and value.value is None for value in _values(code, function, name))


def is_number(code: Code, function: Function | None, name: str) -> bool:
    """True if all that a name is ever bound to is a number, a flag or a text: such a state has no graph."""
    return _all_numbers(code, function, name, ())


def is_object(code: Code, name: str) -> bool:
    """True if methods that a class of the file defines are called on it."""
    classes = (node for node in ast.walk(code.tree) if isinstance(node, ast.ClassDef))
    methods = {node.name for one in classes for node in one.body if isinstance(node, Function)}
    calls = (node.func for node in ast.walk(code.tree) if isinstance(node, ast.Call))
    return any(isinstance(f, ast.Attribute) and path(f.value) == name and f.attr in methods for f in calls)


_NUMBERS = frozenset("int float bool str len isinstance".split())


def _all_numbers(code: Code, function: Function | None, name: str, known: tuple[str, ...]) -> bool:
    values = list(_bound_values(code, function, name))
    return bool(values) and all(_number(code, function, each, index, (*known, name)) for each, index in values)


def _bound_values(code: Code, function: Function | None, name: str) -> Iterator[tuple[ast.expr, int | None]]:
    """The values that a name is bound to; of `a, b = f()` the whole with the number of the part.

    What binds it otherwise (a loop, an argument, `+=`) is given as the name itself: nothing is known of it.
    """
    scope = code.tree if "." in name or function is None else function
    for node in ast.walk(scope):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            yield from bound_parts(target, node.value, name) if isinstance(node, ast.Assign) else ()
        stored = (ast.Name, ast.Attribute)
        others = [getattr(node, word, None) for word in ("target", "optional_vars")]
        if any(isinstance(n, stored) and path(n) == name for o in others if o is not None for n in ast.walk(o)):
            yield ast.Name(name, ast.Load()), None
        if isinstance(node, ast.arg) and node.arg == name:
            yield ast.Name(name, ast.Load()), None


def bound_parts(target: ast.expr, value: ast.expr, name: str) -> Iterator[tuple[ast.expr, int | None]]:
    """What an assignment binds a path to; of `a, b = f()` the whole with the number of the part."""
    if path(target) == name:
        yield value, None
    elif isinstance(target, (ast.Tuple, ast.List)):
        for index, each in enumerate(target.elts):
            if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
                yield from bound_parts(each, value.elts[index], name)
            elif any(path(part) == name for part in ast.walk(each)):
                yield value, index if path(each) == name else -1


def _number(code: Code, function: Function | None, value: ast.expr, index: int | None, known: tuple[str, ...]) -> bool:
    match value:
        case ast.Constant(value=constant):
            return index is None and constant is not None
        case ast.Name(id=name):
            return index is None and name not in known and _all_numbers(code, function, name, known)
        case ast.UnaryOp(op=ast.Not()) | ast.Compare() | ast.Call(func=ast.Attribute(attr="item" | "tolist")):
            return index is None
        case ast.Call(func=ast.Name(id=last)) if last in _NUMBERS:
            return index is None
        case ast.Call(func=ast.Attribute(attr=last) | ast.Name(id=last)):
            return f"{last}()" not in known and _returns_number(code, last, index, (*known, f"{last}()"))
    return False


def _returns_number(code: Code, last: str, index: int | None, known: tuple[str, ...]) -> bool:
    """True if all functions of the file with this name return numbers, or have one as this part of a tuple."""
    functions = [node for node in ast.walk(code.tree) if isinstance(node, Function) and node.name == last]
    returned = [(f, each.value) for f in functions for each in ast.walk(f) if isinstance(each, ast.Return)]
    found = [(f, _part_of(value, index)) for f, value in returned]
    return bool(found) and all(value is not None and _number(code, f, value, None, known) for f, value in found)


def _part_of(value: ast.expr | None, index: int | None) -> ast.expr | None:
    if index is None:
        return value
    whole = (
        isinstance(value, ast.Tuple)
        and 0 <= index < len(value.elts)
        and not any(isinstance(each, ast.Starred) for each in value.elts)
    )
    return value.elts[index] if whole and isinstance(value, ast.Tuple) else None


def _evidence(code: Code, function: Function | None, name: str) -> Iterator[str]:
    for value in _values(code, function, name):
        if (found := _literal(value)) is not None:
            yield found
        elif isinstance(value, ast.Call) and (made := _made(code, value)) is not None:
            yield made
    for node in ast.walk(code.tree):
        match node:
            case ast.Assign(targets=[ast.Tuple()], value=value) if path(value) == name:
                yield "tuple"
            case ast.Assign(targets=[ast.Tuple(elts=[_, second])], value=ast.Call()) if path(second) == name:
                if any(_is_lstm(each) for each in ast.walk(code.tree)):
                    yield "tuple"
            case ast.Assign(targets=[target], value=ast.Call(func=called)) if path(target) == name:
                if _lstm_cell(code, path(called)):
                    yield "tuple"


def _values(code: Code, function: Function | None, name: str) -> Iterator[ast.expr]:
    """The values that the state is assigned, in its function, or anywhere for attributes."""
    scope = code.tree if "." in name or function is None else function
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            parts = (part for target in node.targets for part in bound_parts(target, node.value, name))
            yield from (value for value, index in parts if index is None)
        elif isinstance(node, ast.AnnAssign) and node.value is not None and path(node.target) == name:
            yield node.value


def _literal(value: ast.expr) -> str | None:
    match value:
        case ast.Tuple():
            return "tuple"
        case ast.List() | ast.ListComp() | ast.BinOp(left=ast.List(), op=ast.Mult()):
            return "list"
        case ast.Dict() | ast.DictComp():
            return "dict"
    return None


def _made(code: Code, call: ast.Call) -> str | None:
    """What a function of the file returns, by its last name: `model.init_hidden(n)`."""
    last = (path(call.func) or "").rsplit(".", 1)[-1]
    for node in ast.walk(code.tree):
        if isinstance(node, Function) and node.name == last:
            for each in ast.walk(node):
                if isinstance(each, ast.Return) and each.value is not None:
                    return _literal(each.value)
    return None


def _is_lstm(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and (path(node.func) or "").rsplit(".", 1)[-1] == "LSTM"


def _lstm_cell(code: Code, called: str | None) -> bool:
    """True if what is called under this name was made by `LSTMCell`."""
    for node in ast.walk(code.tree):
        match node:
            case ast.Assign(targets=[target], value=ast.Call(func=made)):
                if called is not None and path(target) == called and (path(made) or "").endswith("LSTMCell"):
                    return True
    return False
