"""Several statements on a line, looked at as if each had a line of its own; edits are brought back to the real text.

Note [One line, several statements]
    `opt.zero_grad(); loss.backward(); opt.step()` is as good a step as three lines.  The forms that move statements see
    the file with such lines taken apart, and the offence's places in it.  What they edit comes back as it is, where it
    moves nothing of such a line; one of which something moves becomes one line per statement, and all others stay.
"""

from __future__ import annotations

import ast
import functools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

from fixinplace import source
from fixinplace.model import Edit, Span
from fixinplace.repair.base import Change, Proposal, Scene
from fixinplace.repair.code import Code
from fixinplace.trace.events import Place, moved

_BLOCKS = ("body", "orelse", "finalbody")
_INDENT = "    "
_LINE = re.compile(r"\bline (\d+)\b")


@dataclass(frozen=True)
class Split:
    """A file as it is written, and with one statement per line; seams: the edits between them, in their order."""

    code: Code
    apart: Code
    seams: tuple[Edit, ...]

    @cached_property
    def _shifts(self) -> tuple[list[int], list[int]]:
        """The ends of the seams, and by how much the text behind each has moved, none before the first."""
        shifts = accumulate((len(each.text) - each.span.end + each.span.start for each in self.seams), initial=0)
        return [each.span.end for each in self.seams], list(shifts)

    def there(self, offset: int) -> int:
        """An offset of the written text, outside the seams, in the text that is apart."""
        ends, shifts = self._shifts
        return offset + shifts[bisect_right(ends, offset)]

    def back(self, offset: int) -> int:
        """The reverse."""
        ends, shifts = self._shifts
        moved_ends = [end + shift for end, shift in zip(ends, shifts[1:], strict=True)]
        return offset - shifts[bisect_right(moved_ends, offset)]

    def place(self, place: Place) -> Place:
        """A place of the written text in the text that is apart."""
        text, span = self.apart.text, self.code.span_of(place)
        if span is None:
            known = 0 < place.line <= len(self.code.text.starts)
            line = text.position(self.there(self.code.text.starts[place.line - 1]))[0] if known else place.line
            return replace(place, line=line)
        line, column = text.position(self.there(span.start))
        end_line, end_column = text.position(self.there(span.end - 1) + 1)
        return replace(place, line=line, column=column, end_line=end_line, end_column=end_column)

    def line(self, line: int) -> int:
        """The written line of a line that is apart."""
        start = self.apart.text.starts[line - 1]
        row = self.apart.text.text[start:].split("\n", 1)[0]
        return self.code.text.position(self.back(start + len(row) - len(row.lstrip())))[0]

    def edits(self, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Edits of the text that is apart as edits of the written one; see Note [One line, several statements]."""
        found: list[Edit] = []
        for span, mine, whole in self._clusters(edits):
            text = self.apart.text.slice(span)
            inner = [Edit(Span(each.span.start - span.start, each.span.end - span.start), each.text) for each in mine]
            found += [Edit(span, source.apply(text, inner))] if whole else mine
        return tuple(Edit(self.span(each.span), each.text) for each in found)

    def span(self, span: Span) -> Span:
        """A span of the text that is apart, with both ends outside the seams, in the written one."""
        return Span(self.back(span.start), self.back(span.end))

    def touches(self, span: Span) -> bool:
        """True if a span of the text that is apart reaches into a line that is written with others as one."""
        return any(_overlap(each, span) for each in self._lines)

    def _clusters(self, edits: Sequence[Edit]) -> Iterator[tuple[Span, list[Edit], bool]]:
        """Edits, those together that reach into one written line: the whole, the edits, if there is such a line."""
        rows = [edit.span for edit in edits if {"\r", "\n"} & {*edit.text, *self.apart.text.slice(edit.span)}]
        lines = [(span, None) for span in self._lines if any(_overlap(span, row) for row in rows)]
        parts = sorted([*lines, *((edit.span, edit) for edit in edits)], key=lambda part: (part[0].start, part[0].end))
        start = end = 0
        mine: list[Edit] = []
        whole = False
        for span, edit in parts:
            if span.start >= end or not (mine or whole):
                if mine:
                    yield Span(start, end), mine, whole
                start, end, mine, whole = span.start, span.end, [], False
            end, whole = max(end, span.end), whole or edit is None
            mine += [] if edit is None else [edit]
        if mine:
            yield Span(start, end), mine, whole

    @cached_property
    def _lines(self) -> list[Span]:
        """The written lines with seams, as spans of the text that is apart."""
        starts, text = self.code.text.starts, self.code.text.text
        found = []
        for line in sorted({self.code.text.position(each.span.start)[0] for each in self.seams}):
            row = text[starts[line - 1] : starts[line] if line < len(starts) else len(text)].rstrip("\r\n")
            found.append(Span(self.there(starts[line - 1]), self.there(starts[line - 1] + len(row))))
        return found


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


@functools.lru_cache(maxsize=32)
def split(code: Code) -> Split | None:
    """The file taken apart; None where every statement has lines of its own already."""
    seams = tuple(sorted(_seams(code), key=lambda each: each.span.start))
    if not seams:
        return None
    text = source.apply(code.text.text, seams)
    parsed = source.parse(code.path, code.source.encode(text))
    return Split(code, Code(parsed, ast.parse(text)), seams)


def _seams(code: Code) -> Iterator[Edit]:
    for node in ast.walk(code.tree):
        for name in _BLOCKS:
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield from _of_block(code, block)


def _of_block(code: Code, block: Sequence[ast.stmt]) -> Iterator[Edit]:
    """The seam before each statement that does not begin its line, and what ends the last of a line."""
    text, own = code.text.text, ""
    for n, statement in enumerate(block):
        span, head = code.text.span(statement), code.head(statement)
        if head is not None:
            own = head
        else:
            before = text[: span.start]
            end = code.text.span(block[n - 1]).end if n else len(before.rstrip(" \t"))
            if not n:
                row = before[before.rfind("\n") + 1 :]
                own = row[: len(row) - len(row.lstrip())] + _INDENT
            if re.fullmatch(r"[ \t]*;[ \t]*", text[end : span.start]) or (not n and text[end - 1 : end] == ":"):
                yield Edit(Span(end, span.start), code.newline + own)
        ending = re.match(r"[ \t]*;(?=[ \t]*(#|\r|\n|$))", text[span.end :])
        if ending is not None:
            yield Edit(Span(span.end, span.end + ending.end()), "")


Form = Callable[[Scene], Iterable[Proposal]]


def one_by_one(scene: Scene, form: Form) -> Iterator[Proposal]:
    """What a form proposes for a scene whose files are taken apart, as edits of the files as they are written."""
    splits: dict[str, Split] = {}

    def files(path: str) -> Code | None:
        code = scene.files(path)
        found = None if code is None else split(code)
        if found is None:
            return code
        splits[path] = found
        return found.apart

    def place(one: Place) -> Place:
        files(one.file)
        return splits[one.file].place(one) if one.file in splits else one

    for proposal in form(Scene(moved(scene.offence, place), files)):
        found = _brought_back(proposal, splits)
        if found is not None:
            yield found


def _brought_back(proposal: Proposal, splits: Mapping[str, Split]) -> Proposal | None:
    """A proposal for the files as they are written; None where it puts one statement of a line into a block."""
    for change in proposal.changes:
        if change.path in splits and any(splits[change.path].touches(Span(w.start, w.end)) for w in change.wraps):
            return None
    changes = tuple(_written(each, splits.get(each.path)) for each in proposal.changes)
    first = next((splits[each.path] for each in changes if each.path in splits), None)
    title, meaning = (_LINE.sub(lambda m: _line(first, m), text) for text in (proposal.title, proposal.meaning))
    return replace(proposal, changes=changes, title=title, meaning=meaning)


def _written(change: Change, whole: Split | None) -> Change:
    if whole is None:
        return change
    wraps = tuple(replace(each, start=whole.back(each.start), end=whole.back(each.end)) for each in change.wraps)
    return replace(change, edits=whole.edits(change.edits), wraps=wraps)


def _line(whole: Split | None, found: re.Match[str]) -> str:
    return found[0] if whole is None else f"line {whole.line(int(found[1]))}"
