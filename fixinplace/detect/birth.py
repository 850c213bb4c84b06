"""Where a tensor came to be, who had it then, and who has it where it is written.

Note [Born alone]
    After `h = torch.exp(x)` the tensor is known to nobody but h, if the expression made it and nothing that was called
    on the way kept it.  Whoever shares it later got it from h, behind that line: see Note [Clones before sharing] in
    `rewrite/earlier.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from fixinplace.detect.kinds import Origin
from fixinplace.detect.values import Memories, Memory, Value, overlap

if TYPE_CHECKING:
    from fixinplace.detect.frame import Frame
    from fixinplace.detect.program import Observation

ELSEWHERE = -1
"""The place of a tensor that was not, or may not have been, made by an assignment of the function to a name."""


def note_birth(frame: Frame, targets: Sequence[ast.expr], value: ast.expr, made: Value) -> None:
    """Note that an assignment made a tensor which only its name holds; see Note [Born alone]."""
    match targets:
        case [ast.Name(id=name)] if made.tensor and made.memory and not made.maybe:
            span = frame.program.part.span(value)
            own = all(span.start <= _place(frame, memory) < span.end for memory in made.memory)
            if own and name not in frame.captured | frame.declared and not _is_held(frame, made.memory):
                frame.state.alone |= made.memory


def _place(frame: Frame, memory: Memory) -> int:
    """The offset of the expression that allocates a storage in this function."""
    function, _, rest = memory.label.rpartition("@")
    if memory.origin is not Origin.ALLOCATED or function != frame.place.name:
        return ELSEWHERE
    return int(rest.partition(":")[0])


def _is_held(frame: Frame, memory: Memories) -> bool:
    kept = any(one.overlaps(held) for one in memory for held in frame.state.escapes)
    return kept or any(overlap(value.memory | value.maybe, memory) for value in frame.state.attrs.values())


def note_sharers(frame: Frame, seen: Observation, written: Value, others: frozenset[str]) -> None:
    """Note where the written tensor was made, and who else holds it: names that are read later, "" for what is none.

    others: the names that are read later, but for the one that is written.
    """
    alone = bool(written.memory) and written.memory <= frame.state.alone and not written.maybe
    born = {_place(frame, memory) for memory in written.memory} if alone else {ELSEWHERE}
    shared = {name for name in others | frame.captured if alone and _holds(frame.state.names.get(name), written)}
    if not alone or any(_holds(value, written) for value in frame.state.attrs.values()):
        shared.add("")
    seen.facts["born"] = cast("frozenset[int]", seen.facts.get("born", frozenset())) | born
    seen.facts["sharers"] = cast("frozenset[str]", seen.facts.get("sharers", frozenset())) | shared


def _holds(value: Value | None, written: Value) -> bool:
    return value is not None and overlap(value.memory | value.maybe, written.memory)
