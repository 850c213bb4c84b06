"""A run under the tracer: in the sandbox for a version that is tried, or as the user's own command, in their terminal.

`python -m fixinplace.verify.traced JOB REPLY` is the latter: the job as JSON in a file, the reply into another.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.autograd.graph

from fixinplace.trace import events
from fixinplace.trace.events import Place, Trace
from fixinplace.trace.refused import is_known
from fixinplace.trace.tracer import Options, Tracer
from fixinplace.verify import kept, load
from fixinplace.verify.failures import exit_of, failure_of
from fixinplace.verify.gradients import HOOK, Recorder
from fixinplace.verify.jobs import TRACE_FILE, Failure, Job, Json
from fixinplace.verify.leaves import LeafNames
from fixinplace.verify.observe import Observer, UserCode
from fixinplace.verify.recency import Recency
from fixinplace.verify.records import Records

_OURS = str(Path(__file__).parents[1])


@dataclass(frozen=True)
class Traced:
    """What a traced run told; `failure` is None if the program came to its end. `error` is the exception itself."""

    trace: Trace
    failure: Failure | None
    error: BaseException | None = None


def run(job: Job) -> Traced:
    """Run the job's probe under the tracer, and back-propagate from what a callable returned."""
    user = UserCode(*(patch.path for patch in job.texts))
    texts = {name: patch.text for patch in job.texts for name in {patch.path, os.path.realpath(patch.path)}}
    tracer = Tracer(Options(content=True, own=user.owns, texts=texts, watch=job.watch, kept=job.kept))
    error: BaseException | None = None
    if job.kept:
        kept.install()
    try:
        with tracer:
            recency = _noted()
            result = load.run(job, load.Patched(job.texts, lambda code, place: None))
            _results(job, result, user, recency)
            for thread in threading.enumerate():
                if thread is not threading.current_thread() and not thread.daemon:
                    thread.join()
    except SystemExit as stop:
        error = None if stop.code in (None, 0) else stop
    except BaseException as raised:
        error = raised
    return Traced(_real(tracer.trace()), None if error is None else failure_of(error, user), error)


def _noted() -> Recency:
    """Notes the program's own backwards from now on, around whatever stands at the engine's entry already."""
    recency, engine = Recency(), getattr(torch.autograd.graph, HOOK)

    def noted(outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        recency.note(outputs)
        return engine(outputs, *args, **kwargs)

    setattr(torch.autograd.graph, HOOK, noted)
    setattr(torch.autograd, HOOK, noted)
    return recency


def _results(job: Job, result: object, user: UserCode, recency: Recency) -> None:
    """A returned loss is needed by whoever asked for it: its backward belongs to the run."""
    if job.kind in ("script", "module"):
        return
    observer = Observer(Records(0), user)
    observer.result(result, f"{job.name}()")
    unused = [(path, tensor) for path, tensor in observer.tracked if not recency.is_used(tensor)]
    Recorder(Records(0), LeafNames(user)).results(unused, observer.named)


def _real(trace: Trace) -> Trace:
    """Places by the real path of their files: the sandbox reaches them through links."""

    def real(place: Place) -> Place:
        return dataclasses.replace(place, file=os.path.realpath(place.file))

    spots = tuple(dataclasses.replace(spot, place=real(spot.place)) for spot in trace.spots)
    offences, behind = (
        tuple(events.moved(offence, real) for offence in some) for some in (trace.offences, trace.behind)
    )
    return Trace(offences, spots, trace.notes, behind)


def leave(traced: Traced, out: Path, nonce: str) -> None:
    """The trace and the end record, as `jobs.read_run` expects it."""
    exits = exit_of(traced.error)
    failure = None if traced.failure is None or exits else dataclasses.asdict(traced.failure)
    (out / TRACE_FILE).write_text(json.dumps(events.dump(traced.trace)), encoding="utf-8")
    end: Json = {"nonce": nonce, "failure": failure, "exit": exits, "failures": [], "reached": [],
           "no_clone_reference": "", "interpreter": "", "notes": [], "unfilled": False, "lowered": False,
           "backwards": 0, "forward": None, "data": None, "asked_as_leaf": False,
           "imported": []}  # fmt: skip
    (out / "end.json").write_text(json.dumps(end), encoding="utf-8")


def main() -> None:
    """The user's own command; its other exceptions are shown as Python shows them."""
    from fixinplace.verify.jobs import load as read

    job, reply = read(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), Path(sys.argv[2])
    traced = run(job)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    unrunnable = isinstance(traced.error, load.NoModule)
    if traced.error is not None and not is_known(traced.error) and not unrunnable:
        _show(traced.error, UserCode())
    answer = {
        "problem": str(traced.error) if unrunnable else "",
        "trace": events.dump(traced.trace),
        "failure": None if traced.failure is None else dataclasses.asdict(traced.failure),
    }
    reply.write_text(json.dumps(answer), encoding="utf-8")
    os._exit(0)  # daemon threads of the user's do not keep the report waiting


def _show(error: BaseException, user: UserCode) -> None:
    """The traceback from the first line of the user's on; of `sys.exit` what Python prints, its message."""
    if isinstance(error, SystemExit):
        if not isinstance(error.code, int):
            print(error.code, file=sys.stderr, flush=True)
        return
    trace = error.__traceback__
    while trace is not None and not user.owns(trace.tb_frame.f_code.co_filename) and trace.tb_next is not None:
        trace = trace.tb_next
    shown = traceback.TracebackException(type(error), error, trace)
    shown.stack[:] = [frame for frame in shown.stack if not frame.filename.startswith(_OURS)]
    print("".join(shown.format()), end="", file=sys.stderr)
    sys.stderr.flush()


if __name__ == "__main__":
    main()
