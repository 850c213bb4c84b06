"""The report for a person: one entry per finding, or one line (`concise`), and a summary."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from fixinplace import names
from fixinplace.model import Evidence, Finding, Fix, Problem, Refused, Ruling, Verdict
from fixinplace.pipeline import Result, counts
from fixinplace.report import glossary
from fixinplace.report.branches import branches
from fixinplace.report.summary import Summary, standing

_WIDTH = 160


def full(results: Sequence[Result]) -> Iterator[str]:
    """Lines of the text format: by file and line, two or more per finding."""
    for result in results:
        said: set[str] = set()
        for place, one in _entries(result):
            yield f"{place}  {_rule(one.rule)}  {one.message}"
            if isinstance(one, Finding):
                yield from (f"  {line}" for line in outcome(one, result.written))
                yield from (f"  {line}" for line in (*_unreached(result, one), *_reached(result, one)))
                notes = [note for note in _notes(one) if note not in said]
                yield from (f"  {shortened(note)}" for note in notes)
                said.update(notes)


def concise(results: Sequence[Result]) -> Iterator[str]:
    """Lines of the concise format: one per finding, as linters print them."""
    for result in results:
        for place, one in _entries(result):
            status = f"[{_status(one)}] " if isinstance(one, Finding) else ""
            yield f"{place}: {one.rule} {status}{one.message}"


def _entries(result: Result) -> list[tuple[str, Finding | Problem]]:
    """What is printed about one file, with its place, in the order of the text."""
    entries: list[tuple[int, int, Finding | Problem]] = [(p.line, p.column, p) for p in result.analysis.problems]
    for finding in result.analysis.findings:
        if counts(finding):
            assert result.source is not None
            entries.append((*result.source.part.position(finding.site.span.start), finding))
    entries.sort(key=lambda entry: entry[:2])
    return [(f"{result.analysis.path}:{line}:{column}", one) for line, column, one in entries]


def _rule(code: str) -> str:
    rule = names.rule(code)
    return f"{code} {rule.name}" if rule is not None else code


def _status(finding: Finding) -> str:
    outcome = finding.outcome
    if isinstance(outcome, Refused):
        return f"refused: {outcome.refusal}"
    verdict = outcome.ruling.verdict.value if outcome.ruling is not None else "fixable"
    word = standing(outcome)
    return word if word == verdict else f"{verdict}: {word}"


# --- one outcome


def outcome(finding: Finding, written: frozenset[int]) -> Iterator[str]:
    """What became of a finding; for a fix that is not `written`, also what to do about it."""
    outcome = finding.outcome
    if isinstance(outcome, Refused):
        yield f"refused {outcome.refusal}: {outcome.sentence}"
    elif outcome.ruling is None:
        yield from _unjudged(outcome)
    else:
        yield from _ruling(outcome, outcome.ruling, outcome.group in written)


def _notes(finding: Finding) -> Iterator[str]:
    """What the runs showed besides; said once per file, since all fixes of a file are run together."""
    if isinstance(finding.outcome, Fix) and finding.outcome.ruling is not None:
        yield from dict.fromkeys(note for evidence in finding.outcome.ruling.evidence for note in evidence.notes)


def _reached(result: Result, finding: Finding) -> Iterator[str]:
    """By which made inputs a line was come by, and the branch that it stands on."""
    ruling = finding.outcome.ruling if isinstance(finding.outcome, Fix) else None
    made = [] if ruling is None else [each.probe for each in ruling.evidence if each.probe.startswith(_MADE)]
    if ruling is not None and ruling.verdict is Verdict.PROVED and made and result.source is not None:
        around = " and ".join(f"`{text}`" for _, text in branches(result.source.part, finding.site.span))
        yield shortened(f"reached by {', '.join(dict.fromkeys(made))}{f', under {around}' if around else ''}")


_MADE = "made inputs for "


def _unreached(result: Result, finding: Finding) -> Iterator[str]:
    """The branch on which a line stands that no run came by."""
    ruling = finding.outcome.ruling if isinstance(finding.outcome, Fix) else None
    if ruling is not None and ruling.reason == "not-reached" and result.source is not None:
        around = branches(result.source.part, finding.site.span)
        if around:
            yield shortened(f"it stands under {' and '.join(f'`{text}` (line {line})' for line, text in around)}")


def _unjudged(fix: Fix) -> Iterator[str]:
    """What `check` says of a fix: nothing was run, so only what follows from the text."""
    if fix.parameter is not None:
        yield f"fix: {fix.title} (hidden-caller: a caller may see that `{fix.parameter}` is written)"
    elif fix.safe:
        yield f"fix: {fix.title} (safe{_assuming(fix)})"
    else:
        yield f"fix: {fix.title} (to be proved by running)"
    yield from (f"doubt: {doubt}" for doubt in fix.doubts)


def _ruling(fix: Fix, ruling: Ruling, written: bool) -> Iterator[str]:
    match ruling.verdict:
        case Verdict.PROVED:
            yield f"proved: {evidence_line(ruling.evidence)}{_of_made_inputs(fix, ruling)}"
        case Verdict.SAFE:
            yield f"safe: exact by construction{_assuming(fix)}{'' if ruling.reason else '; not run'}"
            if ruling.reason is not None:
                yield shortened(f"not proved, {ruling.reason}: {ruling.sentence}")
        case Verdict.UNPROVED | Verdict.REFUTED:
            yield shortened(f"{ruling.verdict} {ruling.reason}: {ruling.sentence}")
            if ruling.reason == "hidden-caller" and any(e.values or e.gradients for e in ruling.evidence):
                yield f"otherwise: {evidence_line(ruling.evidence)}"
    if not written:
        yield _to_do(ruling)


def _to_do(ruling: Ruling) -> str:
    if ruling.verdict is Verdict.PROVED:
        return "not written: the file could not be replaced"
    if ruling.verdict is not Verdict.SAFE and ruling.reason in glossary.TO_DO:
        return f"not written: {glossary.TO_DO[ruling.reason]}"
    if ruling.verdict is Verdict.REFUTED:
        return "not written: the rewritten code does something else"
    return "not written: --verify require writes only what is proved"


def _of_made_inputs(fix: Fix, ruling: Ruling) -> str:
    """What made inputs alone leave open: they are of one dtype, outside of autocast."""
    made = all(each.probe.startswith(_MADE) for each in ruling.evidence)
    return _assuming(fix) if made else ""


def _assuming(fix: Fix) -> str:
    return f"; assumes {', '.join(fix.assumes)}" if fix.assumes else ""


def evidence_line(evidence: Sequence[Evidence]) -> str:
    """What was compared, over all probes that came to the line."""
    values, gradients, runs = (sum(getattr(e, key) for e in evidence) for key in ("values", "gradients", "runs"))
    ran = sum(len(e.checks) for e in evidence)
    planned = ran + sum(len(e.checks_not_run) for e in evidence)
    largest = max((e.difference for e in evidence), default=0.0)
    isolation = ", ".join(dict.fromkeys(e.isolation for e in evidence))
    return (
        f"{_number(values, 'value')} and {_number(gradients, 'gradient')} equal to the reference "
        f"(largest difference {largest:.3g}); {ran} of {_number(planned, 'check')}; {_number(runs, 'run')}; "
        f"isolation {isolation}"
    )


def shortened(line: str) -> str:
    """One line of bounded length; a place at its end, `(train.py:31)`, stays."""
    line = " ".join(line.split())
    place = re.search(r" \([^()\s]+:\d+\)$", line)
    tail = place[0] if place is not None else ""
    head = line.removesuffix(tail)
    return line if len(line) <= _WIDTH else head[: _WIDTH - len(tail) - 1] + "…" + tail


def _number(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


# --- the summary


def check_summary(summary: Summary) -> Iterator[str]:
    """The closing lines of `check`."""
    if summary.findings:
        yield (
            f"{_number(summary.findings, 'finding')} in {_number(summary.files, 'file')}: "
            f"{summary.open.total()} can be fixed{_by(summary.open)}, {_refused(summary)}"
        )
    else:
        yield f"no findings in {_number(summary.files, 'file')}"
    yield from _rest(summary)


def fix_summary(summary: Summary, *, dry: bool) -> Iterator[str]:
    """The closing lines of `fix`."""
    proved, safe, unproved = (summary.fixed[verdict] for verdict in ("proved", "safe", "unproved"))
    verb = "would fix" if dry else "fixed"
    yield (
        f"{verb} {summary.fixed.total()} (proved {proved}, safe {safe}, unproved {unproved}) in "
        f"{summary.changed} of {_number(summary.files, 'file')} · "
        f"not written {summary.open.total()}{_by(summary.open)} · {_refused(summary)}"
    )
    yield from _rest(summary)


def _rest(summary: Summary) -> Iterator[str]:
    untouched = Counter({name: count for name, count in summary.untouched.items() if name != "finished"})
    if untouched or summary.suppressed:
        yield f"untouched {untouched.total()}{_by(untouched)} · suppressed {summary.suppressed}"
    if summary.problems:
        yield f"problems {summary.problems.total()}{_by(summary.problems)}"


def _refused(summary: Summary) -> str:
    return f"refused {summary.refused.total()}{_by(summary.refused)}"


def _by(counter: Counter[str]) -> str:
    """` (a 3, b 1)`: the most frequent first, names in order among equals; nothing for an empty counter."""
    if not counter:
        return ""
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    return f" ({', '.join(f'{name} {count}' for name, count in ordered)})"
