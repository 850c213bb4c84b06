"""The edit that adds an ignore comment with a reason, in the very form that `suppress` reads."""

from __future__ import annotations

import io
import re
import tokenize

from fixinplace import names, suppress
from fixinplace.model import Edit, Finding, Span
from fixinplace.source import Text, apply

REASON = "written in place on purpose"
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


def _code(part: Text) -> list[tuple[int, str]]:
    tokens = tokenize.generate_tokens(io.StringIO(part.text, newline=None).readline)
    return [(token.type, token.string) for token in tokens if token.type not in (tokenize.COMMENT, tokenize.NL)]
