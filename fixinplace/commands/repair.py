"""`fixinplace repair`: run the user's command, name the culprit, find the patch, prove it, write it."""

from __future__ import annotations

import ast
import contextlib
import functools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fixinplace import files
from fixinplace.commands.console import Console
from fixinplace.config import BadConfig
from fixinplace.model import Ruling, Verdict
from fixinplace.repair import freed, suites, suspects, target
from fixinplace.repair.base import Files
from fixinplace.repair.behind import differentiable, telling
from fixinplace.repair.budget import Budget
from fixinplace.repair.code import Code
from fixinplace.repair.found import Found
from fixinplace.repair.outcome import Outcome
from fixinplace.repair.patching import Attempt
from fixinplace.repair.proposed import culprits
from fixinplace.repair.search import Search
from fixinplace.repair.upstream import is_package
from fixinplace.report import repair as report
from fixinplace.source import Source
from fixinplace.trace.events import Offence
from fixinplace.verify.errors import is_freed, is_inplace
from fixinplace.verify.jobs import Limits
from fixinplace.verify.launch import FirstRun, first_run
from fixinplace.verify.ownership import is_foreign
from fixinplace.verify.probes import Probe, ProbeError
from fixinplace.verify.runner import Runner


@dataclass(frozen=True, slots=True)
class Options:
    """How to repair.  choose: number of the proposal to write, 0 for none. seconds: for one run.

    in_place: later runs happen in the user's own folder and environment, not in a copy.
    """

    dry: bool = False
    explain: bool = False
    choose: int = 0
    json: bool = False
    unsafe: bool = False
    allow_run: bool = False
    seconds: float = 300.0
    budget: Budget = field(default_factory=Budget)
    in_place: bool = False


def repair(module: str | None, words: tuple[str, ...], options: Options, console: Console) -> int:
    """Repair one command; the exit code.  Raises BadConfig for a command that names nothing."""
    try:
        probe = target.parse(module, words, Path.cwd())
    except ProbeError as error:
        raise BadConfig(str(error)) from error
    first = first_run(probe, options.seconds)
    if first.problem:
        console.lines([f"fixinplace: {first.problem}"], to_error=True)
        return 2
    outcome = _outcome(probe, words if module is None else ("-m", module, *words), first)
    interrupted = options.seconds if first.interrupted else 0.0
    outcome = replace(outcome, interrupted=interrupted, chosen=options.choose)
    if first.trace.offences or (first.failure is not None and is_freed(first.failure)):
        outcome = _searched(probe, outcome, options, console)
    elif first.failure is None and first.trace.behind and not (options.explain or first.interrupted):
        quiet = replace(first.trace, offences=first.trace.behind)
        found = _searched(probe, replace(outcome, trace=quiet), options, console).found
        outcome = replace(outcome, found=None if found is None else telling(found), in_place=options.in_place)
    outcome, problem = _written(outcome, options)
    return _reported(outcome, options, console, problem)


def _outcome(probe: Probe, words: tuple[str, ...], first: FirstRun) -> Outcome:
    ours = first.failure is not None and is_inplace(first.failure)
    return Outcome(" ".join(words), first.trace, first.failure, ours, _reader(is_own), _reader(is_package))


def is_own(path: str) -> bool:
    """True for a file of the user's, which may be edited."""
    return not is_foreign(path)


