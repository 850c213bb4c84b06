"""The report of `repair`: who wrote, who needed the old value, what was tried, what is proved; text and JSON."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from typing import Any

from fixinplace import __version__, files, names
from fixinplace.model import Analysis, Ruling, Verdict
from fixinplace.pipeline import Result
from fixinplace.repair import behind, upstream
from fixinplace.repair.base import Files, Proposal, Tier
from fixinplace.repair.found import Culprit, Tried
from fixinplace.repair.outcome import Outcome
from fixinplace.repair.patching import Attempt
from fixinplace.repair.scripted import scripted
from fixinplace.repair.wording import headline, only_kept, place_of, rule_of
from fixinplace.report import document
from fixinplace.report.diff import diff, diff_text
from fixinplace.report.offence import details, where
from fixinplace.report.text import evidence_line, shortened
from fixinplace.trace.events import Offence, Place, Spot, Standing, Write
from fixinplace.verify.errors import FREED, is_freed

VERSION = 1

Json = dict[str, Any]


def results(outcome: Outcome, attempt: Attempt | None) -> list[Result]:
    """The files of an attempt with their new texts."""
    found = []
    for patch in attempt.rewritten if attempt is not None else ():
        code = outcome.read(patch.path)
        if code is not None:
            found.append(Result(Analysis(files.shown(code.path)), code.source, patch.text))
    return found


def patch(outcome: Outcome, attempt: Attempt | None) -> bytes:
    """A diff that `git apply` takes."""
    return b"".join(diff(result) for result in results(outcome, attempt))


# --- text


def lines(outcome: Outcome) -> Iterator[str]:
    """The report for a person: what happened, then what was done about it."""
    found = outcome.found
    if found is None or not found.culprits:
        yield from _nothing(outcome)
        return
    for culprit in found.culprits:
        yield from _culprit(outcome, culprit)
    yield from _harmless(outcome)
    if outcome.explained:
        return
    if outcome.chosen:
        yield from _chosen(found.choices, outcome.chosen)
    else:
        yield from _verdict(outcome)
        yield from _choices(outcome)
    if outcome.written:
        yield f"written: {', '.join(dict.fromkeys(outcome.paths))}"


def _nothing(outcome: Outcome) -> Iterator[str]:
    if outcome.failure is not None and outcome.failure.type == "SystemExit":
        code = outcome.failure.message if outcome.failure.message.isdecimal() else 1
        yield f"the command leaves with exit code {code} by itself, and no backward of it was spoilt"
        yield "  a write that torch refuses is seen where its error ends the program, or where its traceback is shown"
    elif outcome.failure is not None:
        yield f"the command fails by itself, not of an in-place write: {outcome.failure.sentence}"
        if is_freed(outcome.failure):
            yield "  two backwards went through one graph; no state that a loop carries with its graph was seen"
    elif outcome.interrupted:
        yield f"the command did not end within {outcome.interrupted:g} s (--timeout), and nothing was wrong until then"
    else:
        yield f"{outcome.label}: no tensor that a backward needed was overwritten; nothing to repair"
    yield from (f"  {note}" for note in outcome.trace.notes)


def _culprit(outcome: Outcome, culprit: Culprit) -> Iterator[str]:
    seen = culprit.offences[0]
    offence = upstream.inside(seen) or seen
    code = rule_of(offence, outcome.read)
    rule = names.rule(code)
    place = place_of(offence, _tried_best(outcome, culprit), outcome.read)
    yield f"{where(place)}  {code} {rule.name if rule else ''}  {headline(offence, outcome.read)}"
    yield from (f"  {line}" for line in details(offence, seen, outcome.read))
    if len(culprit.offences) > 1:
        what = "were overwritten here" if offence.keeper is None else "are needed again"
        yield f"  {len(culprit.offences)} saved tensors in all {what}"
    for proposal in () if _is_mended(outcome, culprit) else _remedies(outcome, culprit):
        yield f"  what to do   {proposal.title}"
        if proposal.meaning:
            yield f"               {proposal.meaning}"


def _is_mended(outcome: Outcome, culprit: Culprit) -> bool:
    """True if the best patch edits something about a culprit, and was not refuted."""
    found = outcome.found
    best = found.best if found is not None else None
    if found is None or best is None or best.ruling.verdict is Verdict.REFUTED:
        return False
    return found.proved or any(each in culprit.proposals for each in best.attempt.proposals)


def _remedies(outcome: Outcome, culprit: Culprit) -> list[Proposal]:
    """What is told to do about a culprit by hand: nothing where choices are offered."""
    choices = outcome.found.choices if outcome.found is not None else ()
    offered = any(each in culprit.proposals for choice in choices for each in choice.attempt.proposals)
    return [] if offered else culprit.of(Tier.EXPLAIN)


def _tried_best(outcome: Outcome, culprit: Culprit) -> Sequence[Proposal]:
    """What is done about a culprit, if something is; else all that might be."""
    best = outcome.found.best if outcome.found is not None else None
    done = [each for each in culprit.proposals if best is not None and each in best.attempt.proposals]
    return done or culprit.proposals


def _harmless(outcome: Outcome) -> Iterator[str]:
    """In-place code that did no harm in this run, and stays."""
    within = {spot.place for spot in outcome.trace.spots if spot.op in _INNER and _is_inner(spot.place.text)}
    some = [spot for spot in outcome.trace.spots if spot.standing is not Standing.CULPRIT and _own(outcome, spot)]
    some = [spot for spot in some if spot.place not in within]
    told = {where(spot.place) for spot in outcome.trace.spots if spot.standing is Standing.CULPRIT}
    found = outcome.found.culprits if outcome.found is not None else ()
    told |= {where(write.place) for each in found for offence in each.offences for write in offence.writes[:1]}
    told |= {where(offence.keeper) for each in found for offence in each.offences if offence.keeper is not None}
    for standing in (Standing.PENDING, Standing.HARMLESS):
        spots = [spot for spot in some if spot.standing is standing and spot.tracked]
        places = [place for place in dict.fromkeys(where(spot.place) for spot in spots) if place not in told]
        told.update(places)
        if places:
            shown = ", ".join(places[:6])
            more = f" and {len(places) - 6} more" if len(places) > 6 else ""
            yield f"{_word(outcome, standing)}: {shown}{more}"


_INNER = frozenset("squeeze_ unsqueeze_ t_ transpose_ add_ sigmoid_ tanh_ addmv_".split())
"""What torch does in place to memory of its own, in `a @ b` and in a recurrent cell."""


def _is_inner(text: str) -> bool:
    """True for code that writes nothing in place as it reads: `a @ b`, `self.cell(x, h)`."""
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):  # a statement, or a text that was shortened
        return False
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.BinOp)
    name = ast.unparse(node.func)
    return not name.endswith("_") and not {"out", "inplace"} & {each.arg for each in node.keywords}


def _word(outcome: Outcome, standing: Standing) -> str:
    if standing is Standing.HARMLESS:
        return "in place and harmless in this run, left alone"
    if any(not offence.complete for offence in outcome.trace.offences):
        return "in place, and one of these may be the writer that was not seen"
    return "in place, saved, not needed, left alone"


def _own(outcome: Outcome, spot: Spot) -> bool:
    return outcome.files(spot.place.file) is not None


def _verdict(outcome: Outcome) -> Iterator[str]:
    found = outcome.found
    assert found is not None
    best = found.best
    if best is None:
        if not found.choices and not any(culprit.of(Tier.EXPLAIN) for culprit in found.culprits):
            yield "not repaired: no edit of the code that was seen applies"
    elif found.proved:
        yield f"proved: {evidence_line(best.ruling.evidence)}"
        yield from (f"  {shortened(note)}" for note in _notes(best.ruling))
        yield from _caveats(best)
        yield from _upstream(outcome)
    else:
        yield shortened(f"not repaired: {best.ruling.verdict} {best.ruling.reason or ''}: {best.ruling.sentence}")
        yield from (f"  tried {line}" for line in _fallen(found.tried))
        if FREED in best.ruling.sentence:
            yield "  with that mended a graph is used twice: what one step keeps for the next one needs a `.detach()`"
        elif best.ruling.reason == "probe-failed" and not outcome.in_place:
            yield "  outside the sandbox it ran: --in-place-runs proves in its own folder and with your environment"
    if found.stopped:
        yield f"  {found.stopped}; --budget gives more"


def _upstream(outcome: Outcome) -> Iterator[str]:
    if outcome.foreign:
        named = " and ".join(sorted({f"`{upstream.package_of(path)}`" for path in outcome.foreign}))
        yield f"upstream: {named} is installed and never edited, and no edit of your own code was found that helps;"
        yield "  the patch on standard output is for its authors; nothing was written"


def _notes(ruling: Ruling) -> list[str]:
    return list(dict.fromkeys(note for evidence in ruling.evidence for note in evidence.notes))


def _fallen(tried: Sequence[Tried]) -> Iterator[str]:
    for one in tried:
        titles = " and ".join(proposal.title for proposal in one.attempt.proposals)
        yield shortened(f"{titles}: {one.ruling.verdict} {one.ruling.reason or ''}")


def _choices(outcome: Outcome) -> Iterator[str]:
    found = outcome.found
    if found is None or not found.choices:
        return
    if len(found.choices) > 1:
        yield "several repairs are possible, each with another meaning; --choose N writes one:"
    else:
        yield "this repair gives the program a meaning of its own; --choose 1 writes it:"
    for number, choice in enumerate(found.choices, start=1):
        proposal = choice.attempt.proposals[-1]
        yield f"{number}. {proposal.title}"
        yield f"   {proposal.meaning}"
        yield f"   {shortened(_checked(choice))}"
        yield from (f"   {shortened(note)}" for note in _notes(choice.ruling) if note.startswith("left out on purpose"))
        diffs = patch(outcome, choice.attempt).decode("utf-8", "replace").splitlines()
        yield from (f"   {line}" for line in diffs)


def _chosen(choices: Sequence[Tried], number: int) -> Iterator[str]:
    """The repair that is written; its diff is on standard output."""
    choice = choices[number - 1]
    proposal = choice.attempt.proposals[-1]
    yield f"chosen {number} of {len(choices)}: {proposal.title}"
    yield f"  {proposal.meaning}"
    yield f"  {_checked(choice)}"
    yield from (f"  {shortened(note)}" for note in _notes(choice.ruling))
    yield from _caveats(choice)


def _caveats(tried: Tried) -> Iterator[str]:
    caveats = (caveat for proposal in tried.attempt.proposals for caveat in proposal.caveats)
    yield from (f"  caveat: {caveat}" for caveat in dict.fromkeys(caveats))


_SAVED, _TODAY = "the saved values give", "the program gives today"


def _checked(choice: Tried) -> str:
    ruling = choice.ruling
    if ruling.verdict is Verdict.PROVED:
        return f"equal to the gradients at the saved values: {evidence_line(ruling.evidence)}"
    if ruling.reason in ("gradient-differs", "gradient-missing", "forward-differs", "state-differs"):
        today = choice.attempt.proposals[-1].repair == behind.NAME
        return f"it runs, and is not what {_TODAY if today else _SAVED}: {ruling.sentence}"
    return f"{ruling.verdict} {ruling.reason or ''}: {ruling.sentence}"


# --- JSON


def to_json(outcome: Outcome, code: int) -> str:
    """One document; its shape is a contract, told by `version`."""
    found = outcome.found
    best = found.best if found is not None else None
    data = {
        "version": VERSION,
        "tool": {"name": "fixinplace", "version": __version__},
        "command": "repair",
        "target": outcome.label,
        "exit": code,
        "failure": None if outcome.failure is None else outcome.failure.sentence,
        "status": outcome.status,
        "culprits": [_culprit_json(outcome, culprit) for culprit in found.culprits] if found is not None else [],
        "spots": [_spot(spot) for spot in outcome.trace.spots],
        "notes": list(outcome.trace.notes),
        "tried": [_tried(outcome, one) for one in found.tried] if found is not None else [],
        "choices": [_choice(outcome, one) for one in found.choices] if found is not None else [],
        "chosen": outcome.chosen or None,
        "patch": _tried(outcome, best) if best is not None else None,
        "written": outcome.written,
        "stopped": found.stopped if found is not None else "",
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def _culprit_json(outcome: Outcome, culprit: Culprit) -> Json:
    seen = culprit.offences[0]
    first = upstream.inside(seen) or seen
    code = rule_of(first, outcome.read)
    rule = names.rule(code)
    return {
        "rule": code,
        "name": rule.name if rule is not None else None,
        "message": headline(first, outcome.read),
        "culprit": _place_json(place_of(first, _tried_best(outcome, culprit), outcome.read) if first.writes else None),
        "save": _place_json(_saved(first)),
        "backward": _place_json(first.needed),
        "scripted": _scripted(first, outcome.read),
        "called": _place_json(seen.writes[0].place) if seen != first else None,
        "offences": [_offence(offence) for offence in culprit.offences],
        "explanations": [{"title": each.title, "meaning": each.meaning} for each in _remedies(outcome, culprit)],
    }


def _scripted(offence: Offence, read: Files) -> Json | None:
    """The scripted function that wrote, with the lines in it that may have."""
    found = scripted(offence, read)
    return None if found is None else {"name": found.name, "places": [_place_json(each) for each in found.places]}


def _saved(offence: Offence) -> Place | None:
    """Where the tensor was saved, or would have been."""
    if only_kept(offence) and offence.writes:
        return offence.writes[0].place
    return offence.save.place if offence.save is not None else None


def _offence(offence: Offence) -> Json:
    return {
        "rule": offence.rule or None,
        "save": None if offence.save is None else {"op": offence.save.op, **(_place_json(offence.save.place) or {})},
        "writes": [_write(write) for write in offence.writes],
        "backward": _place_json(offence.needed),
        "node": offence.node,
        "silent": offence.silent,
        "disjoint": offence.disjoint,
        "complete": offence.complete,
        "versions": [offence.saved_version, offence.found_version],
        "message": offence.message,
        "note": offence.note,
    }


def _write(write: Write) -> Json:
    return {
        "op": write.op,
        **(_place_json(write.place) or {"file": None, "line": None, "column": None}),
        "built": _place_json(write.built),
        "by": write.by,
        "names": list(write.names),
        "names_complete": write.names_complete,
        "requires_grad": write.requires_grad,
        "leaf": write.leaf,
        "view": write.view,
        "grad_mode": write.grad_mode,
        "in_backward": write.in_backward,
        "thread": write.thread,
    }


def _place_json(place: Place | None) -> Json | None:
    if place is None:
        return None
    return {
        "file": files.shown(place.file),
        "line": place.line,
        "column": place.column,
        "end": {"line": place.end_line, "column": place.end_column},
        "function": place.function,
        "text": place.text,
    }


def _spot(spot: Spot) -> Json:
    return {**(_place_json(spot.place) or {}), "op": spot.op, "count": spot.count, "standing": spot.standing.value,
            "tracked": spot.tracked}  # fmt: skip


def _tried(outcome: Outcome, tried: Tried) -> Json:
    return {
        "proposals": [_proposal(proposal) for proposal in tried.attempt.proposals],
        "diff": "".join(diff_text(result) for result in results(outcome, tried.attempt)),
        **document.ruling(tried.ruling),
    }


def _choice(outcome: Outcome, tried: Tried) -> Json:
    """A proposal with a meaning of its own: `as_saved` is true where it gives the gradients at the saved values."""
    data = _tried(outcome, tried)
    as_saved = tried.ruling.verdict is Verdict.PROVED
    verdict = "unproved" if tried.ruling.verdict is Verdict.REFUTED else data["verdict"]
    return {**data, "as_saved": as_saved, "sentence": _checked(tried), "verdict": verdict}


def _proposal(proposal: Proposal) -> Json:
    return {
        "repair": proposal.repair,
        "tier": proposal.tier.value,
        "title": proposal.title,
        "meaning": proposal.meaning,
        "caveats": list(proposal.caveats),
    }
