"""A store into one end of a tensor as the tensor joined anew from what stays and what was stored.

Note [Joined]
    Where the write itself goes out of place, and no scatter says it, the value is computed, the tensor cloned and the
    clone written: three lines.  For the first or the last part along one dimension `torch.cat` says the same in one.
    Only it neither spreads nor casts the value, so it is the last resort's shorter form: what it changes, a run shows.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.model import Fix
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.forms.out_of_place import LAST_RESORT, argument
from fixinplace.repair.ran import fix_at

_RANK = 63
_LONGEST = 120
_PLAIN = (ast.Name, ast.Attribute, ast.Constant)


def propose(scene: Scene) -> Iterator[Proposal]:
    """`x[:, k:] = f(x)` becomes `x = torch.cat([x[:, :k], f(x)], dim=1)`."""
    offence = scene.offence
    spot = scene.node(offence.writes[0].place) if not offence.rule and offence.writes else None
    if spot is None:
        return
    code, node = spot
    statement = code.statement(node)
    text = _joined(code, statement)
    outcome = fix_at(code, node) if text is not None else None
    if text is None or outcome is None or not isinstance(outcome.fix, Fix) or outcome.fix.rewrite != LAST_RESORT:
        return
    change = Change(code.path, (code.replace(statement, text),))
    caveats = (*outcome.caveats, *argument(outcome.fix))
    yield Proposal("joined-parts", Tier.PATCH, f"rewrite as `{text}`", (change,), rank=_RANK, caveats=caveats)


def _joined(code: Code, statement: ast.stmt) -> str | None:
    """The statement as one `cat`; None for any other statement, and for one that gets too long."""
    cat = code.name_of("torch", "cat")
    match statement:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=index)], value=value):
            end = _end(code, index)
            if cat is None or end is None or isinstance(value, (ast.Constant, ast.Tuple, ast.UnaryOp)):
                return None
            (rest, last), dim = end, _dimension(index)
            parts = [f"{name}[{rest}]", code.source_of(value)]
            text = f"{name} = {cat}([{', '.join(parts if last else parts[::-1])}], dim={dim})"
            long = len(text) + len(code.head(statement) or "") > _LONGEST
            return None if "\n" in text or long else text
    return None


def _end(code: Code, index: ast.expr) -> tuple[str, bool] | None:
    """The index of all that is not stored to, and True if that comes first; None if it is not one part."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    whole = parts[:-1]
    if not all(_is_whole(each) or (n == 0 and _is_rest(each)) for n, each in enumerate(whole)):
        return None
    before = "".join(f"{code.source_of(each)}, " if _is_rest(each) else ":, " for each in whole)
    match parts[-1]:
        case ast.Slice(lower=ast.expr() as start, upper=None, step=None) if _is_plain(start):
            return f"{before}:{code.source_of(start)}", True
        case ast.Slice(lower=None, upper=ast.expr() as stop, step=None) if _is_plain(stop):
            return f"{before}{code.source_of(stop)}:", False
    return None


def _dimension(index: ast.expr) -> int:
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return -1 if _is_rest(parts[0]) else len(parts) - 1


def _is_whole(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) and node.lower is node.upper is node.step is None


def _is_rest(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _is_plain(node: ast.expr) -> bool:
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, _PLAIN)


REPAIR = Repair(
    name="joined-parts",
    what="Joins a tensor anew whose first or last part is written: `x = torch.cat([x[:, :k], new], dim=1)`.",
    why="Both what is read of the part and what is read of the rest keep their values, without a clone of each.",
    propose=propose,
)
