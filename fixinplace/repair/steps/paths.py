"""Dotted paths that an expression reads, and those of them through which a gradient can come.

Note [Paths]
    A path is a name with its attributes (`fake`, `self.net.h`); `h[0].mean()` has the path `h`.  Two paths meet where
    one is the beginning of the other: binding `fake` changes what `fake.detach` reads, binding `self.fake` does not
    change `self.net`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

Paths = frozenset[str]
EMPTY: Paths = frozenset()

_STOPS = frozenset(
    "item detach numpy tolist sample argmax argmin argsort size dim numel long int bool eq ne lt le gt ge isnan "
    "isfinite any all backward zero_grad new_zeros new_ones new_tensor".split()
)
_STOPPING_FUNCTIONS = frozenset(
    "int float bool len range isinstance print str repr type id hasattr zeros_like ones_like full_like empty_like "
    "rand_like randn_like argmax argmin no_grad".split()
)
_STOPPING_ATTRIBUTES = frozenset("shape dtype device data requires_grad grad grad_fn is_leaf ndim layout".split())


def meets(one: str, other: str) -> bool:
    """True if one path is the beginning of the other; see Note [Paths]."""
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")


def begins(whole: str, front: str) -> bool:
    """True if a path is another one or an attribute of it."""
    return whole == front or whole.startswith(front + ".")


def touch(some: Iterable[str], others: Iterable[str]) -> bool:
    """True if any two paths meet."""
    others = tuple(others)
    return any(meets(one, other) for one in some for other in others)


def path(node: ast.AST) -> str | None:
    """The path of a chain of attributes on a name; None for anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            front = path(value)
            return None if front is None else f"{front}.{attr}"
    return None


def base(node: ast.AST) -> str | None:
    """The path of what a write to this changes: `h` for `h[0]`, and for `h.mul_(2)`, which gives back what it wrote."""
    while True:
        match node:
            case ast.Subscript(value=value) | ast.Starred(value=value):
                node = value
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr.endswith("_") and attr[-2:] != "__":
                node = value
            case _:
                return path(node)


def reads(node: ast.AST) -> Paths:
    """Every path that is loaded somewhere in a node, nested functions included."""
    return frozenset(_loaded(node, gradients=False))


def flows(node: ast.AST) -> Paths:
    """The paths through which a gradient of the node's value can come.

    `.item()`, `.detach()`, `.sample()`, comparisons, shapes and `.data` let none through.
    """
    return frozenset(_loaded(node, gradients=True))


def _loaded(node: ast.AST, gradients: bool) -> Iterator[str]:
    found = path(node)
    if found is not None:
        if isinstance(getattr(node, "ctx", None), ast.Load) and not (gradients and stops(node)):
            yield found
        return
    if gradients and stops(node):
        return
    if gradients and isinstance(node, ast.IfExp):
        yield from _loaded(node.body, gradients)
        yield from _loaded(node.orelse, gradients)
        return
    own = _own_names(node)
    for child in ast.iter_child_nodes(node):
        yield from (each for each in _loaded(child, gradients) if each.split(".")[0] not in own)


def _own_names(node: ast.AST) -> set[str]:
    """Names that a comprehension or a lambda binds for itself."""
    match node:
        case ast.ListComp(generators=parts) | ast.SetComp(generators=parts) | ast.GeneratorExp(generators=parts) \
            | ast.DictComp(generators=parts):  # fmt: skip
            return {name.id for part in parts for name in ast.walk(part.target) if isinstance(name, ast.Name)}
        case ast.Lambda(args=arguments):
            return {each.arg for each in ast.walk(arguments) if isinstance(each, ast.arg)}
    return set()


def stops(node: ast.AST) -> bool:
    """True for an expression whose value has no gradient for its parts: `x.detach()`, `x > 0`, `x.shape`."""
    match node:
        case ast.Compare():
            return True
        case ast.Attribute(attr=attr):
            return attr in _STOPPING_ATTRIBUTES
        case ast.Call(func=ast.Attribute(attr=attr)):
            return attr in _STOPS or attr in _STOPPING_FUNCTIONS
        case ast.Call(func=ast.Name(id=name)):
            return name in _STOPPING_FUNCTIONS
    return False


def bound(target: ast.AST) -> Iterator[tuple[str, bool]]:
    """Paths that an assignment target changes, with True where the old value is gone altogether."""
    match target:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from bound(element)
        case ast.Starred(value=value):
            yield from bound(value)
        case ast.Subscript():
            if (found := base(target)) is not None:
                yield found, False
        case _:
            if (found := path(target)) is not None:
                yield found, True
