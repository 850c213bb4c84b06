"""What is told about a finding under the cursor, and the lens above what was proved."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from fixinplace import names
from fixinplace.lsp import proofs
from fixinplace.lsp.client import Client
from fixinplace.lsp.diagnostics import Shown, shown
from fixinplace.lsp.page import Page
from fixinplace.model import Fix, Ruling, Span, Verdict
from fixinplace.report import rules, text

EVIDENCE = "fixinplace.evidence"


def hover(page: Page, place: types.Position, client: Client) -> types.Hover | None:
    """The findings at a position, or nothing."""
    offset = page.buffer.offset(place)
    here = [one for one in shown(page) if one.span.start <= offset <= one.span.end]
    if not here:
        return None
    said = "\n\n".join(line for one in here for line in _lines(one, client.markdown))
    kind = types.MarkupKind.Markdown if client.markdown else types.MarkupKind.PlainText
    return types.Hover(types.MarkupContent(kind, said), page.buffer.range_of(here[0].span))


def _lines(one: Shown, markdown: bool) -> Iterator[str]:
    finding = one.finding
    rule = names.rule(finding.rule)
    assert rule is not None
    bold = "**" if markdown else ""
    yield f"{bold}{rule.name}{bold} ({rule.code}): {rule.summary}"
    yield finding.message
    fix = finding.outcome
    groups = frozenset((fix.group,)) if isinstance(fix, Fix) else frozenset[int]()
    yield from text.outcome(finding, groups)
    if isinstance(fix, Fix) and fix.ruling is not None:
        yield from dict.fromkeys(note for evidence in fix.ruling.evidence for note in evidence.notes)
    if finding.cost:
        yield f"cost of the rewrite: {finding.cost}"
    yield rules.PAGES[rule.code].why


def lenses(page: Page) -> list[types.CodeLens]:
    """`proved · 12 checks` over every statement that a proof has covered, while the text is the one that ran."""
    found = []
    for seal in proofs.seals(page.buffer.part.text, page.proven):
        checks = sum(len(evidence.checks) for evidence in seal.ruling.evidence)
        title = f"proved · {checks} check{'s' * (checks != 1)}"
        command = types.Command(title, EVIDENCE, arguments=[evidence(seal.ruling)])
        found.append(types.CodeLens(page.buffer.range_of(Span(seal.offset, seal.offset)), command))
    return found


def evidence(ruling: Ruling) -> str:
    """A verdict with what it rests on, in one line."""
    if ruling.verdict is Verdict.SAFE and not ruling.reason:
        return "safe: exact by construction; there was nothing to run (no-probe)"
    reason = f" {ruling.reason}: {ruling.sentence}" if ruling.reason else ""
    ran = f": {text.evidence_line(ruling.evidence)}" if ruling.evidence and not reason else ""
    return f"{ruling.verdict.value}{reason}{ran}"
