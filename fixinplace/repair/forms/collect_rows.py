"""A loop that writes the rows or parts of a tensor through its loop variable: by number, or collected and joined.

Note [All writes of a loop]
    A row that a loop writes twice is saved in between as often as not, `c.sub_(m); c.div_(c.std())`: no write that
    stays in place is right then, so new rows come first, with every write of the loop out of place.

Note [Rows that nobody joins]
    Where nothing reads the tensor again, or the tuple that `unbind` gave, the new rows are all that counts: what the
    loop itself does with them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fixinplace.model import Edit, Refused, Span
from fixinplace.repair import copying
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.indexed import by_number
from fixinplace.repair.ran import fix_at
from fixinplace.repair.rows import at_once
from fixinplace.repair.unread import left_behind
from fixinplace.source import apply

_IN_PARTS = ("split", "chunk", "tensor_split")
_SIZES = ("split_size", "split_size_or_sections", "chunks", "sections", "indices_or_sections", "indices")


@dataclass(frozen=True, slots=True)
class _Rows:
    """The name of a tensor, and how `torch.stack` is told along which dimension a loop takes its rows.

    join: what makes the tensor of its rows, `stack`, or of its parts, `cat`.
    """

    whole: str
    along: str = ""
    join: str = "stack"

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
    torch, statement = code.name_of("torch"), code.statement(node)
    if torch is None:
        return
    apart = None in (code.head(loop), code.head(loop.body[-1])) or _leaves(loop)
    for row, rows in _pairs(loop.target, loop.iter, torch):
        if rows.whole == row:
            continue
        writes = _writes(code, loop, node, row)
        found = list(_anew(code, loop, rows, row, writes, torch)) if writes and not apart else []
        if rows.join == "stack" and (writes or row == copying.written(statement)):
            found += by_number(code, loop, row, rows.whole, rows.dim)
        gone = left_behind(code, scene.files, loop, row) if found else ()
        yield from (replace(each, unread=gone) for each in found)


def _writes(code: Code, loop: ast.For, node: ast.expr | ast.stmt, row: str) -> list[tuple[Edit, ...]]:
    """How the writes of a row become new rows, the one that was met first; see Note [All writes of a loop]."""
    first = code.statement(node)
    others = [n for s in loop.body for n in ast.walk(s) if _is_write(n, row) and n is not first]
    found = []
    for each, statement in [(node, first), *((n, n) for n in others if isinstance(n, ast.stmt))]:
        edits = _body(code, each)
        if edits is not None and row in _bound(code, statement, edits):
            found.append(edits)
        elif statement is first:
            return []
    return found


def _is_write(node: ast.AST, row: str) -> bool:
    """True for `row += 1` and `row.add_(1)`."""
    match node:
        case ast.AugAssign(target=ast.Name(id=name)):
            return name == row
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr))) if isinstance(node, ast.Expr):
            return attr.endswith("_") and not attr.endswith("__") and copying.written(node) == row
    return False


def _anew(
    code: Code, loop: ast.For, rows: _Rows, row: str, writes: list[tuple[Edit, ...]], torch: str
) -> Iterator[Proposal]:
    """The rows made anew, joined where that can be seen."""
    if rows.join == "stack" and len(writes) == 1:
        yield from at_once(code, loop, writes[0])
    rank = 15 if len(writes) == 1 else 13
    edits = tuple(dict.fromkeys(edit for each in writes for edit in each))
    if _is_done(code, loop, rows.whole):
        title = f"the rows of `{rows.whole}` made anew, each under the name `{row}`"
        yield Proposal("collect-rows", Tier.PATCH, title, (Change(code.path, edits),), rank=rank)
    else:
        yield _joined(code, loop, rows, row, edits, torch, rank)


def _is_done(code: Code, loop: ast.For, whole: str) -> bool:
    """True if nothing but the loop's header reads a local name; see Note [Rows that nobody joins]."""
    home = code.function(loop)
    if home is None:
        return False
    names = [n for n in ast.walk(home) if isinstance(n, ast.Name) and n.id == whole]
    header = {id(each) for each in ast.walk(loop.iter)}
    shared = any(isinstance(n, (ast.Global, ast.Nonlocal)) and whole in n.names for n in ast.walk(code.tree))
    own = any(isinstance(n.ctx, ast.Store) and code.function(n) is home for n in names)
    read = any(not isinstance(n.ctx, ast.Store) and id(n) not in header for n in names)
    return own and not shared and not read


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
        case ast.Name(id=row), ast.Call(func=ast.Attribute(value=owner, attr=attr), args=args, keywords=keywords):
            parts = [*args] if ast.unparse(owner) == torch else [owner, *args]
            given: list[ast.expr | ast.keyword] = [*parts[1:], *keywords]
            sizes = [e for n, e in enumerate(given) if _is_size(e, n)] if attr in _IN_PARTS else []
            along = [each for each in given if each not in sizes]
            known = attr == "unbind" or (attr in _IN_PARTS and len(sizes) == 1)
            fixed = len(along) < 2 and all(_is_fixed(each) for each in along)
            if known and fixed and parts and isinstance(parts[0], ast.Name):
                text = "".join(f", {ast.unparse(each)}" for each in along)
                yield row, _Rows(parts[0].id, text, "stack" if attr == "unbind" else "cat")


def _is_size(node: ast.expr | ast.keyword, place: int) -> bool:
    """True for what says how `split` and its like cut."""
    return node.arg in _SIZES if isinstance(node, ast.keyword) else place == 0


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


def _joined(
    code: Code, loop: ast.For, of: _Rows, row: str, changed: tuple[Edit, ...], torch: str, rank: int
) -> Proposal:
    whole, kind, done = of.whole, *(("rows", "stacked") if of.join == "stack" else ("parts", "joined"))
    rows = f"{whole}_{kind}" if f"{whole}_{kind}" not in code.text.text else f"new_{whole}_{kind}"
    head = code.head(loop) or ""
    inner = code.head(loop.body[-1])
    start, end = code.before_statement(loop, f"{rows} = []"), code.text.span(loop.body[-1]).end
    assert start is not None
    stop = code.line_end(end)
    tail = f"{code.newline}{inner}{rows}.append({row}){code.newline}{head}{whole} = {torch}.{of.join}({rows}{of.along})"
    span = Edit(Span(stop or end, stop or end), tail)
    title = f"the {kind} of `{whole}` collected and {done}"
    return Proposal("collect-rows", Tier.PATCH, title, (Change(code.path, (start, *changed, span)),), rank=rank)


REPAIR = Repair(
    name="collect-rows",
    what="Writes the rows of a tensor that a loop goes through by their numbers, `x[i]`; or collects the new rows and "
    "stacks them into a new tensor of the same name.",
    why="The loop variable is one of several views: torch refuses to write it, and a new row would not reach the base; "
    "`x[i]` is a view of its own.",
    propose=propose,
)
