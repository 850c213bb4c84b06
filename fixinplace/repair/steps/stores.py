"""Where a state is written: the statements themselves, in helpers of the same file as well."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fixinplace.repair.code import Code
from fixinplace.repair.steps.facts import Reader
from fixinplace.repair.steps.paths import base, bound, flows, path

_DEPTH = 3
_WHOLE = frozenset("long int short bool int64 int32 int16 int8 uint8".split())
_GIVES_WHOLE = frozenset("randint randperm bincount".split())


@dataclass(frozen=True)
class Kept:
    """A state as the frame reaches it, its name where it is written, and the statements that write it."""

    state: str
    code: Code
    name: str
    stores: tuple[ast.stmt, ...]

    @property
    def is_counter(self) -> bool:
        """True for what never has a graph: whole numbers, or a tensor to which only constants are added."""
        added = (isinstance(each, ast.AugAssign) and not flows(each.value) for each in self.stores)
        return (bool(self.stores) and all(added)) or _is_whole(self.code, self.stores, self.name)


def stores(reader: Reader, nodes: Iterable[ast.AST], name: str, depth: int = _DEPTH) -> Iterator[ast.stmt]:
    """The statements that write a path, in the order in which they run."""
    for node in nodes:
        for each in ast.walk(node):
            if isinstance(each, ast.stmt) and name in _written(each):
                yield each
            elif isinstance(each, ast.Call) and depth and (helper := reader.called(each, each)) is not None:
                yield from stores(reader, helper.body, name, depth - 1)


def _written(node: ast.stmt) -> list[str | None]:
    match node:
        case ast.Assign(targets=targets):
            return [name for target in targets for name, _ in bound(target)]
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return [base(target)]
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner))):
            return [base(owner)]
    return []


def _is_whole(code: Code, written: Iterable[ast.stmt], name: str) -> bool:
    """True if the class or function of the state makes it of whole numbers."""
    first = next(iter(written), None)
    owner = None if first is None else next((up for up in code.up(first) if isinstance(up, ast.ClassDef)), None)
    for node in ast.walk(owner) if owner is not None else ():
        match node:
            case ast.Call(func=ast.Attribute(attr="register_buffer"), args=[ast.Constant(value=str(held)), value, *_]):
                if name == f"self.{held}":
                    return _of_whole_numbers(value)
            case ast.Assign(targets=[target], value=value) if path(target) == name and _of_whole_numbers(value):
                return True
    return False


def _of_whole_numbers(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    last = (path(value.func) or ast.unparse(value.func)).rsplit(".", 1)[-1]
    kinds = [(path(each.value) or "").rsplit(".", 1)[-1] for each in value.keywords if each.arg == "dtype"]
    return kinds[0] in _WHOLE if kinds else last in _WHOLE or last in _GIVES_WHOLE
