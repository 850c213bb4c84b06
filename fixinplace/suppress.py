"""Ignore comments: `# fixinplace: ignore[augmented-name, FIP104] reason` on a line of the finding."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field

from fixinplace import config, names
from fixinplace.model import Finding, Problem
from fixinplace.source import Text

_MARK = re.compile(r"#\s*fixinplace:\s*(?P<rest>.*)", re.IGNORECASE)
_IGNORE = re.compile(r"ignore(?:\s*\[(?P<rules>[^\]]*)\]|(?![\w\[-])(?!\s*\[))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Comment:
    """One ignore comment; `rules` is None where it names none and therefore means all."""

    line: int
    column: int
    rules: frozenset[str] | None
    complaints: tuple[str, ...] = ()


@dataclass(slots=True)
class _Use:
    """What one comment suppressed."""

    comment: Comment
    codes: set[str] = field(default_factory=set)


def comments(part: Text) -> tuple[Comment, ...]:
    """Ignore comments of a text that parses; comments are told from strings by Python's own tokenizer."""
    if "fixinplace:" not in part.text.lower():
        return ()
    return tuple(_comments(part))


def _comments(part: Text) -> Iterator[Comment]:
    lines = io.StringIO(part.text, newline=None)
    for token in tokenize.generate_tokens(lines.readline):
        mark = _MARK.search(token.string) if token.type == tokenize.COMMENT else None
        if mark is not None:
            line, column = token.start
            yield _comment(line, column + mark.start() + 1, mark["rest"])


def _comment(line: int, column: int, rest: str) -> Comment:
    match = _IGNORE.match(rest)
    if match is None:
        complaint = f"`fixinplace: {rest.strip()}` is not understood; write `fixinplace: ignore[rule-name] reason`"
        return Comment(line, column, frozenset(), (complaint,))
    if match["rules"] is None:
        return Comment(line, column, None)
    words = [word.strip() for word in match["rules"].split(",") if word.strip()]
    rules = {word: names.rule(word) for word in words}
    complaints = [config.unknown_rule(word) for word, rule in rules.items() if rule is None]
    if not words:
        complaints.append("the ignore comment names no rule between its brackets")
    return Comment(line, column, frozenset(rule.code for rule in rules.values() if rule), tuple(complaints))


def split(
    path: str, part: Text, findings: tuple[Finding, ...], enabled: frozenset[str]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...], tuple[Problem, ...]]:
    """Findings that stay, those that a comment suppresses, and FIP903 for comments that suppress nothing.

    `enabled` are the codes that were looked for: a comment for another rule cannot be called unused.
    """
    uses = [_Use(comment) for comment in comments(part)]
    kept: list[Finding] = []
    suppressed: list[Finding] = []
    for finding in findings:
        matching = [use for use in uses if covers(use.comment, finding, part)]
        for use in matching:
            use.codes.add(finding.rule)
        (suppressed if matching else kept).append(finding)
    problems = [problem for use in uses for problem in _complaints(path, use, enabled)]
    return tuple(kept), tuple(suppressed), tuple(problems)


def covers(comment: Comment, finding: Finding, part: Text) -> bool:
    """True if a comment stands on a line of a finding, and means its rule."""
    if comment.rules is not None and finding.rule not in comment.rules:
        return False
    span = finding.site.span
    first, last = part.position(span.start)[0], part.position(span.end)[0]
    return first <= comment.line <= last


def _complaints(path: str, use: _Use, enabled: frozenset[str]) -> Iterator[Problem]:
    comment = use.comment
    if "FIP903" not in enabled:
        return
    for complaint in comment.complaints:
        yield Problem("FIP903", path, complaint, comment.line, comment.column)
    if comment.rules is None and not use.codes:
        yield Problem("FIP903", path, "the ignore comment suppresses nothing here", comment.line, comment.column)
    for code in sorted((comment.rules or frozenset()) & enabled - use.codes):
        rule = names.rule(code)
        assert rule is not None
        message = f"the ignore comment suppresses no {rule.name} ({code}) here"
        yield Problem("FIP903", path, message, comment.line, comment.column)
