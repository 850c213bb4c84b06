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
from fixinplace.model import Edit
from fixinplace.repair.base import Change, Proof, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code

NAME = "last-of-each"
_CAVEAT = "which of several values for one element is left torch does not say; here it was the last one"
_NAMES = ("kept", "kept_last", "last_of_each")


def propose(scene: Scene) -> Iterator[Proposal]:
    """The places of the index that are left, in a line before; then the store of these."""
    offence = scene.offence
    spot = scene.node(offence.writes[0].place) if offence.rule == "FIP304" and offence.writes else None
    if spot is None:
        return
    code, statement = spot[0], spot[0].statement(spot[1])
    found, used = _parts(statement), {each.id for each in ast.walk(code.tree) if isinstance(each, ast.Name)}
    name = next((each for each in _NAMES if each not in used), None)
    if found is None or name is None:
        return
    indices, value, along = found
    texts = [code.source_of(each) for each in indices]
    listed = [f"{text}.tolist()" for text in texts]
    each = f"enumerate({listed[0]})" if len(listed) == 1 else f"enumerate(zip({', '.join(listed)}))"
    line = code.before_statement(statement, f"{name} = sorted({{at: n for n, at in {each}}}.values())")
    if line is None:
        return
    cut = [code.after(one, f"[{name}]") for one in indices]
    title = f"of what `{' '.join(code.source_of(statement).split())}` stores, the last for each element alone"
    for rank, edits in enumerate(([line, *cut, *_taken(code, value, along, name)], [line, *cut])):
        changes = (Change(code.path, tuple(edits)),)
        yield Proposal(NAME, Tier.PATCH, title, changes, rank=20 + rank, caveats=(_CAVEAT,), proof=Proof.DERIVED)


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


def _taken(code: Code, value: ast.expr, along: str, name: str) -> Iterator[Edit]:
    text = code.source_of(value)
    atom = isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Call)
    yield code.replace(value, f"{text if atom else f'({text})'}[{along}{name}]")


REPAIR = Repair(
    name=NAME,
    what="Stores of each element's values the last alone: `canvas[cell] = feats` becomes `canvas[cell[kept]] = "
    "feats[kept]`, with the places that are kept in a line before.",
    why="Torch gives the gradient of an element to all values that were stored there, also to those that are gone.",
    propose=propose,
)
