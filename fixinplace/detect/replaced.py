"""Statements that make a name mean something else out of sight: they patch torch, write into a namespace, make classes.

Note [What names stand for]
    What a call does is told from what its name stands for.  `torch.exp = f` is seen where it stands; the same may be
    done in a function that is handed `torch`, by `setattr`, or by way of `sys.modules`.  Whoever does so must get hold
    of a module, or of the class of tensors, as a value: there and then, or under a name that was given it.  Names
    count by their spelling, in whatever scope.  A module that is only looked up in (`getattr(torch, name)`) stays as
    it is.
"""

from __future__ import annotations

import ast
import builtins
import copy
import functools
import itertools
import operator
from collections.abc import Iterator, Mapping

from fixinplace import catalogue, walking
from fixinplace.detect.anatomy import is_only_read
from fixinplace.detect.holders import Holders, Store, last, stores
from fixinplace.detect.index import all_imports, dotted
from fixinplace.detect.liveness import Function
from fixinplace.detect.remade import makes_class, methods, wraps_constructor
from fixinplace.detect.vocabulary import CLASSES, NAMESPACE, PATCHES
from fixinplace.walking import every, functions, remembered, scope

_FRAMES = frozenset(("__globals__", "f_globals", "f_locals", "__builtins__"))
_HARMLESS = frozenset(
    "dump_patches __name__ __doc__ __qualname__ __module__ __version__ __author__ __wrapped__ __annotations__"
    " __signature__ __all__ __path__ __file__ __test__ __cause__ __traceback__ __context__ __isabstractmethod__"
    " __hash__".split()
)
"""Attributes with two underscores that tell something and do nothing."""
_CALLED = ("_call_impl", "_wrapped_call_impl", "_slow_forward", "_conv_forward")
"""What layers of torch call."""
_Parents = Mapping[int, ast.AST]
_Found = Iterator[tuple[str, ast.AST]]


@remembered
def replaced(tree: ast.Module) -> tuple[tuple[str, ast.AST], ...]:
    """Doubts about what the names of a file stand for, and the nodes that say so; see Note [What names stand for]."""
    holders, above = Holders(tree), walking.above(tree)
    made = ((CLASSES, node) for node in every(tree, ast.Call) if makes_class(node))
    return *_set(tree, holders), *_entries(tree), *_namespaces(tree, above), *made


def _set(tree: ast.Module, holders: Holders) -> _Found:
    """Attributes that are set, or may be, on what is shared."""
    for store in stores(tree):
        if store.attr in _HARMLESS or is_of_tuple(store.node, tree) or adds_own_class(store.node, tree):
            continue
        if dotted(store.base).startswith("torch.distributions."):  # of which nothing is known anyway
            continue
        if holders.may_be(store.base) and (holders.is_named(store.base) or not _is_new(store.attr, tree)):
            yield PATCHES, store.node
        elif wraps_constructor(store.node, walking.above(tree), tree):
            continue
        elif not _is_self(store.base) and (_is_operation(store.attr) or _deletes_method(store, tree)):
            yield CLASSES, store.node
    called = {id(call.func) for call in every(tree, ast.Call)}
    for name in every(tree, ast.Name):
        if name.id in ("setattr", "delattr") and id(name) not in called:
            yield PATCHES, name


def adds_own_class(node: ast.AST, tree: ast.Module) -> bool:
    """True for `nn.MaskedLinear = MaskedLinear`, where torch has nothing of that name."""
    match node, walking.above(tree).get(id(node)):
        case ast.Attribute(attr=attr), ast.Assign(targets=[_], value=ast.Name(id=name)) if attr == name:
            own = [one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name]
            return len(own) == 1 and name not in catalogue.last_names()
    return False


def is_of_tuple(node: ast.AST, tree: ast.Module) -> bool:
    """True for `Params.__new__.__defaults__` of a class of named tuples, which computes nothing."""
    match node:
        case ast.Attribute(attr="__defaults__", value=ast.Attribute(attr="__new__", value=ast.Name(id=name))):
            return name in _tuples(tree)
    return False


@remembered
def _tuples(tree: ast.Module) -> frozenset[str]:
    made = (one for one in tree.body if isinstance(one, ast.Assign) and isinstance(one.value, ast.Call))
    made = (one for one in made if last(one.value.func) == "namedtuple")  # type: ignore[attr-defined]
    return frozenset(target.id for one in made for target in one.targets if isinstance(target, ast.Name))


