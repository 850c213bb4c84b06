"""Proposals put together: the texts that are run, where they changed, and the way back to the text on the disk."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fixinplace.model import Edit, Fix
from fixinplace.repair.base import Proposal
from fixinplace.repair.code import Code
from fixinplace.repair.decorating import decorated
from fixinplace.repair.wrapping import lowered
from fixinplace.source import Text
from fixinplace.trace.events import Offence, Place, moved
from fixinplace.verify import search
from fixinplace.verify.bench import Mark, Texts
from fixinplace.verify.jobs import Patch, Region


class Clash(Exception):
    """Two proposals want the same text."""


@dataclass(frozen=True)
class Attempt:
    """Some proposals made: `original` and `rewritten` hold the same files in the same order; `edits` by path."""

    proposals: tuple[Proposal, ...]
    original: Texts
    rewritten: Texts
    marks: tuple[Mark, ...]
    edits: Mapping[str, tuple[Edit, ...]]

    @property
    def length(self) -> int:
        """Lines that a person would say were changed: of those taken away and those put in, the more."""
        pairs = zip(self.original, self.rewritten, strict=True)
        return sum(_changed(old.text.splitlines(), new.text.splitlines()) for old, new in pairs)


def _changed(old: Sequence[str], new: Sequence[str]) -> int:
    codes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    spans = [(two - one, four - three) for kind, one, two, three, four in codes if kind != "equal"]
    return max(sum(gone for gone, _ in spans), sum(come for _, come in spans))


def compose(codes: Mapping[str, Code], proposals: Sequence[Proposal]) -> Attempt:
    """The texts with all proposals made; raises Clash where they overlap or leave no Python.

    codes: files by path; those without a change are left out.
    """
    fixes: dict[str, list[Fix]] = {}
    for path in sorted({change.path for proposal in proposals for change in proposal.changes}):
        fixes[path] = list(_fixes(codes[path], path, proposals))
    made = []
    for place, (path, some) in enumerate(fixes.items()):
        text = codes[path].text.text
        _disjoint([edit for fix in some for edit in fix.edits])
        try:
            new, marks = search.rewrite(text, some, place)
        except (SyntaxError, ValueError) as error:
            raise Clash(f"the edited text is not Python: {error}") from error
        made.append((Patch(path, text), new, [*marks, *_wrapped(proposals, path, some, place)]))
    original = tuple(before for before, _, _ in made)
    rewritten = tuple(Patch(before.path, text) for before, text, _ in made)
    edits = {path: tuple(edit for fix in some for edit in fix.edits) for path, some in fixes.items()}
    return Attempt(
        tuple(proposals), original, rewritten, _joined(mark for _, _, marks in made for mark in marks), edits
    )


def _fixes(code: Code, path: str, proposals: Sequence[Proposal]) -> Iterator[Fix]:
    """What each proposal does to one file; wraps are lowered to edits, see Note [One block]."""
    wraps = sorted(
        {wrap for p in proposals for c in p.changes if c.path == path for wrap in c.wraps}, key=lambda w: w.start
    )
    edits_of = dict(decorated(code, wraps))
    edits_of.update(lowered(code, [wrap for wrap in wraps if wrap not in edits_of]))
    imported: set[str] = set()
    for group, proposal in enumerate(proposals):
        edits = [edit for change in proposal.changes if change.path == path for edit in change.edits]
        mine = [wrap for change in proposal.changes if change.path == path for wrap in change.wraps]
        edits += [edit for wrap in mine for edit in edits_of[wrap]]
        needed = {name for c in proposal.changes if c.path == path for name in c.imports} - imported
        edits += [edit for name in sorted(needed) if (edit := code.importing(name)) is not None]
        imported |= needed
        if edits:
            yield Fix(group, proposal.repair, proposal.title, tuple(dict.fromkeys(edits)), False)


def _wrapped(proposals: Sequence[Proposal], path: str, fixes: Sequence[Fix], file: int) -> Iterator[Mark]:
    """Where the statements that go into a block begin in the new text: an indentation alone is nothing that can run."""
    edits = [edit for fix in fixes for edit in fix.edits]
    for group, proposal in enumerate(proposals):
        changes = [change for change in proposal.changes if change.path == path]
        starts = [start for change in changes for start in (*(wrap.start for wrap in change.wraps), *change.shown)]
        moved_to = [
            start + sum(len(e.text) - (e.span.end - e.span.start) for e in edits if e.span.start <= start)
            for start in starts
        ]
        if starts:
            yield Mark(group, (), tuple(Region(new, new + 1, file) for new in moved_to))


def _disjoint(edits: Sequence[Edit]) -> None:
    ordered = sorted(edits, key=lambda edit: (edit.span.start, edit.span.end))
    for one, two in itertools.pairwise(ordered):
        if two.span.start < one.span.end:
            raise Clash("two repairs change the same text")


def _joined(marks: Iterator[Mark]) -> tuple[Mark, ...]:
    """One mark per group: a proposal may reach into several files."""
    found: dict[int, Mark] = {}
    for mark in marks:
        known = found.get(mark.group, Mark(mark.group, (), ()))
        found[mark.group] = Mark(mark.group, known.original + mark.original, known.rewritten + mark.rewritten)
    return tuple(found.values())


# --- the way back


def back(offence: Offence, attempt: Attempt) -> Offence:
    """An offence of the rewritten texts in the coordinates of the texts on the disk."""
    tables = {
        new.path: (Text(old.text), Text(new.text), attempt.edits[new.path])
        for old, new in zip(attempt.original, attempt.rewritten, strict=True)
    }
    return moved(offence, lambda place: _back(place, *tables[place.file]) if place.file in tables else place)


def _back(place: Place, old: Text, new: Text, edits: tuple[Edit, ...]) -> Place:
    if not place.column or place.end_line > len(new.starts):
        line = old.position(_offset(new.starts[min(place.line, len(new.starts)) - 1], edits, False))[0]
        return replace(place, line=line, column=0, end_line=0, end_column=0)
    start = _offset(new.starts[place.line - 1] + place.column - 1, edits, False)
    end = _offset(new.starts[place.end_line - 1] + place.end_column - 1, edits, True)
    (line, column), (end_line, end_column) = old.position(start), old.position(max(start, end))
    return replace(place, line=line, column=column, end_line=end_line, end_column=end_column)


def _offset(offset: int, edits: tuple[Edit, ...], end: bool) -> int:
    """Where an offset of the new text stood; inside a replaced text, the edge of what stood there."""
    shift = 0
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        start = edit.span.start + shift
        if offset < start:
            break
        if offset < start + len(edit.text) or (end and offset == start + len(edit.text)):
            return edit.span.end if end else edit.span.start
        shift += len(edit.text) - (edit.span.end - edit.span.start)
    return offset - shift
