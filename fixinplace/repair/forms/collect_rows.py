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
    if spot is None or not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Name) or loop.orelse:
        return
    code, node = spot
    whole = loop.iter
    if not isinstance(whole, ast.Name) or code.head(loop) is None or _leaves(loop):
        return
    changed = _body(code, node)
    torch = code.name_of("torch")
    if changed is None or torch is None:
        return
    yield _proposal(code, loop, whole.id, loop.target.id, changed, torch)


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
