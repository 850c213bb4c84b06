"""Statements as lines of text that are cut, pasted and indented anew; comments above and behind them go along."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from itertools import pairwise

from fixinplace.model import Edit, Span
from fixinplace.repair.code import Code
from fixinplace.repair.steps.lines import Item
from fixinplace.source import apply


class CannotMove(ValueError):
    """The statement shares its line with another, or its text cannot be indented anew."""


def text_of(code: Code, statement: ast.stmt, comments: bool = True) -> list[str]:
    """The lines of a statement without its indentation; with its comment behind it if wanted.

    Raises CannotMove for a statement that shares its line, or that holds a string over several lines.
    """
    span = code.text.span(statement)
    head, end = code.head(statement), code.line_end(span.end)
    if head is None or end is None:
        raise CannotMove(code.source_of(statement))
    rows = code.text.text[span.start : end if comments else span.end].splitlines()
    if len(rows) > 1 and any(_long_string(node) for node in ast.walk(statement)):
        raise CannotMove(code.source_of(statement))
    return [rows[0], *(row.removeprefix(head) for row in rows[1:])]


def _long_string(node: ast.AST) -> bool:
    text = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))
    return text and node.lineno != node.end_lineno  # type: ignore[attr-defined]


def comments_above(code: Code, statement: ast.stmt) -> list[str]:
    """The lines of comment that stand right above a statement, in its own indentation."""
    head = code.head(statement) or ""
    first = code.text.position(code.text.span(statement).start)[0]
    found: list[str] = []
    for line in range(first - 1, 0, -1):
        row = _row(code, line)
        if not (row.startswith(head + "#")):
            break
        found.append(row.removeprefix(head))
    return found[::-1]


def _row(code: Code, line: int) -> str:
    """The text of a line, 1-based, without its ending; empty outside the file."""
    starts = code.text.starts
    if not 1 <= line <= len(starts):
        return ""
    stop = starts[line] if line < len(starts) else len(code.text.text)
    return code.text.text[starts[line - 1] : stop].rstrip("\r\n")


def belongs(code: Code, statement: ast.stmt, going: Sequence[ast.stmt]) -> list[str]:
    """The comments above that speak of this statement alone: nothing that stays follows in the same paragraph."""
    place = code.block(statement)
    above = comments_above(code, statement)
    if place is None or not above:
        return []
    block, index = place
    following = [each for each in block[index + 1 :] if not any(each is other for other in going)]
    if not following:
        return above
    last = code.text.position(code.text.span(statement).end)[0]
    after = code.text.position(code.text.span(following[0]).start)[0]
    between = [_row(code, line).strip() for line in range(last + 1, after)]
    first = code.text.position(code.text.span(statement).start)[0] - len(above)
    inside = index > 0 and bool(_row(code, first - 1).strip())
    return above if inside or any(not row or row.startswith("#") for row in between) else []


def cut(code: Code, statements: Sequence[ast.stmt]) -> list[Edit]:
    """The statements taken out, with the comments that belong to them, and with the blank line that would double.

    Raises CannotMove; a block must not be emptied by it.
    """
    _leaves_something(code, statements)
    edits: list[Edit] = []
    for statement in statements:
        edit = code.remove(statement)
        if edit is None:
            raise CannotMove(code.source_of(statement))
        comments = belongs(code, statement, statements)
        first = code.text.position(edit.span.start)[0] - len(comments)
        last = code.text.position(code.text.span(statement).end)[0] + 1
        start, end = code.text.starts[first - 1], edit.span.end
        if (
            not _row(code, first - 1).strip()
            and first > 1
            and not _row(code, last).strip()
            and last < len(code.text.starts)
        ):
            end = code.text.starts[last]
        edits.append(Edit(Span(start, end), ""))
    return _merged(edits)


def _merged(edits: list[Edit]) -> list[Edit]:
    found = sorted(edits, key=lambda edit: edit.span.start)
    return [
        Edit(Span(one.span.start, min(one.span.end, other.span.start)), "") for one, other in pairwise(found)
    ] + found[-1:]


def _leaves_something(code: Code, statements: Sequence[ast.stmt]) -> None:
    for statement in statements:
        place = code.block(statement)
        if place is None or all(any(each is other for other in statements) for each in place[0]):
            raise CannotMove(code.source_of(statement))


def moved(code: Code, statements: Sequence[ast.stmt]) -> list[str]:
    """The lines of statements that go elsewhere, with their comments."""
    found: list[str] = []
    for statement in statements:
        found += [*belongs(code, statement, statements), *text_of(code, statement)]
    return found


def emitted(code: Code, items: Sequence[Item], within: Sequence[ast.With]) -> list[str]:
    """The lines of copies, each in the `with` blocks that it stood in, as far as the new place is not in them."""
    lines: list[str] = []
    opened: tuple[ast.With, ...] = ()
    for item in items:
        wraps = tuple(each for each in item.wraps if not any(each is other for other in within))
        shared = 0
        while shared < min(len(opened), len(wraps)) and opened[shared] is wraps[shared]:
            shared += 1
        for depth in range(shared, len(wraps)):
            header = wraps[depth]
            start, stop = code.text.span(header).start, code.text.span(header.items[-1].context_expr).end
            if header.items[-1].optional_vars is not None:
                stop = code.text.span(header.items[-1].optional_vars).end
            text = code.text.text[start:stop]
            if "\n" in text or text.count("(") != text.count(")"):
                raise CannotMove(text)
            lines.append("    " * depth + text + ":")
        opened = wraps
        lines += ["    " * len(wraps) + row for row in text_of(code, item.node, comments=False)]
    return lines


def pasted_after(code: Code, statement: ast.stmt, lines: Sequence[str]) -> Edit:
    """Lines as statements right behind a statement; raises CannotMove."""
    end, head = code.line_end(code.text.span(statement).end), code.head(statement)
    if end is None or head is None:
        raise CannotMove(code.source_of(statement))
    return Edit(Span(end, end), "".join(f"{code.newline}{head}{line}" for line in lines))


def pasted_below(code: Code, statement: ast.stmt, lines: Sequence[str]) -> Edit:
    """The same for a compound statement whose last line may be cut: at the start of the line below it."""
    behind = pasted_after(code, statement, lines)
    end = behind.span.start
    ending = re.match(r"\r\n|\r|\n", code.text.text[end:])
    if ending is None:
        return behind
    at, text = end + ending.end(), behind.text.removeprefix(code.newline) + code.newline
    return Edit(Span(at, at), text)


def checked(code: Code, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits, which do not overlap; raises CannotMove."""
    try:
        apply(code.text.text, tuple(edits))
    except ValueError as error:
        raise CannotMove(str(error)) from error
    return tuple(edits)


