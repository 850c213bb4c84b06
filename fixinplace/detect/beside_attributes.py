"""Attributes that a new tensor cannot be bound to: others hold the old one, or a method gives it.

`self.head = self.rows[0]` in any method of the class is a view of what `self.rows *= 0.5` in another one writes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from fixinplace.catalogue import Memory, result
from fixinplace.detect.index import ClassInfo, dotted
from fixinplace.walking import every, remembered

_PROPERTIES = ("property", "abstractproperty")
_PLAIN = (ast.Slice, ast.Constant, ast.UnaryOp)


def holder(cls: ast.ClassDef, own: str) -> str | None:
    """Another attribute that a method of the class binds to the tensor of `own` (`self.rows`), or to a view of it."""
    return _holders(cls).get(own.rpartition(".")[2])


def is_read_only(classes: Iterable[ClassInfo], owner: str) -> bool:
    """True for a path whose last name is a property without a setter, in some class of the file."""
    found = (cls.methods.get(owner.rpartition(".")[2]) for cls in classes) if "." in owner else ()
    decorators = (one for method in found if method is not None for one in method.decorator_list)
    return any(dotted(one).rpartition(".")[2] in _PROPERTIES for one in decorators)


@remembered
def _holders(cls: ast.ClassDef) -> dict[str, str]:
    """Attributes whose tensor another attribute has as well, with that, as the method writes it."""
    found: dict[str, str] = {}
    for method in (each for each in cls.body if isinstance(each, ast.FunctionDef) and each.args.args):
        own = method.args.args[0].arg
        for node in every(method, ast.Assign):
            match node:
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=owner), attr=other)], value=value):
                    base = _base(value)
                    if owner == own and isinstance(base, ast.Attribute) and base.attr != other:
                        same = isinstance(base.value, ast.Name) and base.value.id == own
                        found |= {base.attr: f"{own}.{other}"} if same else {}
    return found


def _base(node: ast.expr) -> ast.expr:
    """What an expression is certainly a view of, or is."""
    match node:
        case ast.Subscript(value=inner, slice=index) if _is_plain(index):
            return _base(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr=attr)):
            row = result(f"Tensor.{attr}")
            return _base(inner) if row is not None and row.memory is Memory.VIEW else node
    return node


def _is_plain(index: ast.expr) -> bool:
    """True for numbers and slices, which make a view."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return all(isinstance(one, _PLAIN) and not isinstance(getattr(one, "value", None), bool) for one in parts)
