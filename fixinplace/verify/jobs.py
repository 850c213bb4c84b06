"""What is asked of the server and what comes back: plain data, JSON on the way, known to both sides, without torch."""

from __future__ import annotations

import dataclasses
import enum
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fixinplace.verify.ends import DataEnd, ForwardEnd

Json = dict[str, Any]

TRACING_FACTOR = 4
"""How much longer a run may take in which every instruction of the edited code is watched."""

TRACE_FILE = "trace.json"
"""Where a traced run in the sandbox leaves its trace, beside the end record."""

FOUND_FILE = "found.jsonl"
"""Where a search for inputs leaves what it finds, one line per unit."""

SEED = 0
"""The one seed of `random`, numpy and torch in every run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use: seconds of wall-clock time, bytes of memory, bytes per file, number of processes."""

    seconds: float = 60.0
    memory: int = 4 << 30
    file_size: int = 1 << 30
    processes: int = 64


class Patch(NamedTuple):
    """A file (absolute path) and the text that stands in for what the disk says."""

    path: str
    text: str


class Region(NamedTuple):
    """Half-open offsets into one of the texts of a job; `file` is its place among them."""

    start: int
    end: int
    file: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one probe on one version of some files.

    kind, probe_path, name, arguments, text: the probe, see `probes.Probe`; kind `find` looks for inputs, and `text` is
    then a `Find`.
    texts: the edited files; the folder of the first is the current one unless `folder` names another.
    cloned: every tensor is cloned when autograd saves it.
    double: the default dtype is float64. widened: float32 that is asked for by name is float64 as well.
    perturbed: if not 0, memory is laid out differently, so that what depends on addresses shows; its number tells
    runs apart that are alike.
    traced: the run is traced, and nothing else is recorded. watch: the saved tensor that is looked at after every line.
    kept: every backward keeps its graph, as if it had been asked to.
    no_inference: inference mode is taken as `no_grad`.
    unshared: every expanded tensor has memory of its own, see Note [Elements that share memory].
    own_outputs: what custom Functions return is no view, see Note [Views that a Function returns].
    forward: the number of the direction of a forward-mode run; None: an ordinary run. later: it begins behind so many
    backwards, see Note [Forward mode begins late]. along: keys of the leaves that move; none: all of them.
    as_data: what is written into a parameter is data, see Note [A parameter is data]. hidden: see `hidden_writes`.
    as_result: a leaf that is written is a result from then on, see Note [A leaf that becomes a result].
    one_by_one: pieces of a tensor may be written, and `out=` be used, see Note [Behind the stop].
    regions: whose code must be seen running; None: nothing is traced.
    import_paths: entries of `PYTHONPATH` of the user's own shell.
    in_place: the program runs in its own folder and may write there, with the variables of `environment`.
    """

    kind: str
    probe_path: str
    name: str | None
    texts: tuple[Patch, ...]
    arguments: tuple[str, ...] = ()
    folder: str = ""
    cloned: bool = False
    double: bool = False
    widened: bool = False
    perturbed: int = 0
    traced: bool = False
    watch: int | None = None
    kept: bool = False
    no_inference: bool = False
    unshared: bool = False
    own_outputs: bool = False
    forward: int | None = None
    later: int = 0
    along: tuple[str, ...] = ()
    as_data: bool = False
    as_result: bool = False
    one_by_one: bool = False
    hidden: bool = False
    regions: tuple[Region, ...] | None = None
    import_paths: tuple[str, ...] = ()
    in_place: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded call as bodies of calls, each another way to replay it.

    name: what was called. second: ways to try where no first one says anything.
    """

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """A class or function for which inputs are looked for.

    ways: what may be run for it, each a name of the module and a method ("" for the object itself), the nearest first.
    regions: indices into `Job.regions` that it is to reach. lines: of the file, 1-based, where they are.
    replays: recorded calls.
    """

    name: str
    ways: tuple[tuple[str, str], ...]
    regions: tuple[int, ...] = ()
    lines: tuple[int, ...] = ()
    replays: tuple[Replay, ...] = ()


