"""What `fixinplace.watch` and `pytest --fixinplace` raise: the lines of every offence, in words. No torch here."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fixinplace import names
from fixinplace.trace.events import Offence, Place, Save, Trace, Write

SHOWN = 5


class InPlaceError(RuntimeError):
    """An in-place write broke a backward, or made a gradient silently wrong.

    trace: everything that was seen; the message tells the lines.
    """

    def __init__(self, trace: Trace) -> None:
        super().__init__("\n".join(_lines(trace)))
        self.trace = trace

    def __reduce__(self) -> tuple[type[InPlaceError], tuple[Trace]]:
        return InPlaceError, (self.trace,)


def _lines(trace: Trace) -> Iterator[str]:
    for offence in trace.offences[:SHOWN]:
        yield from _offence(offence)
    if len(trace.offences) > SHOWN:
        yield f"and {len(trace.offences) - SHOWN} more"
    yield from trace.notes


def _offence(offence: Offence) -> Iterator[str]:
    yield _head(offence)
    for write in offence.writes[:SHOWN]:
        yield f"  written  {_write(write)}"
        if write.built is not None:
            yield f"  built    {_place(write.built)}"
    if not offence.writes:
        yield "  written  by something that was not seen"
    if offence.save is not None:
        yield f"  saved    {_save(offence.save)}"
    if offence.needed is not None:
        yield f"  needed   {_place(offence.needed)}{offence.node and f'  by {offence.node}'}"
    if offence.note:
        yield f"  {offence.note}"


def _head(offence: Offence) -> str:
    rule = names.rule(offence.rule) if offence.rule else None
    label = "" if rule is None else f"{rule.code} {rule.name}: "
    if offence.silent:
        return f"{label}the gradient is wrong, and torch does not notice"
    if offence.save is None:
        return label + (offence.message.partition(". ")[0] or "torch refuses this write")
    return f"{label}a tensor that a backward needs was overwritten"


def _write(write: Write) -> str:
    held = f"  writes {', '.join(f'`{name}`' for name in write.names)}" if write.names else ""
    by = f"  in {write.module}" if write.module else f"  by the {write.by}" if write.by != "operator" else ""
    place = "outside of the user's own code" if write.place is None else _place(write.place)
    return f"{place}{held}{by}  ({write.op or 'not an operator of torch'})"


def _save(save: Save) -> str:
    place = "outside of the user's own code" if save.place is None else _place(save.place)
    return f"{place}  ({save.op}, {save.dtype} {list(save.shape)})"


def _place(place: Place) -> str:
    """As short as it can be named from here, with the text of the piece."""
    near = os.path.relpath(place.file)
    file = place.file if near.startswith("..") else near
    column = f":{place.column}" if place.column else ""
    return f"{file}:{place.line}{column}{place.text and f'  `{place.text}`'}"
