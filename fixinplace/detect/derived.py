"""Classes of the file that derive from `nn.Sequential`, or a layer: what they are called like, who touches parts.

Note [Layers of the file]
    `class Conv(nn.Conv2d)` with a constructor, and a method that fills its weights, computes what `nn.Conv2d` does.  So
    does a class that derives from it, if none of them has a method that torch may call in between: `forward`,
    `__call__`, or one that begins with `_`.  Those that have a flag of their own, `class Act(nn.ReLU)`, are left alone:
    what their constructor does with it is not told.
"""

from __future__ import annotations

import ast

from fixinplace import catalogue, walking
from fixinplace.detect.index import Index
from fixinplace.detect.kinds import Kind
from fixinplace.detect.replacing import replace
from fixinplace.detect.scopes import assigned
from fixinplace.detect.values import Value
from fixinplace.walking import walk

SEQUENTIAL = "torch.nn.Sequential"
PARTS = "<parts>"
"""The attribute under which a class that derives from `nn.Sequential` keeps what it gives to `super().__init__`."""


def is_sequence(index: Index, name: str) -> bool:
    """True for a class that derives from `nn.Sequential` alone, and is called like one."""
    known = (*index.classes, SEQUENTIAL)
    plain = all(base in known for base in index.bases(name)) and SEQUENTIAL in index.bases(name)
    bound = any(not assigned(info.node).isdisjoint(_CALLS) for info in index.family(name))
    return plain and not bound and not any(index.methods(name, method) for method in _CALLS)


_CALLS = ("forward", "__call__")


def calls_as_whole(index: Index, name: str) -> bool:
    """True for a class that derives from `nn.Sequential` and never touches its parts: `super().forward(x)` at most."""
    info = index.classes[name]
    if info.bases != (SEQUENTIAL,) or index.heirs(name):
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


def as_layer(index: Index, part: Value) -> Value:
    """The layer of torch, or the `Sequential`, that an instance of a class of the file computes as; else what it is."""
    layer = layer_of(index, part.name) if part.name in index.classes else ""
    if not layer:
        return _as_sequence(index, part) if part.name in index.classes else part
    family = index.family(part.name)
    between = (name for info in family for name in (*info.methods, *assigned(info.node)))
    plain = all(name in _SPECIAL or not (name.startswith("_") or name == "forward") for name in between)
    return replace(part, name=layer) if plain and not any(info.node.decorator_list for info in family) else part


def _as_sequence(index: Index, part: Value) -> Value:
    """The parts of a class that is called like an `nn.Sequential` of them; see `Calls.settle_parts`."""
    parts = index.attribute(part.name, PARTS) if is_sequence(index, part.name) else None
    return parts if parts is not None and parts.kind is Kind.MODULE else part


_SPECIAL = ("__init__", "__repr__", "__str__", "__constants__", "__doc__")


def layer_of(index: Index, name: str) -> str:
    """The layer of torch that a class derives from, and nothing else that is not in the file; "" if there is none."""
    outside = {base for info in index.family(name) for base in info.bases if base not in index.classes}
    layer = outside.pop() if len(outside) == 1 else ""
    row = catalogue.result(layer) if layer.startswith("torch.nn.") else None
    computes = row is not None and row.kind is catalogue.Kind.TENSOR
    return layer if computes and catalogue.writer(f"{layer}(inplace=)") is None else ""
