"""Statements that go into a block, such as `with torch.no_grad():`: the fewest changed lines that say it.

Note [One block]
    Neighbours share a block, and one that stands right before or behind them takes them in: behind, its header goes up.
    A line that a block leaves as it is may lie between two neighbours, where a second block would be no shorter.
    Comments on the way are indented too; where that would cost more lines than a block of their own, they get one.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fixinplace.model import Edit, Span
from fixinplace.repair.base import Wrap
from fixinplace.repair.code import Code
from fixinplace.source import Text

_STEP = "    "
_NO_GRAD = "with torch.no_grad():"


@dataclass(frozen=True)
class _Group:
    """Wraps under one header with their statements: neighbours in a block, from `first` to `last` of it."""

    code: Code
    wraps: tuple[tuple[Wrap, ast.stmt], ...]
    block: list[ast.stmt]
    first: int
    last: int

    @property
    def header(self) -> str:
        return self.wraps[0][0].header

    @property
    def head(self) -> str:
        return self.code.head(self.wraps[0][1]) or ""


def lowered(code: Code, wraps: Sequence[Wrap]) -> Iterator[tuple[Wrap, list[Edit]]]:
    """The edits that put each of the statements into a block; see Note [One block]."""
    for group in _groups(code, wraps):
        yield from _edits(group)


def _groups(code: Code, wraps: Sequence[Wrap]) -> list[_Group]:
    statements = {code.text.span(node).start: node for node in ast.walk(code.tree) if isinstance(node, ast.stmt)}
    found: list[_Group] = []
    for wrap in sorted(wraps, key=lambda each: each.start):
        place = code.block(statement := statements[wrap.start])
        if place is None:
            continue
        one = _Group(code, ((wrap, statement),), *place, place[1])
        before = next((each for each in reversed(found) if each.block is one.block), None)
        if before is not None and _neighbours(before, one):
            found.remove(before)
            one = _Group(code, (*before.wraps, *one.wraps), one.block, before.first, one.last)
        found.append(one)
    return found


def _neighbours(before: _Group, one: _Group) -> bool:
    """True if a block for both is no longer than one for each."""
    if before.header != one.header or not all(untouched(each) for each in one.block[before.last + 1 : one.first]):
        return False
    return len(_rows(one.code, one.block[before.last], one.block[one.first])) <= 1


def untouched(node: ast.stmt) -> bool:
    """True for what does the same without grad mode: a gradient dropped, a name for a thing, a constant."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="zero_" | "zero_grad" as attr), args=[])):
            return attr == "zero_grad" or (isinstance(owner, ast.Attribute) and owner.attr == "grad")
        case ast.Assign(targets=[ast.Attribute(attr="grad")], value=ast.Constant(value=None)):
            return True
        case ast.Assign(targets=[ast.Name()], value=value):
            while isinstance(value, ast.Attribute):
                value = value.value
            return isinstance(value, ast.Name | ast.Constant)
    return False


def _rows(code: Code, one: ast.stmt, other: ast.stmt) -> list[int]:
    """The lines between two statements that hold something, 1-based."""
    first = code.text.position(code.text.span(one).end)[0] + 1
    last = code.text.position(code.text.span(other).start)[0]
    return [line for line in range(first, last) if _row(code.text, line).strip()]


def _row(text: Text, line: int) -> str:
    """A line with its ending."""
    stop = text.starts[line] if line < len(text.starts) else len(text.text)
    return text.text[text.starts[line - 1] : stop]


# --- the edits


def _edits(group: _Group) -> Iterator[tuple[Wrap, list[Edit]]]:
    text = group.code.text
    start, opening, closing, step = _joined(group)
    for wrap, _ in group.wraps:
        begin, last = text.position(wrap.start)[0], text.position(wrap.end)[0]
        inside = _in_strings(text, wrap)
        lines = [line for line in range(start, last + 1) if _row(text, line).strip() and line not in inside]
        edits = [_indented(group, line, step) for line in lines]
        if wrap is group.wraps[0][0]:
            own = _indented(group, begin, step)
            edits = [Edit(own.span, opening) if edit == own else edit for edit in edits]
        if wrap is group.wraps[-1][0]:
            edits += closing
        yield wrap, edits
        start = last + 1


def _indented(group: _Group, line: int, step: str) -> Edit:
    """A line one step further in: behind the indentation of the block that it leaves."""
    at = group.code.text.starts[line - 1]
    at += len(group.head) if _row(group.code.text, line).startswith(group.head) else 0
    return Edit(Span(at, at), step)


def _joined(group: _Group) -> tuple[int, str, list[Edit], str]:
    """First line that goes in, what is put before the first statement, edits behind the last, and the indentation."""
    code, text = group.code, group.code.text
    line = text.position(group.wraps[0][0].start)[0]
    before, behind = _above(group), _below(group)
    if before is not None and (behind is None or len(before[1]) <= len(behind[1])):
        return min([line, *before[1]]), before[0], [], before[0]
    if behind is None:
        step = "\t" if "\t" in group.head else _STEP
        return line, f"{group.header}{code.newline}{group.head}{step}", [], step
    step, comments, block = behind
    at = text.position(text.span(block).start)[0]
    header = _row(text, at)
    gone = Edit(Span(text.starts[at - 1], text.starts[at - 1] + len(header)), "")
    opening = f"{header.strip()}{code.newline}{group.head}{step}"
    return line, opening, [*(_indented(group, each, step) for each in comments), gone], step


def _above(group: _Group) -> tuple[str, list[int]] | None:
    """The block right before that takes the statements in: its indentation, and the comments on the way."""
    block = group.block[group.first - 1] if group.first else None
    step = _step_of(group, block)
    if block is None or step is None:
        return None
    outer = [line for line in _rows(group.code, block, group.block[group.first]) if not _is_deep(group, line, step)]
    return (step, outer) if len(outer) <= 1 else None


def _below(group: _Group) -> tuple[str, list[int], ast.With] | None:
    """The block right behind whose header can go up."""
    block = group.block[group.last + 1] if group.last + 1 < len(group.block) else None
    step = _step_of(group, block)
    if not isinstance(block, ast.With) or step is None:
        return None
    between = _rows(group.code, group.block[group.last], block)
    return (step, between, block) if len(between) <= 1 else None


def _is_deep(group: _Group, line: int, step: str) -> bool:
    """True for a comment that already stands as deep as the block's own lines."""
    return _row(group.code.text, line).startswith(group.head + step)


def _step_of(group: _Group, block: ast.stmt | None) -> str | None:
    """How much further in the lines of a block stand that says the same as the header; None if it does not."""
    code = group.code
    if not isinstance(block, ast.With) or len(block.items) != 1 or block.items[0].optional_vars is not None:
        return None
    same = f"with {ast.unparse(block.items[0].context_expr)}:" in (group.header, _NO_GRAD)
    inner = code.head(block.body[0])
    first = code.text.position(code.text.span(block.items[0].context_expr).end)[0]
    alone = first == block.lineno and code.head(block) == group.head
    if not same or inner is None or not alone or not inner.startswith(group.head):
        return None
    return inner[len(group.head) :]


def _in_strings(text: Text, wrap: Wrap) -> frozenset[int]:
    """Lines of a statement that begin inside a string, where an indentation would change the string."""
    first = text.position(wrap.start)[0]
    source = text.text[wrap.start : wrap.end] + "\n"
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = (range(t.start[0] + 1, t.end[0] + 1) for t in tokens if t.type == tokenize.STRING)
    return frozenset(first + line - 1 for lines in found for line in lines)
