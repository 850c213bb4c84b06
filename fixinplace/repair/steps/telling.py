"""Offences in sentences, for what can only be explained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from fixinplace.repair.base import Proposal, Scene, Tier
from fixinplace.trace.events import Place

_LAST = 90


def at(place: Place | None) -> str:
    """` in train.py, line 12`; empty where the place is not known."""
    return "" if place is None else f" in {PurePath(place.file).name}, line {place.line}"


def shown(place: Place | None, otherwise: str) -> str:
    """The source of a place as code; words where it is not known."""
    return otherwise if place is None or not place.text else f"`{place.text}`"


def writer(scene: Scene) -> Place | None:
    """Where the first write happened."""
    return scene.offence.writes[0].place if scene.offence.writes else None


def saver(scene: Scene) -> Place | None:
    """Where the tensor was saved."""
    return scene.offence.save.place if scene.offence.save is not None else None


def story(scene: Scene) -> str:
    """Who saved, who wrote and who needed it, as far as each is known; empty where nothing is."""
    parts = []
    if (place := saver(scene)) is not None:
        parts.append(f"{shown(place, 'a forward')}{at(place)} saved it")
    if (place := writer(scene)) is not None:
        parts.append(f"{shown(place, 'a write')}{at(place)} wrote it")
    if (place := scene.offence.needed) is not None:
        parts.append(f"{shown(place, 'a backward')}{at(place)} needed it")
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def explained(scene: Scene, rule: str, name: str, remedy: str, why: str) -> Iterator[Proposal]:
    """An explanation for one rule: the remedy as title; why, where, and the trace's own note as meaning."""
    if scene.offence.rule != rule:
        return
    note = scene.offence.note
    more = f"{note[:1].upper()}{note[1:].rstrip('.')}." if note else ""
    meaning = " ".join(filter(None, (why, story(scene), more)))
    yield Proposal(name, Tier.EXPLAIN, remedy, meaning=meaning, rank=_LAST)
