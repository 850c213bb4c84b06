"""From the raw log to `events`: stacks become places, writes of one statement become one, writes get their standing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fixinplace.trace.blame import Blame, Facts, Saved
from fixinplace.trace.events import Offence, Place, Save, Spot, Standing, Trace, Write
from fixinplace.trace.ledger import Ledger, Written
from fixinplace.trace.positions import Places

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SUFFIX = re.compile(r"Backward\d*$")


def trace(
    facts: Sequence[Facts],
    behind: Sequence[Facts],
    ledger: Ledger,
    blame: Blame,
    places: Places,
    notes: tuple[str, ...],
) -> Trace:
    """The run as frozen data; behind: writes that are no offences, see Note [Behind autograd]."""
    offences, others = (tuple(_offence(each, blame, places) for each in some) for some in (facts, behind))
    alone = tuple(each for each in others if not any(_is_echo(each, other) for other in others))
    return Trace(offences, tuple(_spots(offences, ledger, places)), notes, alone)


def _is_echo(one: Offence, other: Offence) -> bool:
    first, whole = one.writes[0], other.writes[0]
    return first.op == "copy_" and _echoes(first.place, whole.place)


def _offence(facts: Facts, blame: Blame, places: Places) -> Offence:
    writes = [_write(each, blame, places) for each in facts.writes]
    return Offence(
        rule=facts.rule,
        save=None if facts.saved is None else _save(facts.saved, facts.node, places),
        writes=tuple(without_echoes(writes)),
        needed=places.innermost(facts.needed),
        needed_stack=places.stack(facts.needed),
        node=facts.node,
        silent=facts.silent,
        disjoint=facts.disjoint,
        saved_version=0 if facts.saved is None else facts.saved.version,
        found_version=facts.found,
        complete=facts.complete,
        message=facts.message,
        note=facts.note,
        tracked=facts.tracked,
    )


def _save(saved: Saved, node: str, places: Places) -> Save:
    return Save(
        saved.number,
        operation(node),
        places.innermost(saved.stack),
        places.stack(saved.stack),
        saved.shape,
        saved.dtype,
        saved.version,
        saved.names,
        saved.result,
    )


def operation(node: str) -> str:
    """Name of the operation of a backward node: `SigmoidBackward0` is `sigmoid`."""
    return _CAPITAL.sub("_", _SUFFIX.sub("", node.rpartition("::")[2])).lower()


def _write(write: Written, blame: Blame, places: Places) -> Write:
    return Write(
        number=write.number,
        op=write.op,
        place=places.innermost(write.stack) or write.at,
        stack=places.stack(write.stack),
        built=places.innermost(write.built),
        module=write.module,
        instances=write.instances,
        by=blame.by(write),
        shape=write.shape,
        dtype=write.dtype,
        version=write.version,
        requires_grad=write.requires_grad,
        leaf=write.leaf,
        view=write.view,
        grad_mode=write.grad_mode,
        in_backward=write.in_backward,
        thread=write.thread,
        names=write.names,
        names_complete=write.names_complete,
    )


def without_echoes(writes: Sequence[Write]) -> list[Write]:
    """Writes without the store that an augmented assignment to a subscript makes after it has written already."""
    found: list[Write] = []
    for each in writes:
        last = found[-1] if found else None
        if last is None or each.op != "copy_" or not _echoes(each.place, last.place):
            found.append(each)
    return found


def _echoes(store: Place | None, statement: Place | None) -> bool:
    """True if the place is the target of that augmented assignment: `y[0] += 1` reads, adds and stores `y[0]`."""
    if store is None or statement is None or not store.column:
        return False
    start, end = (store.line, store.column), (store.end_line, store.end_column)
    inside = start == (statement.line, statement.column) and end < (statement.end_line, statement.end_column)
    return inside and store.file == statement.file and store.function == statement.function


def _spots(offences: Iterable[Offence], ledger: Ledger, places: Places) -> Iterable[Spot]:
    told = list(offences)
    guilty = {(write.place, write.op) for offence in told for write in offence.writes}
    unseen = any(not offence.complete for offence in told)  # any of them may be the writer that was not seen
    found: list[Spot] = []
    for (code, instruction, op), tally in list(ledger.tallies.items()):
        place = places.of((code, instruction))
        assert place is not None
        standing = Standing.PENDING if tally.pending or unseen else Standing.HARMLESS
        if (place, op) in guilty:
            standing = Standing.CULPRIT
        found.append(Spot(place, op, tally.count, standing, tally.tracked))
    statements = [spot.place for spot in found if spot.op != "copy_"]
    return [spot for spot in found if spot.op != "copy_" or not any(_echoes(spot.place, each) for each in statements)]
