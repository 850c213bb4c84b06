"""Code-point offsets to the positions of an editor and back, in the encoding that was agreed on.

Lines are those of `source.Text`: CRLF, CR and LF end one, as the protocol has it, and nothing else does.
"""

from __future__ import annotations

import enum

from lsprotocol import types

from fixinplace.model import Span
from fixinplace.source import Text


class Encoding(enum.StrEnum):
    """What `character` of a position counts."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


def width(char: str, encoding: Encoding) -> int:
    """Units of one code point."""
    point = ord(char)
    match encoding:
        case Encoding.UTF8:
            return 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
        case Encoding.UTF16:
            return 1 if point < 0x10000 else 2
        case Encoding.UTF32:
            return 1


def position(text: Text, offset: int, encoding: Encoding) -> types.Position:
    """The position of an offset."""
    line, column = text.position(offset)
    before = text.text[offset - column + 1 : offset]
    units = len(before) if before.isascii() else sum(width(char, encoding) for char in before)
    return types.Position(line - 1, units)


def span_range(text: Text, span: Span, encoding: Encoding) -> types.Range:
    """The range of a span."""
    return types.Range(position(text, span.start, encoding), position(text, span.end, encoding))


def offset(text: Text, place: types.Position, encoding: Encoding) -> int:
    """The offset of a position.

    Behind the end of its line it means that end, behind the last line the end of the text; inside of a character its
    beginning.
    """
    if place.line >= len(text.starts):
        return len(text.text)
    start = text.starts[place.line]
    row = _row(text, place.line)
    if row.isascii():
        return start + min(place.character, len(row))
    left = place.character
    for count, char in enumerate(row):
        left -= width(char, encoding)
        if left < 0:
            return start + count
    return start + len(row)


def _row(text: Text, line: int) -> str:
    """A line, counted from 0, without what ends it."""
    stop = text.starts[line + 1] if line + 1 < len(text.starts) else len(text.text)
    return text.text[text.starts[line] : stop].rstrip("\r\n")
