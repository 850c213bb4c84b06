"""One judgement in progress: what is judged, who runs it, and what the evidence will say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from fixinplace.model import Evidence, Ruling, Verdict
from fixinplace.trace.events import Trace
from fixinplace.verify.jobs import BELOW, LEFT_OUT, SEED, Comparison, Job, Json, Patch, Region, Run, Slope
from fixinplace.verify.probes import Probe

_NAMED = 6
NOTHING = Comparison((), 0, 0, 0.0, False)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a group's edits are: regions in the original's and in the rewritten texts."""

    group: int
    original: tuple[Region, ...]
    rewritten: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The ruling on one rewritten text, and the groups whose edits ran in both versions."""

    ruling: Ruling
    reached: frozenset[int] = frozenset()


Texts = tuple[Patch, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """Two versions of the same files, in the same order, and the probe that runs them.

    whole: the probe is the user's whole command.  Then the reference is always the original with its saved tensors
    cloned, since what the plain one computes may be what is wrong; and an argument that is no longer written is a note:
    every value that the command computes has been compared, and nothing of it came to depend on the argument.
    kept: every write to a leaf stays in place, so that no name leaves its leaf behind.
    limited: the rewritten version may ask for fewer gradients; those it asks for must be equal.
    excused: beginnings of paths that may differ: arguments of functions all of whose callers were looked at.
    hidden: the rewritten version differentiates what the original writes behind autograd, see `hidden_writes`.
    unasked: a leaf that the original writes is none in the rewritten version, since nobody asks for its gradient.
    derived: torch's own gradients of the original are wrong, and its derivative in forward mode is the reference.
    unread: paths of variables that may differ, be missing, and share memory with others or not: nobody reads them.
    """

    probe: Probe
    original: Texts
    rewritten: Texts
    whole: bool = False
    kept: bool = False
    limited: bool = False
    excused: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()
    hidden: bool = False
    derived: bool = False
    unasked: bool = False


class Laboratory(Protocol):
    """Runs jobs and compares their runs; knows what it does on this system."""

    isolation: str
    framework: str

    def run(self, job: Job) -> Run:
        """The run of this job; the same job gives the same run."""
        ...

    def compare(
        self, reference: Run, candidate: Run, excluded: frozenset[str], exact: bool, rough: Run | None = None
    ) -> Comparison | str:
        """The comparison, or a sentence why there is none; rough: see Note [Nothing but rounding]."""
        ...

    def slopes(self, forward: Run, candidate: Run, number: int) -> tuple[Slope, ...] | str:
        """The derivatives that a forward-mode run took in direction `number`, against another run's gradients."""
        ...

    def trace(self, probe: Probe, texts: Texts) -> Trace | str:
        """What the tracer tells of a version, or a sentence why it tells nothing."""
        ...


class Unproved(Exception):
    """Ends a judgement: a name of `names.UNPROVED` and a sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass
class Bench:
    """Runs and compares for one judgement, and keeps the books for its evidence.

    always: fields of every job of the original.  later: how many backwards forward mode begins behind.
    lost: which gradient is lost where a write to a parameter is taken as data; empty if none is known.
    """

    lab: Laboratory
    case: Case
    jobs: set[Job] = field(default_factory=set)
    checks: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    always: Json = field(default_factory=dict)
    later: int = 0
    lost: str = ""

    def original(self, **mode: object) -> Run:
        """A run of the original; `mode` sets fields of the job, besides those that `always` sets."""
        return self._run(self.case.original, {"kept": self.case.probe.kept, **self.always, **mode})

    def rewritten(self, **mode: object) -> Run:
        """A run of the rewritten text."""
        return self._run(self.case.rewritten, mode)

    def _run(self, texts: Texts, mode: dict[str, object]) -> Run:
        probe = self.case.probe
        if self.later and mode.get("forward") is not None:
            mode = {**mode, "later": self.later}
        job = Job(probe.kind, probe.path, probe.name, texts, probe.arguments, probe.folder, text=probe.text)
        job = replace(job, **mode)  # type: ignore[arg-type]
        self.jobs.add(job)
        return self.lab.run(job)

    def compare(
        self,
        reference: Run,
        candidate: Run,
        excluded: frozenset[str] = frozenset(),
        exact: bool = False,
        rough: Run | None = None,
    ) -> Comparison:
        """The comparison of two runs; raises Unproved if there is none.

        rough: the reference in its own types, where the two runs are in float64.
        """
        excused = frozenset(path + BELOW for path in self.case.excused)
        result = self.lab.compare(reference, candidate, excluded | excused | self.case.unread, exact, rough)
        if isinstance(result, str):
            raise Unproved("probe-failed", f"the runs could not be compared: {result}")
        return self._without_left_out(result)

    def _without_left_out(self, comparison: Comparison) -> Comparison:
        """What a backward leaves out is the point of a limited case, and a missing gradient in any other."""
        found = comparison.differences
        left = [each for each in found if each.reason == LEFT_OUT]
        if not left:
            return comparison
        if not self.case.limited:
            missing = (replace(each, reason="gradient-missing") if each in left else each for each in found)
            return replace(comparison, differences=tuple(missing))
        named = ", ".join(each.path for each in left[:_NAMED])
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        self.notes.append(f"left out on purpose, {len(left)} gradients: {named}{more}")
        return replace(comparison, differences=tuple(each for each in found if each not in left))

    def slopes(self, forward: Run, candidate: Run, number: int) -> tuple[Slope, ...]:
        """Derivatives against gradients; raises Unproved if they cannot be read."""
        result = self.lab.slopes(forward, candidate, number)
        if isinstance(result, str):
            raise Unproved("probe-failed", f"the derivatives could not be compared: {result}")
        return result

    def trace(self, texts: Texts) -> Trace | str:
        """What the tracer tells of one of the two versions, or a sentence why it tells nothing."""
        run = self._run(texts, {"traced": True})
        if run.exit != self._run(texts, {}).exit:
            return f"it leaves with exit code {run.exit or 0} under the tracer alone"
        return self.lab.trace(self.case.probe, texts) if run.finished else why_not(run)

    def with_all_checks(self, ruling: Ruling) -> Ruling:
        """A ruling that was made before the last checks, with what they have added."""
        (evidence,) = ruling.evidence
        latest = self._evidence(NOTHING)
        notes = tuple(dict.fromkeys([*evidence.notes, *latest.notes]))
        latest = replace(latest, values=evidence.values, gradients=evidence.gradients, notes=notes)
        return replace(ruling, evidence=(replace(latest, difference=evidence.difference),))

    def ruling(self, verdict: Verdict, reason: str | None, sentence: str, shown: Comparison = NOTHING) -> Ruling:
        """A ruling with all the evidence so far; `shown` gives its figures."""
        return Ruling(verdict, reason, sentence, (self._evidence(shown),))

    def _evidence(self, shown: Comparison) -> Evidence:
        return Evidence(
            probe=self.case.probe.label,
            values=shown.values,
            gradients=shown.gradients,
            difference=shown.largest,
            checks=tuple(dict.fromkeys(self.checks)),
            checks_not_run=tuple(dict.fromkeys(self.missing)),
            runs=len(self.jobs),
            seeds=(SEED,),
            isolation=self.lab.isolation,
            framework=self.lab.framework,
            notes=tuple(dict.fromkeys([*self.notes, *shown.notes])),
        )


def why_not(run: Run) -> str:
    """What ended a run before its end."""
    return run.failure.sentence if run.failure is not None else run.detail
