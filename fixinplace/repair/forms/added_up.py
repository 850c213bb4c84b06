"""`total[index] += values` where the index names elements twice: all of them added, or the last alone, as today.

Note [Added up]
    Whoever writes `total[dst] += messages` for a graph mostly means that everything which goes to one element is added
    there.  Python means `total[dst] = total[dst] + messages`: of several values for one element the last is left.  Both
    are honest; the first changes the values, the second only the gradient, which torch gets wrong.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.index import dotted
from fixinplace.model import Edit
from fixinplace.repair.base import Change, Proof, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.steps.lasting import LAST, kept, stored

NAME = "added-up"
_ALL = (
    "Every value is added: an element that the index names twice gets both, and each of them its gradient. The values "
    "change, since today the last alone is added."
)
_LAST = (
    "The values stay what they are: of several values for one element the last alone is added, and it alone gets the "
    "gradient."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """Both meanings of a sum that is stored."""
    found = stored(scene)
    if found is None:
        return
    code, statement = found
    text = _summed(code, statement)
    if text is not None and isinstance(statement, ast.AugAssign):
        edit = Edit(code.text.span(statement), text)
        yield Proposal(NAME, Tier.CHOOSE, f"`{text}`", (Change(code.path, (edit,)),), _ALL, 10, kind=NAME)
        for rank, (title, edits) in enumerate(kept(code, statement, [*_indices(statement)], statement.value, "")):
            changes = (Change(code.path, edits),)
            yield Proposal(NAME, Tier.CHOOSE, title, changes, _LAST, 20 + rank, (LAST,), kind=f"{NAME}: the last",
                           proof=Proof.DERIVED)  # fmt: skip


def _indices(statement: ast.AugAssign) -> list[ast.expr]:
    """The index tensors, where nothing stands beside them."""
    match statement.target:
        case ast.Subscript(slice=ast.Tuple(elts=parts)):
            return parts
        case ast.Subscript(slice=index):
            return [index]
    return []


def _summed(code: Code, statement: ast.stmt) -> str | None:
    """The statement as a sum of everything; None for what is no sum into elements that names stand for."""
    match statement:
        case ast.AugAssign(target=ast.Subscript(value=target), op=ast.Add() | ast.Sub() as op, value=value):
            indices = _indices(statement)
        case _:
            return None
    if not indices or not all(isinstance(each, ast.Name | ast.Attribute) and dotted(each) for each in indices):
        return None
    whole, given = code.source_of(target), code.source_of(value)
    texts = [code.source_of(each) for each in indices]
    if len(texts) == 1 and not isinstance(value, ast.Constant):
        less = ", alpha=-1" if isinstance(op, ast.Sub) else ""
        return f"{whole}.index_add_(0, {texts[0]}, {given}{less})"
    given = f"-({given})" if isinstance(op, ast.Sub) else given
    given = f"{whole}.new_tensor({given})" if isinstance(value, ast.Constant) else given
    return f"{whole}.index_put_(({', '.join(texts)}), {given}, accumulate=True)"


REPAIR = Repair(
    name=NAME,
    what="Offers `total.index_add_(0, index, values)` for `total[index] += values`, and the last value of each element "
    "alone.",
    why="The store of a sum keeps one of several values for one element, and torch gives the gradient to all of them.",
    propose=propose,
)