def _is_self(node: ast.expr) -> bool:
    match node:
        case ast.Name(id="self") | ast.Call(func=ast.Name(id="super")):
            return True
    return False


def _is_operation(attr: str | None) -> bool:
    """True for what operators and calls look up on a class: `__call__`, `__add__`, `__bases__`."""
    return attr is not None and ((attr.startswith("__") and attr.endswith("__")) or attr in _CALLED)


def _is_new(attr: str | None, tree: ast.Module) -> bool:
    """True for a name that nothing of torch has, of Python or of the file: whoever is given it means what he did."""
    if attr is None or attr.startswith("_") or attr in catalogue.last_names():
        return False
    if any(hasattr(shared, attr) for shared in (builtins, copy, functools, itertools, operator)):
        return False
    return attr not in _defined(tree)


_SHARED = ("torch", "builtins", "copy", "itertools", "functools", "operator", "einops")


@remembered
def _defined(tree: ast.Module) -> frozenset[str]:
    """What is defined or bound somewhere by its name, or looked up in what an import stands for."""
    imported = {name: path for name, path in all_imports(tree) if path.partition(".")[0] in _SHARED}
    read = (one for one in every(tree, ast.Attribute) if dotted(one).partition(".")[0] in imported)
    defined = (*functions(tree), *every(tree, ast.ClassDef))
    stored = (one.id for one in every(tree, ast.Name) if not isinstance(one.ctx, ast.Load))
    return frozenset({*imported, *(one.attr for one in read), *(one.name for one in defined), *stored})


def _deletes_method(store: Store, tree: ast.Module) -> bool:
    """True for `del Net.act`: what the class derives from may have another one."""
    gone = isinstance(store.node, ast.Attribute) and isinstance(store.node.ctx, ast.Del)
    return gone and store.attr in methods(tree)


def _entries(tree: ast.Module) -> _Found:
    """`sys.modules["torch"] = other`, and a namespace that is asked for the builtins."""
    for node in every(tree, ast.Subscript):
        match node:
            case ast.Subscript(slice=ast.Constant(value="__builtins__")):
                yield PATCHES, node
            case ast.Subscript(value=value, slice=ast.Constant(value=str(text)), ctx=ast.Store()):
                if last(value) == "modules" and text.split(".")[0] in ("torch", "builtins"):
                    yield PATCHES, node


def _namespaces(tree: ast.Module, above: _Parents) -> _Found:
    """Tables of the names of a module, or of a class body, that are not only read."""
    for node in every(tree, ast.Call):
        name, around = last(node.func), scope(node, above)
        plain = not (node.args or node.keywords or isinstance(around, Function | ast.Lambda))
        if (name == "globals" or (plain and name in ("vars", "locals"))) and not is_only_read(node, above):
            yield (CLASSES if isinstance(around, ast.ClassDef) and name != "globals" else NAMESPACE), node
        texts = {one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)}
        if name in ("getattr", "attrgetter") and not texts.isdisjoint(_FRAMES):
            yield NAMESPACE, node
        elif name == "getattr" and "__dict__" in texts and not is_only_read(node, above):
            yield PATCHES, node
    yield from ((NAMESPACE, one) for one in _as_values(tree))
    for one in every(tree, ast.Attribute):
        if one.attr in _FRAMES and not is_only_read(one, above):
            yield NAMESPACE, one
    for each in every(tree, ast.Name):
        if each.id == "__builtins__" and not (is_only_read(each, above) or _asks(above.get(id(each)))):
            yield PATCHES, each


def _as_values(tree: ast.Module) -> Iterator[ast.Name]:
    """`find = globals`, where that is the function of Python's."""
    names = every(tree, ast.Name)
    used = {id(call.func) for call in every(tree, ast.Call)}
    own = {one.id for one in names if not isinstance(one.ctx, ast.Load)} | {one.arg for one in every(tree, ast.arg)}
    return (one for one in names if one.id in {"globals", "locals", "vars"} - own and id(one) not in used)


def _asks(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Call) and last(node.func) in ("isinstance", "getattr", "hasattr", "dir", "type")
