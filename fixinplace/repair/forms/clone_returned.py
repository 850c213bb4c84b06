"""A copy where an object hands out what its methods write: a cache, a ring buffer, a bank of rows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair import copying
from fixinplace.repair.base import Proposal, Repair, Scene
from fixinplace.repair.code import Code

_NAME = "clone-returned"
_RANK = 50
_VIEWS = "view reshape flatten squeeze unsqueeze t transpose permute narrow select".split()


def propose(scene: Scene) -> Iterator[Proposal]:
    """The part that is returned of the attribute that a method writes; then whatever that `return` gives of `self`."""
    write = scene.offence.writes[0] if scene.offence.writes else None
    spot = scene.node(write.place) if write is not None else None
    if spot is None or not copying.helps(scene):
        return
    code, node = spot
    name = copying.written(code.statement(node))
    home = next((up for up in code.up(node) if isinstance(up, ast.ClassDef)), None)
    for function, given in _returned(home) if home is not None and name.startswith("self.") else ():
        own = [each for each in given if copying.path(each) == name]
        if own:
            yield _copied(code, own, function, _RANK)
        if own and len(own) < len(given):
            yield _copied(code, given, function, _RANK + 1)


def _copied(code: Code, nodes: list[ast.expr], function: str, rank: int) -> Proposal:
    names = " and ".join(f"`{' '.join(code.source_of(node).split())}`" for node in nodes)
    return copying.copied(_NAME, code, nodes, rank, f"{names} cloned where `{function}` returns it")


def _returned(home: ast.ClassDef) -> Iterator[tuple[str, list[ast.expr]]]:
    """The methods of a class that return attributes of its objects, or views of them, with those."""
    for function in (each for each in home.body if isinstance(each, ast.FunctionDef)):
        for node in ast.walk(function):
            match node:
                case ast.Return(value=ast.Tuple(elts=parts)):
                    yield function.name, [each for each in parts if _is_attribute(each)]
                case ast.Return(value=ast.expr() as value):
                    yield function.name, [each for each in (value,) if _is_attribute(each)]


def _is_attribute(node: ast.expr) -> bool:
    """True for `self.rows` and what is a view of it, whatever happens."""
    match node:
        case ast.Subscript(value=inner):
            return _is_attribute(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr=attr)):
            return attr in _VIEWS and _is_attribute(inner)
        case ast.Attribute(value=ast.Name(id="self")):
            return True
    return False


REPAIR = Repair(
    name=_NAME,
    what="Clones a buffer where a method returns it: `return self.k[:, : self.n]` becomes "
    "`return self.k[:, : self.n].clone()`.",
    why="Whoever asks gets what the buffer holds now, and the object goes on writing it; one line serves all readers.",
    propose=propose,
)
