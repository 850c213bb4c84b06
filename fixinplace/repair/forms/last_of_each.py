"""A store that names elements twice, as the same store of what is left there: the last value of each element.

Note [The last of each]
    `canvas[cell] = feats` with two points in one cell keeps one of them, and torch's backward gives the gradient to
    both.  The points that are left are known before the store: of each element the last place in the index.  The same
    store of these alone gives the same values, as long as torch stores in order, as it does on the processor, and no
    gradient to what was overwritten.  The original's own gradients are wrong and no reference; its derivative in
    forward mode stores the tangents as it stores the values.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.index import dotted
from fixinplace.repair.base import Change, Proof, Proposal, Repair, Scene, Tier
from fixinplace.repair.steps.lasting import LAST, kept, stored

NAME = "last-of-each"


def propose(scene: Scene) -> Iterator[Proposal]:
    """The places of the index that are left, in a line before; then the store of these."""
    found = stored(scene)
    if found is None:
        return
    code, statement = found
    parts = _parts(statement)
    for rank, (title, edits) in enumerate(kept(code, statement, *parts) if parts is not None else ()):
        changes = (Change(code.path, edits),)
        yield Proposal(NAME, Tier.PATCH, title, changes, rank=20 + rank, caveats=(LAST,), proof=Proof.DERIVED)


def _parts(statement: ast.stmt) -> tuple[list[ast.expr], ast.expr, str] | None:
    """The index tensors of a store, what is stored, and what stands before their dimension in an index of that."""
    match statement:
        case ast.Assign(targets=[ast.Subscript(slice=index)], value=value):
            parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
            whole = [each for each in parts if isinstance(each, ast.Slice) and ast.unparse(each) == ":"]
            named = parts[len(whole) :]
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr), args=arguments, keywords=[])):
            return _of_call(attr, arguments)
        case _:
            return None
    return (named, value, ":, " * len(whole)) if named and _are_names(named) else None


def _of_call(method: str, arguments: list[ast.expr]) -> tuple[list[ast.expr], ast.expr, str] | None:
    match method, arguments:
        case "index_put_", [ast.Tuple(elts=named), value] if named and _are_names(named):
            return list(named), value, ""
        case "index_copy_", [ast.Constant(value=0), one, value] if _are_names([one]):
            return [one], value, ""
    return None


def _are_names(nodes: list[ast.expr]) -> bool:
    return all(isinstance(each, ast.Name | ast.Attribute) and dotted(each) for each in nodes)


REPAIR = Repair(
    name=NAME,
    what="Stores of each element's values the last alone: `canvas[cell] = feats` becomes `canvas[cell[kept]] = "
    "feats[kept]`, with the places that are kept in a line before.",
    why="Torch gives the gradient of an element to all values that were stored there, also to those that are gone.",
    propose=propose,
)
