"""A culprit inside an installed package: the same offence seen from there, for a patch that goes to its authors.

Note [Upstream]
    The files of a package are never written.  But where no edit of the user's own code helps, the line inside the
    package can be repaired in a copy, the user's command run with that copy, and the patch proved like any other: then
    there is something to send upstream, or to keep beside the project until a release has it.
"""

from __future__ import annotations

import os
from dataclasses import replace

from fixinplace.trace.events import Offence, Place
from fixinplace.verify.ownership import is_foreign

_PACKAGES = ("/site-packages/", "/dist-packages/")
_NEVER = ("torch", "torchgen", "functorch")
LAST = 1000


def is_package(path: str) -> bool:
    """True for a file of an installed package, other than torch itself and this tool."""
    place = next((path.rfind(each) + len(each) for each in _PACKAGES if each in path), 0)
    return bool(place) and is_foreign(path) and path[place:].partition("/")[0] not in (*_NEVER, "fixinplace")


def package_of(path: str) -> str:
    """The folder or module under which a package is imported: `fpnlib` for `.../site-packages/fpnlib/neck.py`."""
    place = max(path.rfind(each) + len(each) for each in _PACKAGES if each in path)
    return path[place:].partition(os.sep)[0].removesuffix(".py")


def inside(offence: Offence) -> Offence | None:
    """The offence with the places inside the package; None where the user's own code wrote first."""
    if not offence.writes:
        return None
    first = _within(offence.writes[0].place, offence.writes[0].stack)
    if first is None or first == offence.writes[0].place:
        return None
    writes = tuple(replace(write, place=_within(write.place, write.stack)) for write in offence.writes)
    save = offence.save
    if save is not None:
        save = replace(save, place=_within(save.place, save.stack))
    return replace(offence, writes=writes, save=save)


def _within(own: Place | None, stack: tuple[Place, ...]) -> Place | None:
    """The innermost place in a package or in the user's own code, whichever is deeper."""
    return next((place for place in stack if place == own or is_package(place.file)), own)
