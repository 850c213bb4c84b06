"""Copies at several reads as one proposal: one write may spoil more than one saved tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fixinplace.repair.base import Proposal


def at_every_read(each: Sequence[Sequence[Proposal]]) -> Iterator[Proposal]:
    """One write may spoil several saved tensors: the first copy that each of them proposes, all together.

    A copy of an argument that each of them proposes, and one edit of the write, are smaller, and come before.
    """
    copies = [[one for one in some if one.repair == "clone-read"] for some in each]
    if len(copies) < 2 or not all(copies):
        return
    best = tuple(dict.fromkeys(min(some, key=lambda one: one.rank) for some in copies))
    if len(best) > 1:
        changes = tuple(change for one in best for change in one.changes)
        title = " and ".join(one.title for one in best)
        apart = [one for some in each for one in some if one.repair == "out-of-place"]  # one edit of the write itself
        sooner = max(one.rank for one in (*best, *_for_all(each), *apart))
        yield replace(best[0], title=title, changes=changes, rank=sooner + 1)


def _for_all(each: Sequence[Sequence[Proposal]]) -> list[Proposal]:
    """Copies of arguments that are proposed for every one of the saved tensors."""
    shared = set.intersection(*({one.changes for one in some} for some in each))
    return [one for one in each[0] if one.repair == "clone-argument" and one.changes in shared]
