"""The caller's end of the fork server: starts it when it is first needed, keeps runs, ends it for certain."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from fixinplace.model import Ruling, Verdict
from fixinplace.trace import events
from fixinplace.trace.events import Trace
from fixinplace.verify import bubblewrap, judge
from fixinplace.verify.bench import Case, Judgement, Mark
from fixinplace.verify.connection import PATIENCE, Connection
from fixinplace.verify.errors import obstacle
from fixinplace.verify.jobs import (
    FOUND_FILE,
    TRACE_FILE,
    TRACING_FACTOR,
    Comparison,
    Find,
    Found,
    Job,
    Json,
    Limits,
    Patch,
    Region,
    Run,
    Slope,
    Status,
    dump,
    read_comparison,
    read_found,
    read_run,
    slope_of,
)
from fixinplace.verify.probes import Probe


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """Why nothing could be looked for at all: a reason of `names.UNPROVED` and a sentence."""

    reason: str
    sentence: str


_KEPT_RUNS = 32
_KEPT_BYTES = 2 << 30
_NO_SANDBOX = (
    "this system has neither bubblewrap nor landlock to confine what a program writes: "
    "--allow-run is needed to run it anyway"
)
_NO_TIME = "not started: no time is left for it"


class Runner:
    """Judges rewritten files by running them; a context manager, usable from one thread at a time.

    allow_run: run even where nothing confines writes (isolation `limits`).
    deadline: of `time.monotonic`; at that time the run under way is stopped, and nothing is run any more.
    running: called before every run.
    in_place: runs happen in the program's own folder, which they may write, and with the variables of this process;
        never in bubblewrap, whose devices, process ids and read-only machine are not what the command was run in.
    bubblewrap: use it where it works; if not, or if the server does not start in it, landlock is what confines.
    import_paths: folders that probes with made inputs search for imports, behind those of the user's own shell.
    framework, isolation: known after the first run; `unknown` until then.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        allow_run: bool = False,
        deadline: float | None = None,
        running: Callable[[], None] = lambda: None,
        in_place: bool = False,
        bubblewrap: bool = True,
    ) -> None:
        self.limits = limits or Limits()
        self.isolation = "unknown"
        self.framework = "unknown"
        self._allow_run = allow_run
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._server: Connection | None = None
        self._problem: tuple[str, str] | None = None
        self._runs: dict[Job, Run] = {}
        self._number = 0
        self._deadline = deadline
        self._running = running
        self._in_place = in_place
        self._bubblewrap = bubblewrap and not in_place
        self.import_paths: tuple[str, ...] = ()
        self._environment = tuple(sorted(os.environ.items())) if in_place else ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the server and remove everything that runs have left."""
        if self._server is not None:
            self._server.close()
        if self._folder is not None:
            self._folder.cleanup()
        self._server = self._folder = None
        self._runs.clear()

    def judge(self, case: Case, marks: tuple[Mark, ...]) -> Judgement:
        """Rule on the rewritten texts by running the probe on both versions."""
        if (problem := self.problem) is not None:
            return Judgement(Ruling(Verdict.UNPROVED, *problem))
        try:
            judgement = judge.judge(self, case, marks)
        finally:
            self._forget()
        return judgement if self._left() > 0 else Judgement(_cut(judgement.ruling))

    def alone(self, case: Case) -> Ruling:
        """Refute the rewritten texts while other culprits may remain in them; never a proof."""
        if (problem := self.problem) is not None:
            return Ruling(Verdict.UNPROVED, *problem)
        try:
            ruling = judge.alone(self, case)
        finally:
            self._forget()
        return ruling if self._left() > 0 else _cut(ruling)

    def trace(self, probe: Probe, texts: tuple[Patch, ...], watch: int | None = None) -> Trace | str:
        """What the tracer tells of a version; a sentence where there is no trace.

        watch: number of a saved tensor that is compared after every line of the program.
        Graphs are kept, where the probe says so, in the original only: what is edited has to do without.
        """
        if (problem := self.problem) is not None:
            return problem[1]
        job = Job(
            probe.kind, probe.path, probe.name, texts, probe.arguments, probe.folder, traced=True, watch=watch,
            text=probe.text, kept=probe.kept and not texts,
        )  # fmt: skip
        run = self.run(job)
        file = Path(run.folder) / TRACE_FILE
        if run.status is not Status.ENDED or not file.exists():
            return run.detail or f"the traced run {run.status}"
        return events.load(json.loads(file.read_text(encoding="utf-8")))

    def find(self, texts: tuple[Patch, ...], find: Find, regions: tuple[Region, ...]) -> tuple[Found, ...] | Failed:
        """Inputs for the units of the first of some files; what ended the search where it did not begin.

        A unit whose search ends the process is left out, and those behind it are looked at again.
        """
        if (problem := self.problem) is not None:
            return Failed(*problem)
        results: list[Found] = []
        while len(results) < len(find.units):
            left = dataclasses.replace(find, units=find.units[len(results) :])
            job = Job("find", texts[0].path, "", texts, regions=regions, text=left.dump())
            run = self._run(dataclasses.replace(job, import_paths=(*_import_paths(), *self.import_paths)))
            if run.failure is not None:
                reason, sentence = obstacle(run) or ("probe-failed", run.failure.sentence)
                return Failed(reason, sentence)
            file = Path(run.folder) / FOUND_FILE
            found = read_found(file.read_text(encoding="utf-8")) if file.exists() else []
            results += found
            if len(found) < len(left.units):
                results.append(Found(left.units[len(found)].name, error=run.detail or f"the search {run.status}"))
        return tuple(results)

    def run(self, job: Job) -> Run:
        """The run of this job, from memory if it has been run before."""
        own, further = self._environment, self.import_paths if job.kind == "made" else ()
        job = dataclasses.replace(
            job, import_paths=(*_import_paths(), *further), in_place=self._in_place, environment=own
        )
        if job in self._runs:
            self._runs[job] = self._runs.pop(job)  # the youngest is last
            return self._runs[job]
        run = self._runs[job] = self._run(job)
        return run

    def _forget(self) -> None:
        """Drop the oldest runs beyond what is kept; between judgements, so that no run in use goes."""
        kept = 0
        for count, (job, run) in enumerate(reversed(list(self._runs.items())), start=1):
            kept += sum(each.stat().st_size for each in Path(run.folder).glob("*"))
            if count > _KEPT_RUNS or kept > _KEPT_BYTES:
                del self._runs[job]
                _discard(Path(run.folder))

    def compare(
        self, reference: Run, candidate: Run, excluded: frozenset[str], exact: bool, rough: Run | None = None
    ) -> Comparison | str:
        """Compare two runs in a process of their own."""
        request = {
            "do": "compare",
            "reference": reference.folder,
            "candidate": candidate.folder,
            "excluded": sorted(excluded),
            "exact": exact,
            "rough": None if rough is None else rough.folder,
            "limits": self._limits(),
        }
        answer = self._ask(request)
        return read_comparison(answer["result"]) if "result" in answer else str(answer["failed"])

    def slopes(self, forward: Run, candidate: Run, number: int) -> tuple[Slope, ...] | str:
        """The derivatives of a forward-mode run against another run's gradients, in a process of their own."""
        request = {
            "do": "slopes",
            "reference": forward.folder,
            "candidate": candidate.folder,
            "number": number,
            "limits": self._limits(),
        }
        answer = self._ask(request)
        return tuple(map(slope_of, answer["result"])) if "result" in answer else str(answer["failed"])

    def _left(self) -> float:
        """Seconds until the deadline."""
        return math.inf if self._deadline is None else self._deadline - time.monotonic()

    def _limits(self, factor: int = 1) -> Json:
        """The limits of a run or comparison, which may not outlast the deadline; factor: the server's."""
        seconds = min(self.limits.seconds, max(self._left(), 0.1) / factor)
        return dataclasses.asdict(dataclasses.replace(self.limits, seconds=seconds))

    def _run(self, job: Job) -> Run:
        if self._left() <= 0:
            return Run(Status.TIMED_OUT, detail=_NO_TIME)
        self._running()
        self._number += 1
        assert self._folder is not None
        folder = Path(self._folder.name) / f"run-{self._number}"
        request = {
            "do": "run",
            "job": dump(job),
            "limits": self._limits(TRACING_FACTOR if job.regions is not None else 1),
            "landlock": self._abi,
            "folder": str(folder),
        }
        answer = self._ask(request)
        if "failed" in answer:
            return Run(Status.NO_SERVER, detail=str(answer["failed"]))
        return read_run(answer["status"], folder, answer["detail"], answer["nonce"])

    def _ask(self, request: Json) -> Json:
        assert self._server is not None
        try:
            return self._server.ask(request, self.limits.seconds * TRACING_FACTOR + PATIENCE)
        except (OSError, EOFError, ValueError) as error:
            detail = f"the server ended: {error}"
            self._server.close()
            self._server = None
            self._start()
            return {"failed": detail}

    @property
    def folder(self) -> Path | None:
        """Where the server and its runs keep their files; None before the first run."""
        return None if self._folder is None else Path(self._folder.name)

    @property
    def problem(self) -> tuple[str, str] | None:
        """Why nothing can be run, a name of `names.UNPROVED` and a sentence; starts the server if there is none."""
        if self._server is None and self._problem is None:
            self._start()
        return self._problem

    def _start(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="fixinplace-", ignore_cleanup_errors=True)
        program = bubblewrap.find() if self._bubblewrap else None
        hello = None if program is None else self._hello(program)
        if isinstance(hello, dict):
            isolation = "bwrap"
        else:
            hello, isolation = self._hello(), "landlock"
        if isinstance(hello, str):
            self._problem = ("probe-failed", f"the verification server does not start: {hello}")
            return
        self.framework = hello["framework"]
        self._abi = int(hello["landlock"])
        self.isolation = isolation if self._abi or isolation == "bwrap" else "limits"
        if hello["missing"]:
            self._problem = ("probe-failed", hello["missing"])
        elif self.isolation == "limits" and not self._allow_run:
            self._problem = ("no-sandbox", _NO_SANDBOX)

    def _hello(self, program: str | None = None) -> Json | str:
        """Start a server and return what it says first, or why it says nothing."""
        assert self._folder is not None
        self._server = Connection(Path(self._folder.name), program)
        try:
            return self._server.hello()
        except (OSError, EOFError, ValueError) as error:
            self._server.close()
            return str(error)


def _cut(ruling: Ruling) -> Ruling:
    """Of a judgement that the deadline may have cut: checks that had no time left count for nothing."""
    return dataclasses.replace(ruling, verdict=Verdict.UNPROVED, reason="timed-out", sentence="no time is left for it")


def _import_paths() -> tuple[str, ...]:
    """What the user's own shell adds to the import path."""
    return tuple(entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry)


def _discard(folder: Path) -> None:
    for name in ("blob", "manifest.jsonl", "end.json", TRACE_FILE, FOUND_FILE, "stdout", "stderr"):
        (folder / name).unlink(missing_ok=True)
