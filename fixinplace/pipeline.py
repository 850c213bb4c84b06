"""From a source to findings, verdicts and the text that is written; pure, and told by the caller how to run code."""

from __future__ import annotations

import ast
import enum
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from fixinplace import detect, names, rewrite, rounds, suppress
from fixinplace.model import Analysis, Edit, Finding, Fix, Problem, Refused, Ruling, Span, Verdict
from fixinplace.rewrite.reads import parse_file
from fixinplace.source import Source, Text, apply


class Mode(enum.StrEnum):
    """`--verify`: run what can be run, insist on it, or run nothing."""

    AUTO = "auto"
    REQUIRE = "require"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be written: see Mode; `unsafe` adds what is unproved.  Never what is refuted."""

    mode: Mode = Mode.AUTO
    unsafe: bool = False

    @property
    def runs(self) -> bool:
        """True if code may be run to prove a fix."""
        return self.mode is not Mode.OFF

    def writes(self, ruling: Ruling) -> bool:
        """True if a fix with this ruling is written."""
        match ruling.verdict:
            case Verdict.PROVED:
                return True
            case Verdict.SAFE:
                return self.mode is not Mode.REQUIRE
            case Verdict.UNPROVED:
                return self.unsafe
            case Verdict.REFUTED:
                return False


class Proof(Protocol):
    """What came of running fixes: a ruling for every group, and the groups in the text that was run last."""

    @property
    def rulings(self) -> Mapping[int, Ruling]:
        """Group → ruling."""

    @property
    def written(self) -> frozenset[int]:
        """Groups that are proved, or safe and part of the text that was proved."""


Prover = Callable[[Source, Sequence[Fix]], Proof]
"""Runs the original and the rewritten code; raises nothing for what the code does."""

Narrowing = Callable[[Analysis], Analysis]
"""Makes a refusal of every finding that is not to be offered."""


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that a report reads about one file; `source` is None where it could not be read."""

    analysis: Analysis
    source: Source | None = None
    text: str = ""
    written: frozenset[int] = frozenset()

    @property
    def changed(self) -> bool:
        """True if the text to write differs from the text that was read."""
        return self.source is not None and self.text != self.source.part.text

    @property
    def data(self) -> bytes:
        """Bytes of the text to write."""
        return self.source.encode(self.text) if self.source is not None else b""


# --- analysis


