"""A choice that leaves another step in the way: the same meaning once more, on the text that it gave.

Note [The same again]
    With three losses in turn the first failing backward hides the second: what mends the one leaves the other.  So a
    choice that still raises is traced, and what it shows is mended in the same way, as long as each time something else
    is in the way.  All of it together is one choice, told in the words of each.
"""

from __future__ import annotations

import ast
import difflib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fixinplace import source
from fixinplace.model import Edit, Span
from fixinplace.repair.base import Change, Files, Proposal
from fixinplace.repair.code import Code
from fixinplace.repair.patching import Attempt, Clash, compose
from fixinplace.trace.events import Offence

Culprits = Callable[[Iterable[Offence], Files], Iterable[Sequence[Proposal]]]
"""What is proposed for each culprit of some offences."""


def once_more(proposal: Proposal, before: Attempt, offences: Iterable[Offence], files: Files,
              proposed: Culprits) -> Proposal | None:  # fmt: skip
    """The proposal with the same done for what the text it gave still shows; None where nothing alike is proposed."""
    now = _overlay(before, files)
    alike = (p for some in proposed(offences, now) for p in some if p.kind and p.kind == proposal.kind)
    more = next(alike, None)
    if more is None:
        return None
    codes = {change.path: code for change in more.changes if (code := now(change.path)) is not None}
    try:
        return _joined(proposal, more, before, compose(codes, [more]))
    except Clash:
        return None


def _overlay(attempt: Attempt, files: Files) -> Files:
    """The files with what an attempt has made of them."""
    made = {patch.path: Code(source.parse(patch.path, patch.text.encode()), ast.parse(patch.text))
            for patch in attempt.rewritten}  # fmt: skip
    return lambda path: made.get(path) or files(path)


def _joined(first: Proposal, second: Proposal, before: Attempt, after: Attempt) -> Proposal:
    """Both as one proposal for the text on the disk: `after` was made of what `before` had written."""
    texts = {patch.path: patch.text for patch in before.original}
    texts = {patch.path: texts.get(patch.path, patch.text) for patch in (*after.original, *before.original)}
    new = {patch.path: patch.text for patch in (*before.rewritten, *after.rewritten)}
    changes = tuple(Change(path, _edits(old, new[path])) for path, old in sorted(texts.items()))
    new_ones = [each for each in second.meaning.split(". ") if each.strip(".") not in first.meaning]
    meaning = " ".join([first.meaning, *(f"{each.strip('.')}." for each in new_ones)])
    return replace(first, title=f"{first.title}; {second.title}", meaning=meaning, changes=changes)


def _edits(old: str, new: str) -> tuple[Edit, ...]:
    """The lines that differ."""
    lines, others = old.splitlines(keepends=True), new.splitlines(keepends=True)
    starts = [0, *itertools.accumulate(map(len, lines))]
    codes = difflib.SequenceMatcher(None, lines, others, autojunk=False).get_opcodes()
    return tuple(
        Edit(Span(starts[one], starts[two]), "".join(others[three:four]))
        for kind, one, two, three, four in codes
        if kind != "equal"
    )
