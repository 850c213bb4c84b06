"""A file's bytes as text and back, byte for byte, and the one table of positions.

Note [Positions]
    Inside the tool a position is a code-point offset into the decoded text, newlines kept as they are.
    `ast` counts UTF-8 bytes per line, editors count UTF-16 units; both convert here.  Lines end at
    CRLF, CR and LF only: `str.splitlines` also cuts at form feeds and U+2028, where Python does not.
"""

from __future__ import annotations

import ast
import bisect
import codecs
import hashlib
import io
import re
import tokenize
from dataclasses import dataclass
from functools import cached_property

from fixinplace.model import Edit, Span

_LINE_END = re.compile(r"\r\n|\r|\n")


class NotPython(ValueError):
    """The bytes are no Python text: binary, or not in the encoding that they declare."""


@dataclass(frozen=True)
class Text:
    """Decoded text of one part, with line starts; a value, so it can be shared between stages."""

    text: str

    @cached_property
    def starts(self) -> list[int]:
        """Offset of the first code point of every line, line 1 first."""
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    @cached_property
    def _plain(self) -> bool:
        """True if a byte is a code point throughout."""
        return self.text.isascii()

    def offset(self, line: int, utf8_column: int) -> int:
        """Offset of a position as `ast` gives it: 1-based line, 0-based UTF-8 byte column."""
        start = self.starts[line - 1]
        if self._plain:
            return start + utf8_column
        stop = self.starts[line] if line < len(self.starts) else len(self.text)
        row = self.text[start:stop]
        if row.isascii():
            return start + utf8_column
        return start + len(row.encode()[:utf8_column].decode())

    def position(self, offset: int) -> tuple[int, int]:
        """1-based line and 1-based code-point column of an offset."""
        line = bisect.bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.excepthandler) -> Span:
        """Span of an `ast` node."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return Span(self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset))

    def slice(self, span: Span) -> str:
        """The text of a span."""
        return self.text[span.start : span.end]


@dataclass(frozen=True)
class Source:
    """Bytes of a module with what is needed to write them back unchanged."""

    path: str
    data: bytes
    encoding: str
    bom: bytes
    part: Text
    imported: bool = False
    """Another file near by imports the module: what it defines may be called from there."""

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes: a patch says which bytes it expects."""
        return hashlib.sha256(self.data).hexdigest()

    def encode(self, text: str) -> bytes:
        """Bytes of an edited text in the file's own encoding and with its byte order mark."""
        return self.bom + text.encode(self.encoding)


def parse(path: str, data: bytes) -> Source:
    """Decode a module as Python does (byte order mark, coding comment); raises NotPython with one sentence."""
    if b"\0" in data:
        raise NotPython("the file holds NUL bytes: it is not Python text")
    bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data[len(bom) :].decode("utf-8" if bom else encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise NotPython(f"the file cannot be decoded: {error}") from error
    return Source(path, data, "utf-8" if bom else encoding, bom, Text(text))


def apply(text: str, edits: tuple[Edit, ...] | list[Edit]) -> str:
    """`text` with the edits made; they must not overlap (ValueError); insertions at one place keep their order."""
    result: list[str] = []
    done = 0
    for edit in sorted(edits, key=lambda e: (e.span.start, e.span.end)):
        if edit.span.start < done:
            raise ValueError(f"overlapping edits at offset {edit.span.start}")
        result += (text[done : edit.span.start], edit.text)
        done = edit.span.end
    return "".join([*result, text[done:]])
