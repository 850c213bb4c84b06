"""From instructions to places in the source: lines and code-point columns, and the text of the piece.

Note [Columns]
    Python keeps for every instruction the lines and UTF-8 byte columns of its expression.  An augmented assignment
    gives its whole statement and a store the target, but a method call that spans lines starts at the name of the
    method; its end is right, so such a call takes its start from the syntax tree's call that ends there.  The text of
    rewritten code comes from memory, never from the disk: columns must fit what ran.
"""

from __future__ import annotations

import ast
import dis
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import CodeType

from fixinplace.source import NotPython, Text, parse
from fixinplace.trace.events import Place
from fixinplace.trace.frames import Frames, Stack

_BLANKS = re.compile(r"\s+")
_CALLS = frozenset(
    code for name, code in dis.opmap.items() if name.startswith(("CALL", "INSTRUMENTED_CALL", "PRECALL"))
)
MAX_TEXT = 200


class Page:
    """The text of one file, or the lack of it."""

    def __init__(self, text: str | None) -> None:
        self._text = None if text is None else Text(text)

    @cached_property
    def _calls(self) -> dict[tuple[int, int], ast.Call]:
        """Calls by line and byte column of their end."""
        assert self._text is not None
        try:
            nodes = list(ast.walk(ast.parse(self._text.text)))
        except (SyntaxError, ValueError):
            return {}
        return {(node.end_lineno or 0, node.end_col_offset or 0): node for node in nodes if isinstance(node, ast.Call)}

    def place(self, code: CodeType, instruction: int) -> Place:
        """Place of one instruction; lines only where the columns or the text are not known."""
        line, end_line, column, end_column = _position(code, instruction)
        if line is None:
            return Place(code.co_filename, code.co_firstlineno, function=code.co_qualname)
        if end_line is None or column is None or end_column is None:
            return Place(code.co_filename, line, end_line=line, function=code.co_qualname)
        known = self._text is not None and end_line <= len(self._text.starts)
        if not known:
            return Place(code.co_filename, line, column + 1, end_line, end_column + 1, code.co_qualname)
        if self._is_name_of_method(line, column) and _is_call(code, instruction):
            call = self._calls.get((end_line, end_column))
            if call is not None:
                line, column = call.lineno, call.col_offset
        return self._exact(code, (line, column), (end_line, end_column))

    def _is_name_of_method(self, line: int, column: int) -> bool:
        assert self._text is not None
        start = self._text.offset(line, column)
        return self._text.text[max(0, start - 500) : start].rstrip().endswith(".")

    def _exact(self, code: CodeType, start: tuple[int, int], end: tuple[int, int]) -> Place:
        assert self._text is not None
        first, last = self._text.offset(*start), self._text.offset(*end)
        words = _BLANKS.sub(" ", self._text.text[first:last])
        text = words if len(words) <= MAX_TEXT else words[: MAX_TEXT - 1] + "…"
        (line, column), (end_line, end_column) = self._text.position(first), self._text.position(last)
        return Place(code.co_filename, line, column, end_line, end_column, code.co_qualname, text)


class Places:
    """Turns raw stacks into places.

    texts: what ran instead of the text on the disk, by file name.
    """

    def __init__(self, frames: Frames, texts: Mapping[str, str]) -> None:
        self._frames = frames
        self._texts = texts
        self._pages: dict[str, Page] = {}
        self._known: dict[tuple[int, int], Place] = {}

    def of(self, site: tuple[int, int] | None) -> Place | None:
        """The place of one entry of a stack."""
        return None if site is None else self._place(*site)

    def stack(self, stack: Stack) -> tuple[Place, ...]:
        """All places of a stack, innermost first."""
        return tuple(self._place(stack[at], stack[at + 1]) for at in range(0, len(stack), 2))

    def innermost(self, stack: Stack) -> Place | None:
        """The innermost place in the user's own code."""
        return self.of(self._frames.site(stack))

    def _place(self, number: int, instruction: int) -> Place:
        key = (number, instruction)
        if key not in self._known:
            code = self._frames.codes[number]
            place = self._page(code.co_filename).place(code, instruction)
            self._known[key] = replace(place, file=_absolute(place.file))
        return self._known[key]

    def _page(self, file: str) -> Page:
        if file not in self._pages:
            self._pages[file] = Page(self._texts[file] if file in self._texts else _read(file))
        return self._pages[file]


def _absolute(file: str) -> str:
    """Names in angle brackets stand for no file."""
    return file if file.startswith("<") else os.path.abspath(file)  # noqa: PTH100 - keeps `..` behind links


def _read(file: str) -> str | None:
    """The decoded text of a file; None if there is none, as for code that was made with `exec`."""
    try:
        return parse(file, Path(file).read_bytes()).part.text
    except (OSError, NotPython, ValueError):
        return None


def _position(code: CodeType, instruction: int) -> tuple[int | None, int | None, int | None, int | None]:
    for index, position in enumerate(code.co_positions()):
        if index == instruction // 2:
            return position
    return None, None, None, None


def _is_call(code: CodeType, instruction: int) -> bool:
    """True if the instruction makes a call; specialised forms of it are stored in other bytes than `co_code` shows."""
    raw = code.co_code
    return 0 <= instruction < len(raw) and raw[instruction] in _CALLS