@dataclass(frozen=True, slots=True)
class Find:
    """A search for inputs: its units, and the seconds that each of them may take."""

    units: tuple[Unit, ...]
    seconds: float

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def read(text: str) -> Find:
        """What `dump` gave."""
        data = json.loads(text)
        units = [
            Unit(
                each["name"],
                tuple((name, method) for name, method in each["ways"]),
                tuple(each["regions"]),
                tuple(each["lines"]),
                tuple(Replay(one["name"], tuple(one["first"]), tuple(one["second"])) for one in each["replays"]),
            )
            for each in data["units"]
        ]
        return Find(tuple(units), data["seconds"])


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found for one unit.

    bodies: calls of it, for `inputs.snippet.text`; empty if there is none, then `error` says why.
    recorded: recorded calls that run, likewise. unused: why others do not, a sentence each.
    reached: regions that they run. broken: the program itself dies of a write in one of them.
    missing: a package that is not installed, and that the unit uses.
    """

    unit: str
    bodies: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    reached: tuple[int, ...] = ()
    tries: int = 0
    error: str = ""
    broken: bool = False
    seconds: float = 0.0
    missing: str = ""


class Status(enum.StrEnum):
    """How a run ended, as its parent saw it."""

    ENDED = "ended"  # an end record was written; the program may still have raised
    TIMED_OUT = "timed-out"
    TOO_MANY_PROCESSES = "too-many-processes"
    DIED = "died"  # no end record: crash, os._exit, killed
    NO_SERVER = "no-server"


@dataclass(frozen=True, slots=True)
class Failure:
    """The exception that ended a run: its type, message, and the innermost line of user code.

    missing: the module that could not be imported, for a ModuleNotFoundError.
    """

    type: str
    message: str
    file: str = ""
    line: int = 0
    missing: str = ""

    @property
    def sentence(self) -> str:
        """Type, first line of the message, and where."""
        first = self.message.strip().partition("\n")[0].partition(" Hint: ")[0]
        where = f" ({Path(self.file).name}:{self.line})" if self.file else ""
        return f"{self.type}: {first}{where}" if first else f"{self.type}{where}"


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run without looking at its tensors.

    folder: where its manifest and its bytes lie.
    exit: what a script left with other than 0, as a value of the program; empty for 0.
    failures: errors raised inside a backward, whether or not the program caught them.
    reached: indices into `Job.regions` whose code ran.
    no_clone_reference: why its gradients are no reference although saved tensors were cloned.
    interpreter: the other Python that the program started.
    unfilled: of a run that looked for regions, it read `.grad` of a result, which no backward fills.
    lowered: it computes in less than float32, see Note [Autocast in float64].
    backwards: how many the main thread has begun.
    forward, data: what a forward-mode run, and one with parameters as data, says about itself.
    asked_as_leaf: the program reads the `.grad` of a leaf that was taken as a result.
    """

    status: Status
    folder: str = ""
    detail: str = ""
    failure: Failure | None = None
    exit: str = ""
    failures: tuple[Failure, ...] = ()
    reached: frozenset[int] = frozenset()
    no_clone_reference: str = ""
    interpreter: str = ""
    notes: tuple[str, ...] = ()
    unfilled: bool = False
    lowered: bool = False
    backwards: int = 0
    forward: ForwardEnd | None = None
    data: DataEnd | None = None
    asked_as_leaf: bool = False

    @property
    def finished(self) -> bool:
        """The program came to its end without an exception, with whatever exit code."""
        return self.status is Status.ENDED and self.failure is None


BELOW = "[*]"
"""Ends an excluded path that stands for everything below it, or that begins like it."""
LEFT_OUT = "left-out"
"""A leaf's gradient that is missing since a backward of the rewritten version, which has others, does not reach it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One observable that is not the same: a reason of `names.REFUTED` or LEFT_OUT, its path, a sentence.

    numeric: rounding could explain it; far: only if all of the tensor is rounding.
    """

    reason: str
    path: str
    sentence: str
    numeric: bool = False
    far: bool = False


