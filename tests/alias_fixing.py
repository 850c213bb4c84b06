"""Fixes a program as `fix --verify off` does, and says in what the result differs from it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from alias_oracle import OVERLAP, Outcome, difference, run

from fixinplace import pipeline, source
from fixinplace.config import selected
from fixinplace.model import Finding, Fix
from fixinplace.pipeline import Mode, Policy, Result

ENABLED = selected((), ())


@dataclass(frozen=True)
class Judged:
    """What came of one program.

    written: the findings whose fixes were made.  ran: the program raises for neither value of its flag.
    wrong: in what the fixed program differs, None if in nothing.
    """

    text: str
    fixed: str
    written: tuple[Finding, ...]
    refused: tuple[Finding, ...]
    ran: bool
    wrong: str | None


def fix(text: str) -> Result:
    """What the command makes of a text; fails if it finds a problem of its own."""
    result = pipeline.fix(source.parse("program.py", text.encode()), ENABLED, Policy(Mode.OFF), None)
    assert not result.analysis.problems, f"{result.analysis.problems}\n{text}"
    return result


def fix_all(text: str) -> str:
    """The text with every fix that no caller can see, whatever doubts there are, made in rounds."""
    for _ in range(6):
        findings = pipeline.analyse(source.parse("program.py", text.encode()), ENABLED).findings
        made = [one for one in pipeline.fixes(findings).values() if one.parameter is None]
        if not made:
            break
        text = source.apply(text, [edit for one in made for edit in one.edits])
    return text


def wrong_if_all(text: str) -> str | None:
    """In what a program differs once all its fixes were made, doubtful ones too."""
    fixed = fix_all(text)
    return _wrong(text, fixed, {flag: run(text, flag, reference=True) for flag in (0, 1)}) if fixed != text else None


def judge(text: str) -> Judged:
    """Fix a program and compare."""
    result = fix(text)
    fixes = [f for f in result.analysis.findings if isinstance(f.outcome, Fix)]
    written = tuple(f for f in fixes if f.outcome.group in result.written)
    refused = tuple(f for f in result.analysis.findings if not isinstance(f.outcome, Fix))
    expected = {flag: run(text, flag, reference=True) for flag in (0, 1)}
    ran = any(isinstance(one, Outcome) for one in expected.values())
    wrong = _wrong(text, result.text, expected) if result.changed else None
    return Judged(text, result.text, written, refused, ran, wrong)


def stays(text: str) -> bool:
    """True if nothing is rewritten but that a tensor is cloned, on a line of its own, before it is shared.

    That is right for whatever shares it; fails if it is not.
    """
    judged = judge(text)
    assert judged.wrong is None, judged.wrong
    assert {one.outcome.rewrite for one in judged.written if isinstance(one.outcome, Fix)} <= {"clone-earlier"}
    kept = [line for line in judged.fixed.splitlines() if _CLONE.fullmatch(line) is None]
    return kept == [line for line in text.splitlines() if _CLONE.fullmatch(line) is None]


_CLONE = re.compile(r" *(\w+) = \1\.clone\(\)")


def _wrong(text: str, fixed: str, expected: dict[int, Outcome | str]) -> str | None:
    for flag, outcome in expected.items():
        if isinstance(outcome, str):
            continue
        for reference in (True, False):
            plain = outcome if reference else run(text, flag, reference=False)
            if isinstance(plain, str) or difference(outcome, plain) is not None:
                continue  # torch raises, or is silently wrong: the fixed text is compared with the reference only
            found = run(fixed, flag, reference)
            how = found if isinstance(found, str) else difference(outcome, found)
            if how is not None and how != OVERLAP:
                return f"flag {flag}, {'saved tensors kept' if reference else 'as it is'}: {how}"
    return None
