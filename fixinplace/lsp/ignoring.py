"""Edits of ignore comments, in the very form that `suppress` reads: one with a reason comes, an unused one goes."""

from __future__ import annotations

import io
import re
import tokenize

from fixinplace import names, suppress
from fixinplace.model import Analysis, Edit, Finding, Span
from fixinplace.source import Text, apply

REASON = "written in place on purpose"
_IGNORE = re.compile(r"#\s*fixinplace:\s*ignore(?:\s*\[(?P<rules>[^\]]*)\])?(?![\w\[-])", re.IGNORECASE)
_NEXT = re.compile(r"(?<=\s)#\s*[A-Za-z]")
_BRACKETS = re.compile(r"#\s*fixinplace:\s*ignore\s*\[(?P<rules>[^\]]*)\]", re.IGNORECASE)


def edit(part: Text, finding: Finding) -> Edit | None:
    """The edit, or None where no comment can stand (inside a string, behind a backslash, beside one that is wrong)."""
    rule = names.rule(finding.rule)
    assert rule is not None
    first, last = (part.position(at)[0] for at in (finding.site.span.start, finding.site.span.end))
    for line in range(first, last + 1):
        made = _on_line(part, line, rule.name)
        if made is not None and _holds(part, made, finding):
            return made
    return None


def _on_line(part: Text, line: int, rule: str) -> Edit | None:
    start = part.starts[line - 1]
    stop = part.starts[line] if line < len(part.starts) else len(part.text)
    row = part.text[start:stop].rstrip("\r\n")
    bracket = _BRACKETS.search(row)
    if bracket is not None:
        listed = [word.strip() for word in bracket["rules"].split(",") if word.strip()]
        place = Span(start + bracket.start("rules"), start + bracket.end("rules"))
        return Edit(place, ", ".join([*listed, rule]))
    end = start + len(row.rstrip())
    return Edit(Span(end, start + len(row)), f"  # fixinplace: ignore[{rule}] {REASON}")


def _holds(part: Text, made: Edit, finding: Finding) -> bool:
    """True if the text with the comment has the same code, and the comment covers the finding's rule on its lines."""
    new = Text(apply(part.text, [made]))
    try:
        if _code(part) != _code(new):
            return False
        comments = suppress.comments(new)
    except (SyntaxError, tokenize.TokenError):
        return False
    line = part.position(made.span.start)[0]
    return any(
        one.line == line and one.rules is not None and finding.rule in one.rules and not one.complaints
        for one in comments
    )


# --- what suppresses nothing


def removal(part: Text, analysis: Analysis, enabled: frozenset[str], place: tuple[int, int]) -> Edit | None:
    """The edit that takes away the ignore comment at a 1-based line and column, or those rules of it that are unused.

    None where it is used, or is no ignore comment at all. What follows as a comment of its own (`# noqa`) stays.
    """
    comment = next((one for one in suppress.comments(part) if (one.line, one.column) == place), None)
    if comment is None:
        return None
    start = part.starts[comment.line - 1]
    stop = part.starts[comment.line] if comment.line < len(part.starts) else len(part.text)
    row = part.text[start:stop].rstrip("\r\n")
    found = _IGNORE.match(row, comment.column - 1)
    if found is None:
        return None
    used = {finding.rule for finding in analysis.suppressed if suppress.covers(comment, finding, part)}
    listed = [word.strip() for word in (found["rules"] or "").split(",") if word.strip()]
    left = [word for word in listed if (rule := names.rule(word)) and (rule.code in used or rule.code not in enabled)]
    if left == listed and (left or used):
        return None
    if left:
        made = Edit(Span(start + found.start("rules"), start + found.end("rules")), ", ".join(left))
    else:
        made = _without(row, start, stop, found)
    return made if _code(part) == _code(Text(apply(part.text, [made]))) else None


def _without(row: str, start: int, stop: int, found: re.Match[str]) -> Edit:
    """The line without the comment; a line that holds nothing else goes."""
    after = _NEXT.search(row, found.end())
    if after is not None:
        return Edit(Span(start + found.start(), start + after.start()), "")
    kept = len(row[: found.start()].rstrip())
    return Edit(Span(start, stop), "") if kept == 0 else Edit(Span(start + kept, start + len(row)), "")


def _code(part: Text) -> list[tuple[int, str]]:
    tokens = tokenize.generate_tokens(io.StringIO(part.text, newline=None).readline)
    return [(token.type, token.string) for token in tokens if token.type not in (tokenize.COMMENT, tokenize.NL)]
