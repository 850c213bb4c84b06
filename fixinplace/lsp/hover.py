"""What is told about a finding under the cursor, and the lens above what was proved."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from fixinplace import names
from fixinplace.lsp import proofs, telling
from fixinplace.lsp.client import Client
from fixinplace.lsp.diagnostics import Shown, shown
from fixinplace.lsp.page import Page
from fixinplace.lsp.proofs import Seal
from fixinplace.model import Fix, Ruling, Span
from fixinplace.report import rules, text

EVIDENCE = "fixinplace.evidence"


def hover(page: Page, place: types.Position, client: Client) -> types.Hover | None:
    """The findings at a position, or what is proved of its line, or nothing."""
    offset = page.buffer.offset(place)
    here = [one for one in shown(page) if one.span.start <= offset <= one.span.end]
    if here:
        said = [line for one in here for line in _lines(one, client.markdown)]
        return _hover(said, page.buffer.range_of(here[0].span), client)
    line = page.buffer.part.position(offset)[0]
    seals = [seal for seal in proofs.seals(page.buffer.part.text, page.proven) if _line(page, seal) == line]
    said = list(dict.fromkeys(text for seal in seals for text in _proof(seal.ruling)))
    return _hover(said, page.buffer.line_range(line), client) if said else None


def _hover(said: list[str], where: types.Range, client: Client) -> types.Hover:
    kind = types.MarkupKind.Markdown if client.markdown else types.MarkupKind.PlainText
    return types.Hover(types.MarkupContent(kind, "\n\n".join(said)), where)


def _line(page: Page, seal: Seal) -> int:
    return page.buffer.part.position(seal.offset)[0]


def _proof(ruling: Ruling) -> Iterator[str]:
    """What a line that was fixed rests on."""
    yield telling.ruling_line(ruling)
    yield from dict.fromkeys(note for evidence in ruling.evidence for note in evidence.notes)


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
        command = types.Command(title, EVIDENCE, arguments=[telling.ruling_line(seal.ruling)])
        found.append(types.CodeLens(page.buffer.range_of(Span(seal.offset, seal.offset)), command))
    return found