@dataclass(frozen=True, slots=True)
class Slope:
    """One backward: the derivative along a direction, and what the gradients of another run say it is.

    tolerance: how far they may be apart. eps: that of the coarsest value which the derivative went through.
    gradients: how many leaves `found` is the sum of. obstacle: why the two cannot be compared; empty if they can.
    asked: keys of the leaves whose gradients were asked for, where those are not all and the derivative is along all.
    """

    event: str
    expected: float
    found: float
    tolerance: float
    eps: float
    gradients: int
    obstacle: str = ""
    asked: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """The two were compared and are equal."""
        return not self.obstacle and abs(self.expected - self.found) <= self.tolerance

    @property
    def differs(self) -> bool:
        """The two were compared and are not equal."""
        return not self.obstacle and not self.agrees


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the comparing process found between a reference and a candidate run.

    rounding: paths of tensors that are nothing but rounding, where that can be told.
    """

    differences: tuple[Difference, ...]
    values: int
    gradients: int
    largest: float
    follows_default: bool
    notes: tuple[str, ...] = ()
    rounding: tuple[str, ...] = ()


def dump(job: Job) -> Json:
    """A job as JSON-able data."""
    return dataclasses.asdict(job)


def load(data: Json) -> Job:
    """The job that `dump` gave."""
    regions = data["regions"]
    plain = {
        "texts": tuple(Patch(*each) for each in data["texts"]),
        "arguments": tuple(data["arguments"]),
        "regions": None if regions is None else tuple(Region(*each) for each in regions),
        "import_paths": tuple(data["import_paths"]),
        "along": tuple(data["along"]),
        "environment": tuple((name, value) for name, value in data["environment"]),
    }
    return Job(**{**data, **plain})


def read_run(status: str, folder: Path, detail: str, nonce: str) -> Run:
    """The run whose end record lies in `folder`; without a valid one it has died, whatever the server says."""
    if status != Status.ENDED:
        return Run(Status(status), str(folder), detail)
    try:
        end = json.loads((folder / "end.json").read_text())
    except (OSError, ValueError) as error:
        return Run(Status.DIED, str(folder), f"no end record: {error}")
    if end.get("nonce") != nonce:
        return Run(Status.DIED, str(folder), "the end record is not this run's")
    return Run(
        Status.ENDED,
        str(folder),
        detail,
        failure=None if end["failure"] is None else Failure(**end["failure"]),
        exit=end["exit"],
        failures=tuple(Failure(**each) for each in end["failures"]),
        reached=frozenset(end["reached"]),
        no_clone_reference=end["no_clone_reference"],
        interpreter=end["interpreter"],
        notes=tuple(end["notes"]),
        unfilled=end["unfilled"],
        lowered=end["lowered"],
        backwards=end["backwards"],
        forward=None if end["forward"] is None else ForwardEnd(**end["forward"]),
        data=None if end["data"] is None else DataEnd(**end["data"]),
        asked_as_leaf=end["asked_as_leaf"],
    )


def read_comparison(data: Json) -> Comparison:
    """The comparison that the server's child printed."""
    texts = {name: tuple(data[name]) for name in ("notes", "rounding")}
    return Comparison(**{**data, **texts, "differences": tuple(Difference(**each) for each in data["differences"])})


def slope_of(data: Json) -> Slope:
    """The slope that the server's child printed."""
    return Slope(**{**data, "asked": tuple(data["asked"])})


def read_found(text: str) -> list[Found]:
    """The lines of FOUND_FILE; a last one that is not whole is left out."""
    return [found_of(json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def found_of(row: Json) -> Found:
    """What a search found, from the JSON of it; raises KeyError or TypeError for anything else."""
    return Found(**{**row, **{key: tuple(row[key]) for key in ("reached", "bodies", "recorded", "unused")}})
