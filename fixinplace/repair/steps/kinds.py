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


def is_object(code: Code, name: str) -> bool:
    """True if methods that a class of the file defines are called on it."""
    classes = (node for node in ast.walk(code.tree) if isinstance(node, ast.ClassDef))
    methods = {node.name for one in classes for node in one.body if isinstance(node, Function)}
    calls = (node.func for node in ast.walk(code.tree) if isinstance(node, ast.Call))
    return any(isinstance(f, ast.Attribute) and path(f.value) == name and f.attr in methods for f in calls)


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
        if isinstance(node, ast.Assign) and any(path(target) == name for target in node.targets):
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
