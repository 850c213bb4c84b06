"""A loop that writes the rows of a tensor through its loop variable: by number, or collected and stacked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from fixinplace.model import Edit, Refused, Span
from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.indexed import by_number
from fixinplace.repair.ran import fix_at
from fixinplace.repair.rows import at_once
from fixinplace.source import apply


@dataclass(frozen=True, slots=True)
class _Rows:
    """The name of a tensor, and how `torch.stack` is told along which dimension a loop takes its rows."""

    whole: str
    along: str = ""

    @property
    def dim(self) -> int:
        """The dimension itself."""
        return int(self.along.rpartition("=")[2].strip(" ,") or 0)


def propose(scene: Scene) -> Iterator[Proposal]:
    """`for row in x.unbind(1): row.sub_(m)` writes `x[:, i]`, or builds a list of new rows and stacks it into `x`."""
    offence = scene.offence
    if offence.rule != "FIP204" or not offence.writes:
        return
    spot = scene.node(offence.writes[0].place)
    loop = spot[0].loop(spot[1]) if spot is not None else None
    if spot is None or not isinstance(loop, ast.For) or loop.orelse:
        return
    code, node = spot
    changed, torch, statement = _body(code, node), code.name_of("torch"), code.statement(node)
    if torch is None:
        return
    apart = None in (code.head(loop), code.head(loop.body[-1])) or _leaves(loop)
    bound = set() if changed is None else _bound(code, statement, changed)
    for row, rows in _pairs(loop.target, loop.iter, torch):
        if rows.whole != row and row in {*bound, copying.written(statement)}:
            if changed is not None and row in bound and not apart:
                yield from at_once(code, loop, changed)
                yield _proposal(code, loop, rows, row, changed, torch)
            yield from by_number(code, loop, row, rows.whole, rows.dim)


def _pairs(target: ast.expr, over: ast.expr, torch: str) -> Iterator[tuple[str, _Rows]]:
    """Loop variables with what they are rows of."""
    match target, over:
        case ast.Name(id=row), ast.Name(id=whole):
            yield row, _Rows(whole)
        case ast.Tuple(elts=[_, inner]), ast.Call(func=ast.Name(id="enumerate"), args=[counted, *_]):
            yield from _pairs(inner, counted, torch)
        case ast.Tuple(elts=rows), ast.Call(func=ast.Name(id="zip"), args=wholes):
            for row_, whole_ in zip(rows, wholes, strict=False):
                yield from _pairs(row_, whole_, torch)
        case ast.Name(id=row), ast.Call(func=ast.Attribute(value=owner, attr="unbind"), args=args, keywords=keywords):
            parts = [*args] if ast.unparse(owner) == torch else [owner, *args]
            along: list[ast.expr | ast.keyword] = [*parts[1:], *keywords]
            if parts and isinstance(parts[0], ast.Name) and len(along) < 2 and all(_is_fixed(each) for each in along):
                yield row, _Rows(parts[0].id, "".join(f", {ast.unparse(each)}" for each in along))


def _is_fixed(node: ast.expr | ast.keyword) -> bool:
    """True for a dimension that is written out: `1`, `-1`, `dim=1`."""
    if isinstance(node, ast.keyword):
        return node.arg == "dim" and _is_fixed(node.value)
    number = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else node
    return isinstance(number, ast.Constant) and type(number.value) is int


def _body(code: Code, node: ast.expr | ast.stmt) -> tuple[Edit, ...] | None:
    outcome = fix_at(code, node)
    return None if outcome is None or isinstance(outcome.fix, Refused) else outcome.fix.edits


def _bound(code: Code, statement: ast.stmt, edits: tuple[Edit, ...]) -> set[str]:
    """The names that a statement binds once it is written out of place: what it writes, not what it reads."""
    span, head = code.text.span(statement), code.head(statement)
    if head is None or any(e.span.start < span.start or e.span.end > span.end for e in edits):
        return set()
    moved = tuple(Edit(Span(e.span.start - span.start, e.span.end - span.start), e.text) for e in edits)
    changed = ast.parse(f"if True:\n{head}{apply(code.source_of(statement), moved)}")
    names = (node for node in ast.walk(changed) if isinstance(node, ast.Name))
    return {each.id for each in names if isinstance(each.ctx, ast.Store)}


def _leaves(loop: ast.For) -> bool:
    """True if not every turn comes to its end."""
    return any(isinstance(node, (ast.Break, ast.Continue, ast.Return, ast.Yield)) for node in ast.walk(loop))


def _proposal(code: Code, loop: ast.For, of: _Rows, row: str, changed: tuple[Edit, ...], torch: str) -> Proposal:
    whole = of.whole
    rows = f"{whole}_rows" if f"{whole}_rows" not in code.text.text else f"new_{whole}_rows"
    head = code.head(loop) or ""
    inner = code.head(loop.body[-1])
    start, end = code.before_statement(loop, f"{rows} = []"), code.text.span(loop.body[-1]).end
    assert start is not None
    stop = code.line_end(end)
    tail = f"{code.newline}{inner}{rows}.append({row}){code.newline}{head}{whole} = {torch}.stack({rows}{of.along})"
    span = Edit(Span(stop or end, stop or end), tail)
    title = f"the rows of `{whole}` collected and stacked"
    return Proposal("collect-rows", Tier.PATCH, title, (Change(code.path, (start, *changed, span)),), rank=15)


REPAIR = Repair(
    name="collect-rows",
    what="Writes the rows of a tensor that a loop goes through by their numbers, `x[i]`; or collects the new rows and "
    "stacks them into a new tensor of the same name.",
    why="The loop variable is one of several views: torch refuses to write it, and a new row would not reach the base; "
    "`x[i]` is a view of its own.",
    propose=propose,
)
