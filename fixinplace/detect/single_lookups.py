"""Places where a file looks up its own names by texts: `getattr(models, name)(**settings)`.

Note [Single lookups]
    What is found there may be any definition of the file, and is put together with what has to do with the place, and
    with no other definition: one that is looked up elsewhere, or in another round of a loop, is another object's part.
    That is so as long as nothing that is found is handed to something else that is found: `head = globals()[h](body)`,
    and as long as what a function returns is not looked up again by another call of it.  What is imported by a text
    stands in another file, and whoever puts together what is found there is code in other files.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping

from fixinplace import walking
from fixinplace.detect.evaluated import is_pythons, names_something
from fixinplace.detect.fed import feeds, is_given_away
from fixinplace.detect.index import dotted
from fixinplace.detect.outermost import outermost
from fixinplace.detect.plain import bound_by
from fixinplace.walking import every, remembered, scope

AGAIN = (
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.comprehension,
    ast.ListComp,
    ast.GeneratorExp,
    ast.SetComp,
    ast.DictComp,
)
_IMPORTS = ("import_module", "__import__")


@remembered
def single_lookups(tree: ast.Module) -> Mapping[int, int]:
    """The names by which a file looks something up, by identity, and the lines of the statements around them."""
    above = walking.above(tree)
    found: dict[int, list[ast.expr]] = {}
    tops: dict[int, ast.stmt] = {}
    for node in _lookups(tree, above):
        top = _top(node, above)
        tops[id(top)] = top
        found.setdefault(id(top), []).append(node)
    return {
        id(node): tops[key].lineno
        for key, nodes in found.items()
        if not feeds(tops[key], nodes, above)
        for node in nodes
        if is_import(node, above) or is_given_away(node, above, tree) or _is_alone(node, tops[key], tree)
    }


@remembered
def found_objects(tree: ast.Module) -> frozenset[int]:
    """The single lookups that may find a class of this file, and not another file's or a value."""
    above = walking.above(tree)
    found = (node for node in _lookups(tree, above) if id(node) in single_lookups(tree))
    elsewhere = not _spells_itself(tree)
    return frozenset(
        id(node) for node in found if not (is_given_away(node, above, tree) or (elsewhere and is_import(node, above)))
    )


def _spells_itself(tree: ast.Module) -> bool:
    """True if a file makes a text of its own name: `f"{__name__}.Net"`."""
    above = walking.above(tree)
    parents = [above.get(id(one)) for one in every(tree, ast.Name) if one.id == "__name__"]
    return any(isinstance(one, ast.BinOp | ast.FormattedValue) for one in parents)


def is_import(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    """True for `import_module(path)`."""
    call = above.get(id(node))
    return isinstance(call, ast.Call) and call.func is node and dotted(node).rpartition(".")[2] in _IMPORTS


def _is_alone(node: ast.AST, top: ast.stmt, tree: ast.Module) -> bool:
    """True for a constructor, and for a function that is spoken of once at most: another call may find another one."""
    above = walking.above(tree)
    around = scope(node, above)
    if isinstance(top, ast.ClassDef):
        return getattr(around, "name", "") == "__init__" and above.get(id(around)) is top
    if not isinstance(top, ast.FunctionDef):
        return False
    spoken = [one for one in every(tree, ast.Name) if one.id == top.name]
    spoken_of = [*spoken, *(one for one in every(tree, ast.Attribute) if one.attr == top.name)]
    return len(spoken_of) < 2 and not any(_is_repeated(one, above) for one in spoken_of)


def _lookups(tree: ast.Module, above: Mapping[int, ast.AST]) -> Iterator[ast.expr]:
    own, outer, until = own_names(tree), outermost(tree), bound_otherwise(tree)
    for call in every(tree, ast.Call):
        match call:
            case ast.Call(func=ast.Name(id="getattr"), args=[ast.Name(id=name) as module, *_]) if name in own:
                if id(module) in outer and module.lineno < until.get(name, sys.maxsize):
                    yield module
            case ast.Call(func=ast.Name(id="globals") as func, args=[], keywords=[]):
                if isinstance(above.get(id(call)), ast.Subscript):
                    yield func
            case ast.Call(func=ast.Name(id="eval") as func) if is_pythons(func, tree):
                if names_something(call, tree):
                    yield func
            case ast.Call(func=func) if dotted(func).rpartition(".")[2] in _IMPORTS:
                yield func


def _top(node: ast.AST, above: Mapping[int, ast.AST]) -> ast.stmt:
    """The statement of the module that a node stands in."""
    around = node
    while not isinstance(above[id(around)], ast.Module):
        around = above[id(around)]
    assert isinstance(around, ast.stmt)
    return around


def _is_repeated(node: ast.AST, above: Mapping[int, ast.AST]) -> bool:
    around = above.get(id(node))
    while around is not None and not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
        if isinstance(around, AGAIN):
            return True
        around = above.get(id(around))
    return around is None


@remembered
def own_names(tree: ast.Module) -> frozenset[str]:
    """Names of the module for itself: `_module = sys.modules[__name__]`, `utils = _module`."""
    found: set[str] = set()
    for node in (one for one in tree.body if isinstance(one, ast.Assign)):
        if is_own(node.value) or (isinstance(node.value, ast.Name) and node.value.id in found):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def is_own(node: ast.AST | None) -> bool:
    """`sys.modules[__name__]`: the file itself."""
    match node:
        case ast.Subscript(value=ast.Attribute(attr="modules"), slice=ast.Name(id="__name__")):
            return True
    return False


@remembered
def bound_otherwise(tree: ast.Module) -> Mapping[str, int]:
    """Names that mean something else from a line on: `data = _module`, and `data = load()` behind it."""
    found: dict[str, int] = {}
    own = own_names(tree)
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node]
        again = isinstance(node, ast.Assign) and (is_own(node.value) or getattr(node.value, "id", "") in own)
        for name in (name for target in targets for name in bound_by(target)):
            found[name] = sys.maxsize if again else min(found.get(name, sys.maxsize), node.lineno)
    return found
