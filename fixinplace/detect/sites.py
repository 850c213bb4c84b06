"""From what the visits saw to sites with facts."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import cast

from fixinplace.detect.beside import taken_beside
from fixinplace.detect.inward import reaches
from fixinplace.detect.parameters import TRUSTED, is_closed
from fixinplace.detect.plain import TERMS
from fixinplace.detect.program import Key, Observation, Program
from fixinplace.detect.quiet import Fresh, unnoticed
from fixinplace.detect.surroundings import Words
from fixinplace.detect.values import join_live
from fixinplace.detect.vocabulary import AGAIN, WORDS
from fixinplace.model import Call, Certainty, Edit, Facts, Found, Hazard, Holder, Place, Site, Usage, View
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
    facts, words = seen.facts, _words(program, seen)
    tracked = join_live(iter(seen.lives))
    if tracked is False:
        sentence = "neither the tensor nor what is written requires grad"
        seen.hazards.setdefault("untracked", Hazard("untracked", sentence))
    if facts.get("finished"):
        seen.hazards.setdefault("finished", Hazard("finished", "the storage is new and nothing has read it yet"))
    closed, handed = _closed(program, seen), _handed(program, seen)
    if not closed and handed is None and (looker := _looker(program, seen)):
        sentence = f"`{looker}` reads what it has passed for `{facts['parameter']}` after the call"
        seen.hazards.setdefault("caller-may-see", Hazard("caller-may-see", sentence))
    apart = unnoticed(bool(facts.get("free")), seen.op, seen.node)
    for assumed in sorted(program.gives):
        seen.assumes.setdefault(assumed)
    if program.trusts:
        seen.assumes.setdefault(TRUSTED)
    if closed or handed is not None:
        seen.assumes.setdefault(f"all callers of `{seen.function}` stand in this file")
    return Facts(
        place=cast(Place, facts["place"]),
        tracked=tracked,
        hazards=_sorted(seen.hazards),
        doubts=_doubts(seen, apart),
        keepers=tuple(sorted(seen.keepers, key=lambda each: (each.at.start, each.doubt))),
        assumes=_assumed(seen, words),
        parameter=None if closed or handed is not None else cast("str | None", facts.get("parameter")),
        usage=cast(Usage, facts.get("usage", Usage.STATEMENT)),
        read_later=bool(facts.get("read_later")) or (handed is not None and not _back(seen)),
        lost=bool(facts.get("lost")) and not closed and handed is None,
        in_loop=bool(facts.get("in_loop")),
        relaid=seen.relaid,
        renamed=seen.renamed and words.tells_history,
        gaps=seen.gaps and words.sees_copies,
        complex=words.makes_complex,
        first=bool(facts.get("first", True)),
        mixed=bool(facts.get("mixed")),
        flows=bool(facts.get("flows")),
        summed=bool(facts.get("summed")),
        mask=bool(facts.get("mask")),
        rows_of=cast("frozenset[str]", facts.get("rows_of", frozenset())),
        listed=cast("frozenset[str]", facts.get("listed", frozenset())),
        each=bool(facts.get("each")),
        holders=cast("frozenset[str]", facts.get("holders", frozenset())),
        born=cast("frozenset[int]", facts.get("born", frozenset())),
        sharers=cast("frozenset[str]", facts.get("sharers", frozenset())),
        asked=cast("frozenset[str]", facts.get("asked", frozenset())),
        part=bool(facts.get("part")),
        scalar=bool(facts.get("scalar")),
        perhaps=bool(facts.get("perhaps")),
        torch=cast("str | None", facts.get("torch")),
        family=(_back(seen) if handed is not None else ()) or cast("tuple[Holder, ...]", facts.get("family", ())),
        through=cast("tuple[View, ...]", facts.get("through", ())),
        module_calls=handed.calls if handed is not None else (),
        hand_back=handed.edits if handed is not None else (),
        excused=_excused(seen, bool(handed and handed.edits)) if closed or handed is not None else (),
    )


def _words(program: Program, seen: Observation) -> Words:
    """What is said around a site; it is assumed that other files do not bring it together with the rest."""
    near, all_of_it = (program.surroundings.words(piece) for piece in (program.surroundings.at(seen.root), -1))
    if {*near.doubts, near.dtype_word, near.mixes} != {*all_of_it.doubts, all_of_it.dtype_word, all_of_it.mixes}:
        seen.assumes["code in other files does not bring it together with what this file keeps apart"] = None
    return near


def _doubts(seen: Observation, apart: frozenset[str]) -> tuple[str, ...]:
    """The doubts that concern a site.  Checkpointing is none: the reference keeps what is saved as it was."""
    if seen.facts.get("summed") and any(seen.facts.get(held) for held in _SHARED):
        seen.doubts[_NUMBER] = None
    if _EXPONENTIAL.search(seen.op):
        seen.assumes[_ROUNDS] = None
    if "dropout" in seen.op.lower():
        seen.assumes[_DRAWS] = None
    if AGAIN in seen.doubts and AGAIN not in apart:
        seen.assumes[_RIGHT] = None
    if TERMS in seen.assumes:
        apart |= {WORDS["autocast"]}
    return tuple(why for why in seen.doubts if why not in apart and why != AGAIN)


_SHARED = ("family", "holders", "listed", "asked", "rows_of", "each")
"""The facts that name others, who hold the same tensor and are bound to the new one together with the target."""
_NUMBER = "it may be a number, which no sum writes, and others would be bound to the new one as well"
_EXPONENTIAL = re.compile(r"\b(elu|celu|selu)_?\b", re.IGNORECASE)
_ROUNDS = "the gradient is computed from the argument, no longer from the result, and may be rounded otherwise"
_DRAWS = "where dropout does not run on the processor, one seed may give other random numbers"
_RIGHT = "where checkpointing hides from torch that a saved tensor is written, the gradient, wrong today, becomes right"


def _assumed(seen: Observation, words: Words) -> tuple[str, ...]:
    shown = seen.renamed and words.shows_history and not words.tells_history
    return (*seen.assumes, *([_FOR_PEOPLE] if shown else []))


_FOR_PEOPLE = "what is printed of a tensor's graph is for people alone"


def _closed(program: Program, seen: Observation) -> bool:
    """True for a write to a parameter of a function that is called in this file alone, where nobody looks later."""
    key, parameter = cast("Key | None", seen.facts.get("key")), seen.facts.get("parameter")
    if key is None or parameter is None or not is_closed(program, key):
        return False
    return parameter not in program.exposed[key]


def _looker(program: Program, seen: Observation) -> str:
    """A function of the file that would miss the write of a parameter; "" for none."""
    key, parameter = cast("Key | None", seen.facts.get("key")), cast("str | None", seen.facts.get("parameter"))
    return "" if key is None or parameter is None else program.lookers[key].get(parameter, "")


@dataclass(frozen=True, slots=True)
class _Handed:
    """How a written parameter comes back to its callers: where it is passed, and the edits of the function."""

    calls: tuple[Call, ...]
    edits: tuple[Edit, ...]


def _handed(program: Program, seen: Observation) -> _Handed | None:
    """The way back of a parameter that callers look at; None if there is none, or several would be needed."""
    key, parameter = cast("Key | None", seen.facts.get("key")), cast("str | None", seen.facts.get("parameter"))
    if key is None or parameter is None or not is_closed(program, key):
        return None
    written = [one for one in program.observed.values() if one.facts.get("key") == key and "parameter" in one.facts]
    looked_at = {cast(str, one.facts["parameter"]) for one in written} & program.exposed[key]
    if looked_at != {parameter} or not all(one.target == parameter or _back(one) for one in written):
        return None
    if parameter not in program.hands.get(key, {}):
        beside = taken_beside(program, key, parameter)
        return _Handed((), beside) if beside is not None else None
    calls = list(program.handed[key].get(parameter, {}).values())
    edits = program.hands[key][parameter]
    bound = [call for call in calls if call is not None]
    if len(bound) < len(calls) or (edits and any(call.usage is not Usage.STATEMENT for call in bound)):
        return None
    return _Handed(tuple(sorted(bound, key=lambda call: call.span.start)), edits)


def _back(seen: Observation) -> tuple[Holder, ...]:
    """The family of a view of a parameter that is written, with the parameter as one that is read later."""
    members = cast("tuple[Holder, ...]", seen.facts.get("back", ()))
    return members if len(members) > 1 and members[0].name != seen.target else ()


def _excused(seen: Observation, returns: bool) -> tuple[str, ...]:
    """What may differ when the function is called; see `verify/calls.py` for the names."""
    name = cast("Key", seen.facts["key"])[1].replace(".", ".<locals>.")
    return (f"{name}() argument {seen.facts['parameter']} ", *([f"{name}() returned "] if returns else []))


def _module_facts(program: Program, seen: Observation, offset: int) -> Facts:
    """Facts of a flag: it writes where its module is called, which may be nowhere to be seen."""
    words = _words(program, seen)
    uses, placed = program.flag_uses.get(offset, set()), program.placed.get(offset, set())
    free = placed <= {Fresh.FREE} and bool(seen.facts.get("free", bool(placed)))
    doubts = dict.fromkeys(_doubts(seen, unnoticed(free, seen.op, seen.node)))
    for use in sorted(uses - {"call"}):
        doubts[use] = None
    if not placed and not seen.calls:
        doubts["no call of the module can be seen here"] = None
    if Fresh.NO in placed and not seen.calls:
        doubts["it is the first of a `Sequential` whose calls cannot be seen here"] = None
    read = [call for call in seen.calls.values() if call.read_later and call.usage is not Usage.REBOUND]
    if seen.facts.get("given") and read:
        doubts["a class may be passed in that leaves alone what its modules are called with"] = None
    if words.goes_through or reaches(program, words.inward, offset, seen.function):
        doubts["the file goes through the parts of modules, and may call this one"] = None
    if words.hooked:
        doubts["the file has hooks, and one may keep what the module is called with"] = None
    for assumed in sorted(program.gives):
        seen.assumes.setdefault(assumed)
    seen.assumes[
        "no hook, and no code in another file, keeps what the module is called with, or takes its network apart"
    ] = None
    return Facts(
        place=Place.TEMPORARY,
        tracked=None,
        assumes=_assumed(seen, words),
        relaid=seen.relaid,
        renamed=seen.renamed and words.tells_history,
        gaps=seen.gaps and words.sees_copies,
        hazards=_sorted(seen.hazards),
        doubts=tuple(doubts),
        parameter=cast("str | None", seen.facts.get("parameter")),
        torch=cast("str | None", seen.facts.get("torch")),
        perhaps=bool(seen.facts.get("perhaps")),
        module_calls=tuple(seen.calls[key] for key in sorted(seen.calls)),
        all_calls_seen=not (uses - {"call"}) and bool(uses or placed or seen.calls),
    )


def _sorted(hazards: dict[str, Hazard]) -> tuple[Hazard, ...]:
    """Not ours first, then state, then whoever looks, then form."""
    kinds = list(Kind)
    return tuple(sorted(hazards.values(), key=lambda h: (h.refusal not in _FIRST, kinds.index(REFUSALS[h.refusal]))))
