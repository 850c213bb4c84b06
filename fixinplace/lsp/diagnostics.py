"""Findings as diagnostics."""

from __future__ import annotations

from dataclasses import dataclass

from lsprotocol import types

from fixinplace import names
from fixinplace.lsp import proofs
from fixinplace.lsp.buffers import Buffer
from fixinplace.lsp.culprits import Culprit, Spot
from fixinplace.lsp.moved import Moved
from fixinplace.lsp.page import Page
from fixinplace.lsp.pages import Pages
from fixinplace.model import Finding, Fix, Problem, Refused, Span, Verdict
from fixinplace.pipeline import counts
from fixinplace.report import text

SOURCE = "fixinplace"


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding with the span that it has in the text of now, and whether that is the text it was found in."""

    finding: Finding
    span: Span
    stale: bool = False


def shown(page: Page) -> list[Shown]:
    """What is said about a document: what its text of now has, or what is left of the last text that was Python."""
    look = page.fresh
    if look is None or page.gone:
        return []
    if look.parsed:
        analysis = proofs.ruled(look.analysis, look.source.part.text, page.proven)
        return [Shown(finding, finding.site.span) for finding in analysis.findings if counts(finding)]
    if page.good is None:
        return []
    moved = Moved(page.good.source.part.text, look.source.part.text)
    found = []
    for finding in page.good.analysis.findings:
        span = moved.span(finding.site.span) if counts(finding) else None
        if span is not None:
            found.append(Shown(finding, span, stale=True))
    return found


def diagnostics(page: Page, pages: Pages) -> list[types.Diagnostic]:
    """All diagnostics of a document."""
    look = page.fresh
    if look is None or page.gone:
        return []
    told = _traced(page)
    found = [diagnostic(page.buffer, one, pages, told) for one in shown(page)]
    if look.parsed:
        found += [hint(page.buffer, problem) for problem in look.analysis.problems if problem.rule == "FIP903"]
        found += [_culprit(page.buffer, culprit, pages) for culprit in told]
    return found


def diagnostic(buffer: Buffer, one: Shown, pages: Pages, told: list[Culprit] | None = None) -> types.Diagnostic:
    """One finding; what a run told about its lines becomes its own, and is taken out of `told`."""
    finding = one.finding
    rule = names.rule(finding.rule)
    where = buffer.range_of(one.span)
    related = [] if one.stale else [_related(buffer.uri, buffer.range_of(r.span), r.message) for r in finding.related]
    for culprit in [c for c in told or () if c.spot.line in buffer.lines(where)]:
        related += [spot_related(buffer, spot) for spot in culprit.related]
        if told is not None:
            told.remove(culprit)
    return types.Diagnostic(
        where,
        "\n".join([finding.message, *text.outcome(finding, _all(finding))]),
        _severity(finding),
        finding.rule,
        types.CodeDescription(pages.uri(rule)) if rule is not None else None,
        SOURCE,
        related_information=related or None,
        data={"rule": finding.rule, "version": buffer.version, "digest": buffer.digest, "stale": one.stale},
    )


def _all(finding: Finding) -> frozenset[int]:
    """Every group as written: what to do about a fix is said by the actions, not by the options of a command."""
    return frozenset((finding.outcome.group,)) if isinstance(finding.outcome, Fix) else frozenset()


def _severity(finding: Finding) -> types.DiagnosticSeverity:
    outcome = finding.outcome
    if isinstance(outcome, Refused) or (outcome.ruling is not None and outcome.ruling.verdict is Verdict.REFUTED):
        return types.DiagnosticSeverity.Information
    return types.DiagnosticSeverity.Warning


def hint(buffer: Buffer, problem: Problem) -> types.Diagnostic:
    """An ignore comment that suppresses nothing, from its mark to the end of its line."""
    start = buffer.part.starts[problem.line - 1]
    end = start + len(buffer.row(problem.line).rstrip())
    return types.Diagnostic(
        buffer.range_of(Span(min(start + problem.column - 1, end), end)),
        problem.message,
        types.DiagnosticSeverity.Hint,
        problem.rule,
        source=SOURCE,
        tags=[types.DiagnosticTag.Unnecessary],
    )


# --- what a run told


def _traced(page: Page) -> list[Culprit]:
    trace = page.trace
    return list(trace.culprits) if trace is not None and trace.text == page.buffer.part.text else []


def _culprit(buffer: Buffer, culprit: Culprit, pages: Pages) -> types.Diagnostic:
    rule = names.rule(culprit.rule)
    return types.Diagnostic(
        _spot_range(buffer, culprit.spot),
        culprit.message,
        types.DiagnosticSeverity.Error,
        culprit.rule,
        types.CodeDescription(pages.uri(rule)) if rule is not None else None,
        SOURCE,
        related_information=[spot_related(buffer, spot) for spot in culprit.related] or None,
    )


def spot_related(buffer: Buffer, spot: Spot) -> types.DiagnosticRelatedInformation:
    """A place as related information; in another file only its line is certain in the editor's units."""
    if spot.path == buffer.path:
        return _related(buffer.uri, _spot_range(buffer, spot), spot.message)
    here = types.Position(spot.line - 1, 0)
    return _related(spot.path.as_uri(), types.Range(here, here), spot.message)


def _spot_range(buffer: Buffer, spot: Spot) -> types.Range:
    starts = buffer.part.starts
    if not (spot.line <= len(starts) and spot.end_line <= len(starts)):
        return buffer.line_range(len(starts))
    start, end = starts[spot.line - 1] + spot.column - 1, starts[spot.end_line - 1] + spot.end_column - 1
    return buffer.range_of(Span(start, max(start, end)))


def _related(uri: str, where: types.Range, message: str) -> types.DiagnosticRelatedInformation:
    return types.DiagnosticRelatedInformation(types.Location(uri, where), message)