def pasted_before(code: Code, statement: ast.stmt, lines: Sequence[str]) -> Edit:
    """Lines as statements before a statement and the comments above it; raises CannotMove."""
    head = code.head(statement)
    if head is None:
        raise CannotMove(code.source_of(statement))
    first = code.text.position(code.text.span(statement).start)[0] - len(comments_above(code, statement))
    at = code.text.starts[first - 1]
    return Edit(Span(at, at), "".join(f"{head}{line}{code.newline}" for line in lines))


def pasted_first(code: Code, loop: ast.For | ast.While | ast.FunctionDef, lines: Sequence[str]) -> Edit:
    """Lines as the first statements of a loop's body, or of a function's; raises CannotMove."""
    if isinstance(loop, ast.FunctionDef):
        return pasted_before(code, loop.body[0], lines)
    test = loop.iter if isinstance(loop, ast.For) else loop.test
    end, head = code.text.span(test).end, code.head(loop.body[0])
    rest = re.match(r"[ \t]*\)*[ \t]*:[ \t]*(#[^\r\n]*)?", code.text.text[end:])
    if head is None or rest is None:
        raise CannotMove(code.source_of(test))
    at = end + rest.end()
    return Edit(Span(at, at), "".join(f"{code.newline}{head}{line}" for line in lines))
