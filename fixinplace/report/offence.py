"""One offence, line by line: who saved, who needed, who wrote, who holds the memory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixinplace import files
from fixinplace.repair.base import Files
from fixinplace.repair.scripted import scripted
from fixinplace.repair.wording import only_kept, reason_kept, text_of
from fixinplace.report.text import shortened
from fixinplace.trace.events import Offence, Place

_PLACE = re.compile(r"(\S+\.py):(\d+)")
_SHOWN = 3
_LONGEST = 60


def details(offence: Offence, seen: Offence, read: Files) -> Iterator[str]:
    """What is known of an offence; `seen` is the one that a run has shown, `offence` the same inside a package."""
    if offence.save is not None and (offence.save.place is not None or offence.save.op):
        kept = reason_kept(offence)
        yield f"saved by   {where(offence.save.place)}  {_text(offence.save.place)}   {kept}".rstrip()
    if offence.needed is not None:
        yield f"needed at  {where(offence.needed)}  {_text(offence.needed)}"
    if only_kept(offence) and offence.writes:
        yield f"saved by   {where(offence.writes[0].place)}  {_text(offence.writes[0].place)}"
    for place in _later(offence)[:_SHOWN]:
        yield f"then       {where(place)}  {_cut(text_of(place, read))}"
    first = offence.writes[0] if offence.writes else None
    if first is not None and first.origin != first.place:
        yield f"written in {where(first.place)}  {_cut(text_of(first.place, read))}"
    yield from _scripted(offence, read)
    if seen != offence and seen.writes:
        yield f"called at  {where(seen.writes[0].place)}  {_cut(text_of(seen.writes[0].place, read))}"
    if first is not None and len(first.names) > 1:
        held = ", ".join(f"`{name}`" for name in first.names[:6])
        yield f"held by    {held}{'' if first.names_complete else ' and perhaps others'}"
    if offence.silent:
        passed = offence.rule == "FIP308"
        yield f"silent     torch raises nothing here: the gradient {'passes the write by' if passed else 'is wrong'}"
    if offence.disjoint:
        yield "unchanged  the saved elements still have their old values; the storage has one version counter for all"
    if not offence.complete:
        yield "incomplete a writer was not seen: code without Python frames, another thread, or torch.func"
    if offence.note:
        note = _PLACE.sub(lambda found: f"{files.shown(found[1])}:{found[2]}", offence.note)
        yield f"note       {shortened(note)}"


def _later(offence: Offence) -> list[Place | None]:
    """Where the further writes stand, each place once: a loop comes by the same lines again and again."""
    first, *rest = (write.place for write in offence.writes) if offence.writes else (None,)
    return [place for place in dict.fromkeys(rest) if place != first]


def _scripted(offence: Offence, read: Files) -> Iterator[str]:
    """The line of a scripted function that wrote, or those that may have."""
    found = scripted(offence, read)
    for number, place in enumerate(found.places if found is not None else ()):
        name = f"in the scripted function `{found.name}`" if found is not None and not number else ""
        yield f"{'or in     ' if number else 'written in'} {where(place)}  {_cut(place.text)}   {name}".rstrip()


def where(place: Place | None) -> str:
    """A place as a report names it."""
    if place is None:
        return "(not in your code)"
    return f"{files.shown(place.file)}:{place.line}" + (f":{place.column}" if place.column else "")


def _text(place: Place | None) -> str:
    return "" if place is None else _cut(place.text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