def _reader(wanted: Callable[[str], bool]) -> Files:
    """The files of a kind, each read and parsed once."""

    @functools.cache
    def read(path: str) -> Code | None:
        source = files.read(path) if wanted(path) else None
        if not isinstance(source, Source):
            return None
        try:
            return Code(source, ast.parse(source.part.text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None  # it ran, so another Python than this one can read it: no edit is tried

    return lambda path: read(os.path.realpath(path))


def _searched(probe: Probe, outcome: Outcome, options: Options, console: Console) -> Outcome:
    limits, started = Limits(seconds=options.seconds), time.monotonic()
    progress = _Progress(started, None if options.json else console)
    deadline = started + options.budget.seconds
    runner = Runner(limits, options.allow_run, deadline, progress.show, options.in_place)
    with contextlib.closing(runner):
        offences = [_located(probe, offence, runner) for offence in outcome.trace.offences]
        if outcome.failure is not None and is_freed(outcome.failure):
            probe = replace(probe, kept=True)
            offences += _carried(probe, outcome, runner)
        if not offences:
            console.status("")
            return outcome
        if options.explain:
            console.status("")
            found = Found(tuple(culprits(offences, outcome.files, outcome.packages)))
            return replace(outcome, found=found, explained=True)
        test = suites.by_itself(probe, offences, outcome.files)
        lab = runner if test is None else suites.Suite(runner, probe)

        hidden = differentiable(outcome.trace.behind) if test is None else []

        def search(some: Sequence[Offence]) -> Found:
            return Search(
                test or probe, outcome.files, lab, options.budget, progress.trying, outcome.packages, started=started
            ).run(some, hidden)

        found = suspects.searched(offences, outcome.trace.spots, outcome.files, search)
    console.status("")
    return replace(outcome, found=found, in_place=options.in_place)


@dataclass
class _Progress:
    """What the search is at; told at every try and at every run, and printed as often as the console thinks right."""

    started: float
    console: Console | None
    tries: int = 0
    line: str = "looking for what wrote"

    def trying(self, line: str) -> None:
        """The next try begins."""
        self.tries, self.line = self.tries + 1, f"try {self.tries + 1}: {line}"
        self.show()

    def show(self) -> None:
        """Tell where the search is."""
        if self.console is not None:
            self.console.progress(f"{self.line} ({time.monotonic() - self.started:.0f} s)")


def _located(probe: Probe, offence: Offence, runner: Runner) -> Offence:
    """An offence whose writer no operator and no version tells (numpy), with the line that a second run finds."""
    if offence.writes or offence.save is None or not offence.save.number:
        return offence
    trace = runner.trace(probe, (), watch=offence.save.number)
    again = () if isinstance(trace, str) else trace.offences
    place = offence.save.place
    return next((one for one in again if one.writes and one.save is not None and one.save.place == place), offence)


def _carried(probe: Probe, outcome: Outcome, runner: Runner) -> list[Offence]:
    """What a run that keeps all graphs tells of a state that is carried with its own; see Note [Freed graphs]."""
    trace = runner.trace(probe, ())
    assert outcome.failure is not None
    return [] if isinstance(trace, str) else freed.carried(trace.offences, outcome.failure, outcome.files)


def _attempt(outcome: Outcome, options: Options) -> Attempt | None:
    """What is to be written."""
    found = outcome.found
    if found is None:
        return None
    if options.choose:
        if not 1 <= options.choose <= len(found.choices):
            raise BadConfig(f"--choose {options.choose}: there are {len(found.choices)} proposals to choose from")
        return found.choices[options.choose - 1].attempt
    if found.best is None or not (found.proved or (options.unsafe and _is_open(found.best.ruling))):
        return None
    return found.best.attempt


def _is_open(ruling: Ruling) -> bool:
    """True for what was neither proved nor refuted: what is refuted is never written."""
    return ruling.verdict is Verdict.UNPROVED


def _written(outcome: Outcome, options: Options) -> tuple[Outcome, str]:
    """The outcome once the patch is on the disk; and why it is not, if it should be."""
    attempt = _attempt(outcome, options)
    if attempt is None or options.dry or any(map(is_foreign, attempt.edits)):
        return outcome, ""
    changes = [
        files.Change(result.analysis.path, result.source.digest, result.data)
        for result in report.results(outcome, attempt)
        if result.source is not None
    ]
    try:
        files.write(changes)
    except files.NotWritten as error:
        return outcome, f"{', '.join(change.path for change in changes)}: {error}"
    return replace(outcome, written=True, paths=tuple(change.path for change in changes)), ""


def _reported(outcome: Outcome, options: Options, console: Console, problem: str) -> int:
    code = _code(outcome, options, problem)
    if options.json:
        console.lines([report.to_json(outcome, code)])
    else:
        console.lines(report.lines(outcome), to_error=True)
        if not outcome.explained:
            console.data(report.patch(outcome, _attempt(outcome, options)))
    if problem:
        console.lines([f"fixinplace: {problem}"], to_error=True)
    return code


def _code(outcome: Outcome, options: Options, problem: str) -> int:
    """0 nothing wrong or repaired, 1 found and not repaired, 2 the command itself failed, or a file was not written."""
    if problem or outcome.status == "failed":
        return 2
    if outcome.status == "clean":
        return 0
    return 0 if outcome.written else 1
