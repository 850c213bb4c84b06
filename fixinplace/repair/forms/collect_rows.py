"""A loop that writes the rows of a tensor through its loop variable: collected and stacked instead."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.model import Edit, Refused, Span
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.ran import fix_at


def propose(scene: Scene) -> Iterator[Proposal]:
    """`for row in x: row.sub_(m)` builds a list of the new rows and stacks it into `x`."""
    offence = scene.offence
    if offence.rule != "FIP204" or not offence.writes:
        return
    spot = scene.node(offence.writes[0].place)
    loop = spot[0].loop(spot[1]) if spot is not None else None
    if spot is None or not isinstance(loop, ast.For) or loop.orelse:
        return
    code, node = spot
    written = {each.id for each in ast.walk(code.statement(node)) if isinstance(each, ast.Name)}
    changed, torch = _body(code, node), code.name_of("torch")
    if code.head(loop) is None or _leaves(loop) or changed is None or torch is None:
        return
    for row, whole in _pairs(loop.target, loop.iter):
        if row in written:
            yield _proposal(code, loop, whole, row, changed, torch)


def _pairs(target: ast.expr, over: ast.expr) -> Iterator[tuple[str, str]]:
    """Loop variables with the names that they are rows of."""
    match target, over:
        case ast.Name(id=row), ast.Name(id=whole):
            yield row, whole
        case ast.Tuple(elts=[_, inner]), ast.Call(func=ast.Name(id="enumerate"), args=[counted, *_]):
            yield from _pairs(inner, counted)
        case ast.Tuple(elts=rows), ast.Call(func=ast.Name(id="zip"), args=wholes):
            for row_, whole_ in zip(rows, wholes, strict=False):
                yield from _pairs(row_, whole_)


def _body(code: Code, node: ast.expr | ast.stmt) -> tuple[Edit, ...] | None:
    outcome = fix_at(code, node)
    return None if outcome is None or isinstance(outcome.fix, Refused) else outcome.fix.edits


def _leaves(loop: ast.For) -> bool:
    """True if not every turn comes to its end."""
    return any(isinstance(node, (ast.Break, ast.Continue, ast.Return, ast.Yield)) for node in ast.walk(loop))


def _proposal(code: Code, loop: ast.For, whole: str, row: str, changed: tuple[Edit, ...], torch: str) -> Proposal:
    rows = f"{whole}_rows" if f"{whole}_rows" not in code.text.text else f"new_{whole}_rows"
    head = code.head(loop) or ""
    inner = code.head(loop.body[-1])
    start, end = code.before_statement(loop, f"{rows} = []"), code.text.span(loop.body[-1]).end
    assert start is not None
    stop = code.line_end(end)
    tail = f"{code.newline}{inner}{rows}.append({row}){code.newline}{head}{whole} = {torch}.stack({rows})"
    span = Edit(Span(stop or end, stop or end), tail)
    title = f"the rows of `{whole}` collected and stacked"
    return Proposal("collect-rows", Tier.PATCH, title, (Change(code.path, (start, *changed, span)),), rank=15)


REPAIR = Repair(
    name="collect-rows",
    what="Collects the rows that a loop over a tensor computes, and stacks them into a new tensor of the same name.",
    why="The loop variable is one of several views: torch refuses to write it, and a new row would not reach the base.",
    propose=propose,
)
