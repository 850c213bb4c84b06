"""One meaning with its text edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fixinplace.model import Edit
from fixinplace.repair.base import Change
from fixinplace.repair.code import Code
from fixinplace.repair.steps.moving import checked


@dataclass(frozen=True, slots=True)
class Choice:
    """What a form proposes; rank: the lowest is shown first."""

    title: str
    meaning: str
    changes: tuple[Change, ...]
    rank: int


def edited(code: Code, edits: Sequence[Edit], title: str, meaning: str, rank: int) -> Choice:
    """A choice that edits one file; raises CannotMove where the edits overlap."""
    return Choice(title, meaning, (Change(code.path, checked(code, edits)),), rank)


def joined(*changes: Change | None) -> tuple[Change, ...]:
    """Changes with those of one file together."""
    found: dict[str, Change] = {}
    for change in changes:
        if change is not None:
            before = found.get(change.path, Change(change.path))
            imports = tuple(dict.fromkeys((*before.imports, *change.imports)))
            edits, wraps = (*before.edits, *change.edits), (*before.wraps, *change.wraps)
            found[change.path] = Change(change.path, edits, wraps, imports)
    return tuple(found.values())
