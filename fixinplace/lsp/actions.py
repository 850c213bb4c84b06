"""What a document offers: actions on its findings, and on the whole of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lsprotocol import types

from fixinplace import names, pipeline
from fixinplace.lsp import culprits, ignoring, proofs, wire
from fixinplace.lsp.buffers import Buffer
from fixinplace.lsp.diagnostics import Shown, diagnostic, hint, shown
from fixinplace.lsp.page import Look, Page
from fixinplace.lsp.pages import Pages
from fixinplace.lsp.resolving import ticket
from fixinplace.model import Finding, Fix, Verdict

FIX_ALL = "source.fixAll.fixinplace"
PROVE_ALL = "source.proveAll.fixinplace"
REPAIR = "source.repair.fixinplace"
KINDS = (types.CodeActionKind.QuickFix, FIX_ALL, PROVE_ALL, REPAIR)

PROVE, EXPLAIN, REPAIR_COMMAND = "fixinplace.prove", "fixinplace.explain", "fixinplace.repair"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Offer:
    """What is asked for: a document, lines of it, and the kinds that are wanted (all, if empty)."""

    page: Page
    wanted: types.Range
    only: Sequence[str]
    pages: Pages

    @property
    def buffer(self) -> Buffer:
        """The text that the actions are for."""
        return self.page.buffer

    def wants(self, kind: str) -> bool:
        """True if a kind, or one that contains it, is asked for."""
        return not self.only or any(kind == each or kind.startswith(f"{each}.") or each == "" for each in self.only)


def actions(offer: Offer) -> list[types.CodeAction]:
    """All actions, those on findings first."""
    found: list[types.CodeAction] = []
    look = offer.page.fresh
    if look is None or offer.page.gone:
        return found
    if offer.wants(types.CodeActionKind.QuickFix):
        lines = offer.buffer.lines(offer.wanted)
        for one in shown(offer.page):
            if set(lines) & set(offer.buffer.lines(offer.buffer.range_of(one.span))):
                found += _on_finding(offer, one)
    if look.parsed:
        found += _on_comments(offer, look)
        found += _on_file(offer, look)
    found += _on_traceback(offer)
    return found


def _on_finding(offer: Offer, one: Shown) -> Iterator[types.CodeAction]:
    about = [diagnostic(offer.buffer, one, offer.pages)]
    fix = one.finding.outcome
    if isinstance(fix, Fix) and not one.stale:
        yield from _fixing(offer, one.finding, fix, about)
    rule = names.rule(one.finding.rule)
    assert rule is not None
    if not one.stale:
        title = f"Ignore {rule.name} here, with a reason"
        yield from _lazy(offer, title, types.CodeActionKind.QuickFix, {"do": "ignore", **_finding(one.finding)}, about)
    yield _running(f"Explain {rule.name}", types.CodeActionKind.QuickFix, EXPLAIN, rule.code, about)


def _fixing(offer: Offer, finding: Finding, fix: Fix, about: list[types.Diagnostic]) -> Iterator[types.CodeAction]:
    kind, standing = types.CodeActionKind.QuickFix, _standing(fix, offer.page.proven)
    key = proofs.key_of(finding)
    assert key is not None
    joint = _joint(offer.page, key)
    if joint:
        title = f"Apply the {joint} fixes that were proved together"
        yield from _lazy(offer, title, kind, {"do": "joint"}, about, preferred=True)
    if fix.ruling is None or fix.ruling.verdict is not Verdict.REFUTED:
        good = standing in ("proved", "safe")
        title = f"{_capital(fix.title)} ({standing})"
        yield from _lazy(offer, title, kind, {"do": "fix", **_finding(finding)}, about, preferred=good and not joint)
    if _open(fix):
        given = ticket(offer.buffer, wire.dump_key(key))
        yield _running(f"Prove and apply: {fix.title}", kind, PROVE, given, about)


def _standing(fix: Fix, proven: proofs.Proven | None) -> str:
    """What the title says about a fix that would be applied by itself."""
    ruling = fix.ruling
    if ruling is None:
        return "safe" if fix.safe and fix.parameter is None else "unsafe: not proved"
    if ruling.verdict is Verdict.PROVED and proven is not None and not _by_itself(fix, proven):
        return "safe" if fix.safe and fix.parameter is None else "unsafe: proved only together with others"
    if ruling.verdict is Verdict.UNPROVED:
        return f"unsafe: unproved, {ruling.reason}"
    return ruling.verdict.value


def _open(fix: Fix) -> bool:
    """True if a proof could tell more of a fix than is known."""
    return fix.ruling is None or fix.ruling.verdict not in (Verdict.PROVED, Verdict.REFUTED)


def _by_itself(fix: Fix, proven: proofs.Proven) -> bool:
    return {key[3] for key in proven.written} == {fix.edits}


def _joint(page: Page, key: proofs.Key) -> int:
    """How many fixes stand in the text that was proved with this one; 0 if it alone does, or nothing was proved."""
    proven = page.proven
    if proven is None or proven.before != page.buffer.part.text or key not in proven.written:
        return 0
    if not any(proven.rulings[each].verdict is Verdict.PROVED for each in proven.written):
        return 0
    count = len({each[3] for each in proven.written})
    return count if count > 1 else 0


def _on_comments(offer: Offer, look: Look) -> Iterator[types.CodeAction]:
    """On ignore comments that suppress nothing, each once, however much is wrong with it."""
    lines, part, kind = offer.buffer.lines(offer.wanted), offer.buffer.part, types.CodeActionKind.QuickFix
    here = [one for one in look.analysis.problems if one.rule == "FIP903" and one.line in lines]
    for place in dict.fromkeys((one.line, one.column) for one in here) if offer.wants(kind) else ():
        edit = ignoring.removal(part, look.analysis, look.holding.enabled, place)
        if edit is not None:
            about = [hint(offer.buffer, one) for one in here if (one.line, one.column) == place]
            data = {"do": "unignore", "line": place[0], "column": place[1]}
            what = "the unused rules of the ignore comment" if edit.text else "the unused ignore comment"
            yield from _lazy(offer, f"Remove {what}", kind, data, about)


def _on_file(offer: Offer, look: Look) -> Iterator[types.CodeAction]:
    fixes = pipeline.fixes(proofs.ruled(look.analysis, look.source.part.text, offer.page.proven).findings).values()
    standing = [_standing(fix, None) for fix in fixes]
    if offer.wants(FIX_ALL) and any(each in ("safe", "proved") for each in standing):
        yield from _lazy(offer, "Fix all that is safe or proved in this file", FIX_ALL, {"do": "all"})
    if offer.wants(PROVE_ALL) and any(_open(fix) for fix in fixes):
        yield _running("Prove and apply all fixes in this file", PROVE_ALL, PROVE, ticket(offer.buffer, None))
    if offer.wants(REPAIR) and offer.buffer.path is not None and "__main__" in offer.buffer.part.text:
        script = {"script": str(offer.buffer.path)}
        yield _running("Run this script and find what breaks its backward", REPAIR, REPAIR_COMMAND, script)


def _on_traceback(offer: Offer) -> Iterator[types.CodeAction]:
    """On a selection that is, or holds, a traceback, wherever it was pasted."""
    start, end = offer.buffer.offset(offer.wanted.start), offer.buffer.offset(offer.wanted.end)
    selected = offer.buffer.part.text[start:end]
    if offer.wants(types.CodeActionKind.QuickFix) and culprits.script_of(selected) is not None:
        title, kind = "Find the culprit of this traceback", types.CodeActionKind.QuickFix
        yield _running(title, kind, REPAIR_COMMAND, {"traceback": selected})


def _running(
    title: str, kind: str, command: str, argument: object, about: list[types.Diagnostic] | None = None
) -> types.CodeAction:
    """An action that is a command of the server."""
    return types.CodeAction(title, kind, about, command=types.Command(title, command, arguments=[argument]))


def _lazy(
    offer: Offer,
    title: str,
    kind: str,
    data: Json,
    about: list[types.Diagnostic] | None = None,
    preferred: bool | None = None,
) -> Iterator[types.CodeAction]:
    """An action whose edit is made later: see `resolving`."""
    yield types.CodeAction(title, kind, about, preferred or None, data={**ticket(offer.buffer, None), **data})


def _finding(finding: Finding) -> Json:
    return {"rule": finding.rule, "start": finding.site.span.start, "end": finding.site.span.end}


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]
