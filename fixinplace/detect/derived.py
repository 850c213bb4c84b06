"""Classes of the file that derive from `nn.Sequential`: what they are called like, and who touches their parts."""

from __future__ import annotations

import ast

from fixinplace import walking
from fixinplace.detect.index import Index
from fixinplace.walking import walk

PARTS = "<parts>"
"""The attribute under which a class that derives from `nn.Sequential` keeps what it gives to `super().__init__`."""


def is_sequence(index: Index, name: str) -> bool:
    """True for a class that derives from `nn.Sequential` alone, and is called like one."""
    known = (*index.classes, "torch.nn.Sequential")
    plain = all(base in known for base in index.bases(name)) and "torch.nn.Sequential" in index.bases(name)
    return plain and not any(index.methods(name, method) for method in ("forward", "__call__"))


def calls_as_whole(index: Index, name: str) -> bool:
    """True for a class that derives from `nn.Sequential` and never touches its parts: `super().forward(x)` at most."""
    info = index.classes[name]
    if info.bases != ("torch.nn.Sequential",) or index.heirs(name):
        return False
    index.ledger.unrepeatable()
    own = {"training", *info.attrs, *info.known, *info.methods}
    for method, function in info.methods.items():
        above = walking.above(function)
        first = function.args.args[0].arg if function.args.args else ""
        for node in walk(function) if method != "__init__" else ():
            if isinstance(node, ast.Name) and node.id == first and not _is_plain_self(above.get(id(node)), own):
                return False
    return True


def _is_plain_self(parent: ast.AST | None, own: set[str]) -> bool:
    match parent:
        case ast.Attribute(attr=attr):
            return attr in own
        case ast.Call(func=ast.Name(id="super")):
            return True
    return False
