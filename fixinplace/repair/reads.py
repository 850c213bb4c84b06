"""Copies at several reads as one proposal: one write may spoil more than one saved tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fixinplace.model import Edit
from fixinplace.repair.base import Change, Proposal
from fixinplace.trace.events import Offence

RESULT, BOUND, EVERY = "result", "bound", "every read"
"""Kinds of copies: of what an operation gave, of what a name is bound to, of all that shares the written memory."""
_Cut = tuple[str, Edit]


def at_every_read(offences: Sequence[Offence], each: Sequence[Sequence[Proposal]]) -> Iterator[Proposal]:
    """One write may spoil several saved tensors: the first copy that each of them proposes, all together; then all
    copies of each, since one place may have kept several.

    A copy of an argument that each of them proposes, and one edit of the write, are smaller, and come before.
    """
    copies = [[one for one in some if one.repair == "clone-read"] for some in each]
    if len(copies) < 2 or not all(copies):
        return
    apart = [one for some in each for one in some if one.repair == "out-of-place"]  # one edit of the write itself
    first = _distinct(min(some, key=lambda one: one.rank) for some in copies)
    sooner = max(one.rank for one in (*first, *_for_all(each), *apart))
    if len(first) > 1:
        changes = _together([cut for one in first for cut in _cuts(one)])
        title = " and ".join(one.title for one in first)
        yield replace(first[0], title=title, changes=changes, kind="", rank=sooner + 1)
    widest = _distinct(_widest(offence, some) for offence, some in zip(offences, copies, strict=True))
    if set(widest) != set(first):
        cuts = _outermost_gone([cut for one in widest for cut in _cuts(one)])
        yield _every(replace(first[0], rank=sooner + 2), cuts)


def of_all(each: Sequence[Sequence[Proposal]]) -> Proposal | None:
    """Copies at every read of all culprits as one proposal, given what was proposed for each; None if one has none."""
    copies = [[one for one in some if one.repair == "clone-read"] for some in each]
    if len(copies) < 2 or not all(copies):
        return None
    widest = [max(some, key=lambda one: (len(_cuts(one)), -one.rank)) for some in copies]
    return _every(widest[0], _outermost_gone([cut for one in widest for cut in _cuts(one)]))


def _together(cuts: Sequence[_Cut]) -> tuple[Change, ...]:
    """All copies as changes: one that lies in what another copies, `f(x)` and its `x`, is made within that."""
    ordered = sorted(dict.fromkeys(cuts), key=lambda cut: (cut[1].span.start, -cut[1].span.end))
    paths = dict.fromkeys(path for path, _ in ordered)
    return tuple(Change(path, tuple(_nested([each for one, each in ordered if one == path]))) for path in paths)


def _nested(edits: list[Edit]) -> list[Edit]:
    found: list[Edit] = []
    while edits:
        outer, *rest = edits
        inner = [each for each in rest if outer.span.contains(each.span)]
        edits = [each for each in rest if each not in inner]
        found.append(_holding(outer, _nested(inner)))
    return found


def _holding(outer: Edit, inner: list[Edit]) -> Edit:
    text = outer.text
    before = (len(text) - (outer.span.end - outer.span.start) - len(_COPIED)) // 2  # a parenthesis, or none
    for each in reversed(inner):
        start = before + each.span.start - outer.span.start
        text = text[:start] + each.text + text[start + each.span.end - each.span.start :]
    return replace(outer, text=text)


_COPIED = ".clone()"


def copies(proposal: Proposal) -> int:
    """How many copies a proposal makes that perhaps need not all be."""
    return len(_cuts(proposal)) if proposal.kind == EVERY else 0


def without(proposal: Proposal, number: int) -> Proposal | None:
    """The proposal without one of its copies; None if it is the last."""
    rest = [cut for n, cut in enumerate(_cuts(proposal)) if n != number]
    return _every(proposal, rest) if rest else None


def _cuts(proposal: Proposal) -> list[_Cut]:
    return [(change.path, edit) for change in proposal.changes for edit in change.edits]


def _every(proposal: Proposal, cuts: Sequence[_Cut]) -> Proposal:
    changes = tuple(Change(path, tuple(e for p, e in cuts if p == path)) for path in dict.fromkeys(p for p, _ in cuts))
    names = dict.fromkeys(f"`{' '.join(edit.text.removesuffix('.clone()').split())}`" for _, edit in cuts)
    return replace(proposal, title=f"{' and '.join(names)} cloned at every read", changes=changes, kind=EVERY)


def _widest(offence: Offence, copies: Sequence[Proposal]) -> Proposal:
    """The result where that was kept, else all operands that share the memory."""
    kept = offence.save is not None and offence.save.result
    fitting = [one for one in copies if one.kind != BOUND and (one.kind == RESULT) == kept] or copies
    return min(fitting, key=lambda one: (-sum(len(change.edits) for change in one.changes), one.rank))


def _outermost_gone(cuts: Sequence[_Cut]) -> list[_Cut]:
    """Without copies of what is computed from a copy: `p.clone().log()` shares nothing."""
    unique = list(dict.fromkeys(cuts))

    def is_outer(path: str, edit: Edit) -> bool:
        return any(p == path and e is not edit and edit.span.contains(e.span) for p, e in unique)

    return [cut for cut in unique if not is_outer(*cut)]


def _distinct(proposals: Iterator[Proposal]) -> tuple[Proposal, ...]:
    return tuple(dict.fromkeys(proposals))


def _for_all(each: Sequence[Sequence[Proposal]]) -> list[Proposal]:
    """Copies of arguments that are proposed for every one of the saved tensors."""
    shared = set.intersection(*({one.changes for one in some} for some in each))
    return [one for one in each[0] if one.repair == "clone-argument" and one.changes in shared]
