"""From offences to culprits: grouped by the place that is to blame, with all that the forms propose for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fixinplace.repair import upstream
from fixinplace.repair.base import Files, Proposal, Scene, Tier, repairs
from fixinplace.repair.code import Code
from fixinplace.repair.forms import parameter_as_value
from fixinplace.repair.found import Culprit, key
from fixinplace.repair.reads import at_every_read
from fixinplace.repair.steps.flags import weighed
from fixinplace.repair.valued import valued
from fixinplace.trace.events import Offence, Place


def nothing(path: str) -> Code | None:
    """No file at all."""
    return None


def culprits(offences: Iterable[Offence], files: Files, packages: Files = nothing) -> list[Culprit]:
    """Offences by culprit, in the order in which they were met, with all that the forms propose.

    packages: reads what is the user's to run and not to edit, see Note [Upstream].
    """
    grouped: dict[tuple[object, ...], list[Offence]] = {}
    for offence in offences:
        grouped.setdefault(key(offence), []).append(offence)
    return [Culprit(tuple(some), proposals_for(some, files, packages)) for some in grouped.values()]


def choices(offences: Iterable[Offence], files: Files) -> list[list[Proposal]]:
    """The choices that each culprit leaves."""
    return [each.of(Tier.CHOOSE) for each in culprits(offences, files)]


def proposals_for(offences: Sequence[Offence], files: Files, packages: Files) -> tuple[Proposal, ...]:
    """What the forms propose for the offences of one culprit, the best first, each change once."""
    different = distinct(offences)
    each = [_of_offence(offence, files, packages) for offence in different]
    found = [proposal for some in each for proposal in some]
    found = [*weighed(found, offences), *at_every_read(different, each)]
    unique: dict[object, Proposal] = {}
    for proposal in sorted(found, key=lambda each: each.rank):
        unique.setdefault(proposal.changes or (proposal.repair, proposal.title), proposal)
    return tuple(unique.values())


def _of_offence(offence: Offence, files: Files, packages: Files) -> list[Proposal]:
    scene = Scene(offence, files)
    found = [proposal for repair in repairs() for proposal in repair.propose(scene)]
    if valued(scene) is not None:
        found = [each for each in found if each.tier is not Tier.PATCH or each.repair == parameter_as_value.NAME]
    seen = upstream.inside(offence)
    if seen is not None:
        more = (proposal for repair in repairs() for proposal in repair.propose(Scene(seen, packages)))
        found += [replace(each, rank=each.rank + upstream.LAST) for each in more if each.tier is Tier.PATCH]
    return found


def distinct(offences: Sequence[Offence]) -> list[Offence]:
    """One offence for each place of saving and writing, and instance: a loop meets the same thing many times."""
    seen: dict[object, Offence] = {}
    for offence in offences:
        save = _spot(offence.save.place if offence.save is not None else None)
        seen.setdefault((save, tuple((_spot(write.place), write.instances.path) for write in offence.writes)), offence)
    return list(seen.values())


def _spot(place: Place | None) -> Place | None:
    """The place without its text, which is another where what stands in it was edited."""
    return None if place is None else replace(place, text="")
