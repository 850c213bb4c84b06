"""One meaning with its text edits."""

from __future__ import annotations

from dataclasses import dataclass

from fixinplace.repair.base import Change


@dataclass(frozen=True, slots=True)
class Choice:
    """What a form proposes; rank: the lowest is shown first."""

    title: str
    meaning: str
    changes: tuple[Change, ...]
    rank: int


def joined(*changes: Change | None) -> tuple[Change, ...]:
    """Changes with those of one file together."""
    found: dict[str, Change] = {}
    for change in changes:
        if change is not None:
            before = found.get(change.path, Change(change.path))
            found[change.path] = Change(change.path, (*before.edits, *change.edits))
    return tuple(found.values())
