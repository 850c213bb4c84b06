"""Places in sentences."""

from __future__ import annotations

from pathlib import PurePath

from fixinplace.trace.events import Place


def at(place: Place | None) -> str:
    """` in train.py, line 12`; empty where the place is not known."""
    return "" if place is None else f" in {PurePath(place.file).name}, line {place.line}"


def shown(place: Place | None, otherwise: str) -> str:
    """The source of a place as code; words where it is not known."""
    return otherwise if place is None or not place.text else f"`{place.text}`"
