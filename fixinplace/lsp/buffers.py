"""What stands in an editor: a text with its version, as a value; and how changes make a new one."""

from __future__ import annotations

import hashlib
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lsprotocol import types

from fixinplace.lsp import positions
from fixinplace.lsp.positions import Encoding
from fixinplace.model import Span
from fixinplace.source import Text

_BOM = "\ufeff"
_SUFFIXES = (".py", ".pyi")
_SCHEMES = ("file", "untitled")


@dataclass(frozen=True)
class Buffer:
    """One version of an open document.

    `raw` is the text as the editor has it, `part` the same without a byte order mark (which most editors keep to
    themselves). Offsets and spans are those of `part`, as everywhere else in the tool.
    """

    uri: str
    version: int
    language: str
    raw: Text
    encoding: Encoding

    @cached_property
    def part(self) -> Text:
        """The text that is analysed."""
        return Text(self.raw.text[1:]) if self._lead else self.raw

    @property
    def _lead(self) -> int:
        return int(self.raw.text.startswith(_BOM))

    @cached_property
    def digest(self) -> str:
        """Short SHA-256 of the text."""
        return hashlib.sha256(self.raw.text.encode(errors="surrogatepass")).hexdigest()[:16]

    @property
    def path(self) -> Path | None:
        """Where it is, or would be, on the disk; None for what has no file."""
        return path_of(self.uri)

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.path.name if self.path is not None else self.uri.rpartition(":")[2]

    @property
    def is_python(self) -> bool:
        """True if it is a Python file, or will be one; cells of notebooks and other views of a file are not."""
        if urllib.parse.urlsplit(self.uri).scheme not in _SCHEMES:
            return False
        return self.language.lower() == "python" or (self.language == "" and self.uri.endswith(_SUFFIXES))

    def range_of(self, span: Span) -> types.Range:
        """The range of a span of `part`."""
        return positions.span_range(self.raw, Span(span.start + self._lead, span.end + self._lead), self.encoding)

    def offset(self, place: types.Position) -> int:
        """The offset in `part` of a position."""
        return max(positions.offset(self.raw, place, self.encoding) - self._lead, 0)

    def lines(self, wanted: types.Range) -> range:
        """1-based lines that a range touches."""
        first, last = (self.part.position(self.offset(place))[0] for place in (wanted.start, wanted.end))
        return range(first, max(first, last) + 1)

    def line_range(self, line: int) -> types.Range:
        """The range of a 1-based line without its indentation and what ends it."""
        row = self.row(line)
        start = self.part.starts[line - 1]
        return self.range_of(Span(start + len(row) - len(row.lstrip()), start + len(row.rstrip())))

    def row(self, line: int) -> str:
        """A 1-based line without what ends it."""
        starts = self.part.starts
        stop = starts[line] if line < len(starts) else len(self.part.text)
        return self.part.text[starts[line - 1] : stop].rstrip("\r\n")

    def changed(self, version: int, changes: Sequence[types.TextDocumentContentChangeEvent]) -> Buffer:
        """The buffer after changes, each of which is told in the text that the one before has left."""
        raw = self.raw
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                start, end = (
                    positions.offset(raw, place, self.encoding) for place in (change.range.start, change.range.end)
                )
                raw = Text(raw.text[:start] + change.text + raw.text[max(start, end) :])
            else:
                raw = Text(change.text)
        return Buffer(self.uri, version, self.language, raw, self.encoding)


def path_of(uri: str) -> Path | None:
    """The absolute path that a file URI means; None for any other."""
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme != "file":
        return None
    path = urllib.request.url2pathname(parts.path)
    return Path(path) if path.strip("/\\") else None


def key_of(uri: str) -> str:
    """One key for a URI, however it is escaped."""
    return urllib.parse.unquote(uri)