def analyse(source: Source, enabled: frozenset[str], run: bool = True) -> Analysis:
    """All findings of a source under the rules that are on; pure, and never raises for what the source holds.

    run: whether its fixes may be proved by a run.
    """
    try:
        tree = parse_file(source.part.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Analysis(source.path, problems=(_syntax_error(source, error),))
    try:
        return _analyse(source, tree, enabled, run)
    except Exception as error:  # a bug of ours: named with how to reproduce it, and the other files go on
        return Analysis(source.path, problems=(internal_error(source, error),))


def _compile(text: str) -> None:
    """Raise SyntaxError for what only the compiler sees, such as a name that is bound before its `global`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(text, "<rewritten>", "exec", dont_inherit=True)


def compiles(text: str) -> bool:
    """True if Python's compiler takes the text."""
    try:
        _compile(text)
    except SyntaxError:
        return False
    return True


def _analyse(source: Source, tree: ast.Module, enabled: frozenset[str], run: bool) -> Analysis:
    planned = rewrite.plan(source.part, detect.scan(source.part, tree, source.imported), run)
    wanted = tuple(finding for finding in planned if finding.rule in enabled)
    ours = tuple(finding for finding in wanted if counts(finding))
    kept, suppressed, problems = suppress.split(source.path, source.part, ours, enabled)
    kept_ids = {id(finding) for finding in kept}
    lost = groups(finding for finding in planned if id(finding) not in kept_ids)
    kept = _disjoint(tuple(_without_partner(finding, lost) for finding in kept))
    untouched = tuple(finding for finding in wanted if not counts(finding))
    return Analysis(source.path, rounds.ordered((*kept, *untouched)), suppressed, problems)


def counts(finding: Finding) -> bool:
    """True if a finding is the user's business: not one of the refusals of the kind `not ours`."""
    return not isinstance(finding.outcome, Refused) or names.counts(finding.outcome.refusal)


def groups(findings: Iterable[Finding]) -> frozenset[int]:
    """Groups of the fixes among some findings."""
    return frozenset(finding.outcome.group for finding in findings if isinstance(finding.outcome, Fix))


def _without_partner(finding: Finding, lost: frozenset[int]) -> Finding:
    """A fix whose group holds a site that was ignored or not selected becomes a refusal: the group is the atom."""
    if not isinstance(finding.outcome, Fix) or finding.outcome.group not in lost:
        return finding
    sentence = "it would have to change together with a write that is ignored here or not selected"
    return replace(finding, outcome=Refused("partner-ignored", sentence))


def _disjoint(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Fixes that would edit the same text cannot be made together: the first stays, the others become refusals."""
    taken: list[Span] = []
    clashing: set[int] = set()
    for group, fix in fixes(findings).items():
        spans = [edit.span for edit in fix.edits]
        if any(span.overlaps(other) for span in spans for other in taken):
            clashing.add(group)
        else:
            taken += spans
    refusal = Refused("no-safe-place", "its text overlaps that of another fix")
    return tuple(
        replace(finding, outcome=refusal)
        if isinstance(finding.outcome, Fix) and finding.outcome.group in clashing
        else finding
        for finding in findings
    )


def _syntax_error(source: Source, error: Exception) -> Problem:
    if not isinstance(error, SyntaxError):
        reason = "is nested too deeply for Python's parser" if not isinstance(error, ValueError) else str(error)
        return Problem("FIP901", source.path, f"the file {reason}")
    line = max(error.lineno or 1, 1)
    return Problem("FIP901", source.path, f"{error.msg}", line, max(error.offset or 1, 1))


def internal_error(source: Source, error: Exception, command: str = "check --select ALL") -> Problem:
    """The problem FIP904: what failed, where in our code, and the command that shows it again."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rpartition('fixinplace/')[2]}:{frames[-1].lineno}" if frames else "?"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    again = f"fixinplace {command} {source.path}"
    return Problem("FIP904", source.path, f"{what} (in {where}); reproduce with `{again}`, and please report it")


# --- verdicts


def fixes(findings: Iterable[Finding]) -> dict[int, Fix]:
    """Group → fix: a group that several findings share is one fix."""
    return {finding.outcome.group: finding.outcome for finding in findings if isinstance(finding.outcome, Fix)}


def unrun(fix: Fix, reason: str) -> Ruling:
    """The ruling for a fix that was not run, for a reason of `names.UNPROVED`."""
    if fix.parameter is not None:
        sentence = f"`{fix.parameter}` is an argument, and not every caller that may look at it can be seen"
        return Ruling(Verdict.UNPROVED, "hidden-caller", sentence)
    if fix.safe:
        return Ruling(Verdict.SAFE)
    sentence = {
        "verify-off": "nothing was run: --verify off",
        "no-probe": "nothing to run: name a script that uses it with --probe, or give the file a `__main__` guard",
    }[reason]
    return Ruling(Verdict.UNPROVED, reason, sentence)


def prove(source: Source, analysis: Analysis, policy: Policy, prover: Prover | None) -> Analysis:
    """The analysis with a ruling in every fix; `prover` is None where there is nothing to run."""
    wanted = fixes(analysis.findings)
    if prover is None or not policy.runs:
        reason = "no-probe" if policy.runs else "verify-off"
        rulings = {group: unrun(fix, reason) for group, fix in wanted.items()}
    else:
        rulings = _run(source, wanted, policy, prover)
    return replace(analysis, findings=tuple(_ruled(finding, rulings) for finding in analysis.findings))


def _run(source: Source, wanted: dict[int, Fix], policy: Policy, prover: Prover) -> dict[int, Ruling]:
    """Rulings of the prover; where the policy writes less than was run together, what it writes is run again."""
    rulings: dict[int, Ruling] = {}
    trying = wanted
    while trying:
        proof = prover(source, tuple(trying.values()))
        rulings |= {group: proof.rulings[group] for group in trying}
        kept = {group: fix for group, fix in trying.items() if policy.writes(rulings[group])}
        if proof.written <= kept.keys() or kept == trying:
            break
        trying = kept
    return rulings


def _ruled(finding: Finding, rulings: Mapping[int, Ruling]) -> Finding:
    if not isinstance(finding.outcome, Fix):
        return finding
    return replace(finding, outcome=replace(finding.outcome, ruling=rulings[finding.outcome.group]))


# --- what is written


def choose_written(source: Source, analysis: Analysis, policy: Policy) -> Result:
    """The result with the text that the policy lets us write."""
    chosen = {
        group: fix
        for group, fix in fixes(analysis.findings).items()
        if fix.ruling is not None and policy.writes(fix.ruling)
    }
    edits: list[Edit] = [edit for fix in chosen.values() for edit in fix.edits]
    text = apply(source.part.text, edits)
    return Result(analysis, source, text, frozenset(chosen))


def whole(analysis: Analysis) -> Analysis:
    """The analysis as it is: every finding is offered."""
    return analysis


def fix(
    source: Source, enabled: frozenset[str], policy: Policy, prover: Prover | None, narrowed: Narrowing = whole
) -> Result:
    """Analyse, prove, choose: what `fix` does with one file, short of writing it.  See Note [Rounds] in `rounds.py`.

    narrowed: turns into refusals what is not to be offered.
    """
    analysis = narrowed(analyse(source, enabled, policy.runs))
    try:
        result = _settled(source, analysis, policy, prover)
        for _ in range(_ROUNDS):
            more = _revealed(result, enabled, policy.runs) if result.changed else ()
            if not more:
                break
            wider = narrowed(rounds.merged(analysis, more))
            grown = _settled(source, wider, policy, prover)
            if not result.written < grown.written:
                break  # what was revealed is not written, or costs what it rests on
            analysis, result = wider, grown
        return result
    except Exception as error:  # as in `analyse`: the file stays as it is, and the report says why
        failed = replace(analysis, problems=(*analysis.problems, internal_error(source, error, "fix --diff")))
        return Result(failed, source, source.part.text)


_ROUNDS = 8


def _settled(source: Source, analysis: Analysis, policy: Policy, prover: Prover | None) -> Result:
    result = choose_written(source, prove(source, analysis, policy, prover), policy)
    if result.changed and compiles(source.part.text):
        _compile(result.text)
    return result


def _revealed(result: Result, enabled: frozenset[str], run: bool) -> tuple[Finding, ...]:
    assert result.source is not None
    fixed = replace(result.source, data=result.data, part=Text(result.text))
    made = [fix for group, fix in fixes(result.analysis.findings).items() if group in result.written]
    edits = [edit for fix in made for edit in fix.edits]
    return rounds.revealed(result.analysis, edits, analyse(fixed, enabled, run))
