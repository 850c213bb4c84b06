"""From what the visits saw to sites with facts."""

from __future__ import annotations

import ast
from typing import cast

from fixinplace.detect.frame import STRIDES, Key, Observation, Program
from fixinplace.detect.parameters import is_closed
from fixinplace.detect.values import join_live
from fixinplace.model import Certainty, Facts, Found, Hazard, Holder, Place, Site, Usage, View
from fixinplace.names import REFUSALS, Kind

_FIRST = ("no-grad", "initialiser", "optimizer", "running-statistics", "detached", "untracked", "finished")
"""Refusals that say that a site is not ours; they come before all others."""


def build(program: Program) -> tuple[Found, ...]:
    """All sites of a file by position, inner ones after the ones that contain them."""
    found = [_found(program, seen) for seen in program.observed.values()]
    return tuple(sorted(found, key=lambda f: (f.site.span.start, -f.site.span.end, f.site.op)))


def _found(program: Program, seen: Observation) -> Found:
    part = program.part
    assert isinstance(seen.node, (ast.expr, ast.stmt)) and isinstance(seen.root, (ast.expr, ast.stmt))
    certainty = Certainty.TYPED if seen.sure == 3 else Certainty.GUESSED
    span, statement = part.span(seen.node), part.span(seen.root)
    site = Site(seen.rule, seen.op, seen.target, span, statement, seen.function, certainty)
    return Found(site, _module_facts(program, seen, span.start) if "module" in seen.facts else _facts(program, seen))


def _facts(program: Program, seen: Observation) -> Facts:
    facts = seen.facts
    tracked = join_live(iter(seen.lives))
    if tracked is False:
        sentence = "neither the tensor nor what is written requires grad"
        seen.hazards.setdefault("untracked", Hazard("untracked", sentence))
    if facts.get("finished"):
        seen.hazards.setdefault("finished", Hazard("finished", "the storage is new and nothing has read it yet"))
    if seen.gaps and program.sees_copies:
        seen.doubts.setdefault(STRIDES)
    if seen.renamed and program.tells_history:
        seen.doubts.setdefault("the file prints tensors, and their text names the operation that made them")
    closed = _closed(program, seen)
    if closed:
        seen.assumes.setdefault(f"all callers of `{seen.function}` stand in this file")
    return Facts(
        place=cast(Place, facts["place"]),
        tracked=tracked,
        hazards=_sorted(seen.hazards),
        doubts=tuple(seen.doubts),
        assumes=tuple(seen.assumes),
        parameter=None if closed else cast("str | None", facts.get("parameter")),
        usage=cast(Usage, facts.get("usage", Usage.STATEMENT)),
        read_later=bool(facts.get("read_later")),
        in_loop=bool(facts.get("in_loop")),
        relaid=seen.relaid,
        first=bool(facts.get("first", True)),
        mixed=bool(facts.get("mixed")),
        mask=bool(facts.get("mask")),
        scalar=bool(facts.get("scalar")),
        torch=cast("str | None", facts.get("torch")),
        family=cast("tuple[Holder, ...]", facts.get("family", ())),
        through=cast("tuple[View, ...]", facts.get("through", ())),
    )


def _closed(program: Program, seen: Observation) -> bool:
    """True for a write to a parameter of a function that is called in this file alone, where nobody looks later."""
    key, parameter = cast("Key | None", seen.facts.get("key")), seen.facts.get("parameter")
    if key is None or parameter is None or not is_closed(program, key):
        return False
    return parameter not in program.exposed[key]


def _module_facts(program: Program, seen: Observation, offset: int) -> Facts:
    """Facts of a flag: it writes where its module is called, which may be nowhere to be seen."""
    uses = program.flag_uses.get(offset, set())
    doubts = dict(seen.doubts)
    for use in sorted(uses - {"call"}):
        doubts[use] = None
    if "call" not in uses and not seen.calls:
        doubts["no call of the module can be seen here"] = None
    doubts["a forward hook, or code in another file, may keep what the module is called with"] = None
    return Facts(
        place=Place.TEMPORARY,
        tracked=None,
        hazards=_sorted(seen.hazards),
        doubts=tuple(doubts),
        parameter=cast("str | None", seen.facts.get("parameter")),
        torch=cast("str | None", seen.facts.get("torch")),
        module_calls=tuple(seen.calls[key] for key in sorted(seen.calls)),
        all_calls_seen=not (uses - {"call"}) and bool(uses),
    )


def _sorted(hazards: dict[str, Hazard]) -> tuple[Hazard, ...]:
    """Not ours first, then state, then whoever looks, then form."""
    kinds = list(Kind)
    return tuple(sorted(hazards.values(), key=lambda h: (h.refusal not in _FIRST, kinds.index(REFUSALS[h.refusal]))))
