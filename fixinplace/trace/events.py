"""A traced run as frozen data: plain, JSON-able, without torch.

Note [Offences]
    An offence is one saved tensor that was not what it had been when its backward needed it, or one write that the
    framework refused at once.  `writes` is the chain from the save to the need, in order: the first one is what to
    rewrite, since later ones then hit fresh memory.  The chain is `complete` when the versions of its writes cover
    every version between the saved and the found one; otherwise a writer was not seen, and nothing is guessed.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A piece of source that ran.

    file: absolute path. line, column, end_line, end_column: 1-based, code points, end exclusive; columns are 0 where
    Python kept none (`-X no_debug_ranges`). function: qualified name. text: the source of the piece on one line.
    """

    file: str
    line: int
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    function: str = ""
    text: str = ""


ARRAY = "an array outside of torch"
"""The name of whatever has a storage as a numpy or dlpack view."""


class Standing(enum.StrEnum):
    """What a write meant for this run."""

    CULPRIT = "culprit"  # in the chain of an offence
    PENDING = "pending"  # its tensor had been saved before, and no backward has asked for it
    HARMLESS = "harmless"


@dataclass(frozen=True, slots=True)
class Instances:
    """The module that wrote by its `inplace` flag, among its like.

    owners: class of every module that was running around it, innermost first, and its path in there. flagged: paths, in
    the outermost, of all modules with the flag on; twins: of those that were built in the same place; alike: for each
    owner, of those that are at the same path in some object of its class.
    """

    owners: tuple[tuple[str, str], ...] = ()
    flagged: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    alike: tuple[tuple[str, ...], ...] = ()

    @property
    def path(self) -> str:
        """Where the module that wrote is in the outermost one."""
        return self.owners[-1][1] if self.owners else ""


ALONE = Instances()
"""No module with a flag."""


@dataclass(frozen=True, slots=True)
class Write:
    """One in-place write, as it was when it happened.

    number: position in the sequence of saves and writes of the run.
    op: operator without namespace and overload (`add_`, `copy_`); `stack`: places of the user's and of library code,
    innermost first, `place` the innermost one in the user's own code (None: no Python of the user was running).
    built: where the in-place module that wrote was constructed; `module` its class and attribute path if known.
    version: before the write, of the storage's counter.
    names: who holds this storage at the time: `h`, `v (view)`, `self.h`, `d['q']`; `names_complete` is False where the
    search ran out of its budget.
    instances: the other modules with their flag on, if it was such a module that wrote.
    by: "operator", "optimizer" (inside a step), "buffer" (the target is a buffer of a module), "initialiser".
    """

    number: int
    op: str
    place: Place | None
    stack: tuple[Place, ...] = ()
    built: Place | None = None
    module: str = ""
    by: str = "operator"
    shape: tuple[int, ...] = ()
    dtype: str = ""
    version: int = 0
    requires_grad: bool = False
    leaf: bool = False
    view: bool = False
    grad_mode: bool = True
    in_backward: bool = False
    thread: str = ""
    names: tuple[str, ...] = ()
    names_complete: bool = True
    instances: Instances = ALONE

    @property
    def origin(self) -> Place | None:
        """What to edit: where the in-place module was built, if it was torch's own that wrote, else `place`."""
        inner = self.stack[0] if self.stack else None
        by_library = self.by == "operator" and (inner is None or (inner != self.place and "/torch/nn/" in inner.file))
        own = self.place is not None and self.place.function.split(".")[-2:-1] == self.module.split(" ")[:1]
        return self.built if self.built is not None and by_library and not own else self.place


@dataclass(frozen=True, slots=True)
class Save:
    """One tensor that autograd kept for backward; `op` is what kept it (`sigmoid`), as far as the node tells.

    result: the tensor is a differentiable result of that operation, and not what it was given.
    """

    number: int
    op: str
    place: Place | None
    stack: tuple[Place, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = ""
    version: int = 0
    names: tuple[str, ...] = ()
    result: bool = False


@dataclass(frozen=True, slots=True)
class Offence:
    """One saved tensor that was overwritten, or one refused write; see Note [Offences].

    rule: a 2xx or 3xx code of `names.py` where the cause is one of those, else "" (the construct of the first write
    names the rule).
    silent: the framework's own check would not have raised.
    disjoint: the version moved, but the saved elements have their old values.
    needed: where the backward was asked for. node: the backward node that needed the tensor (`SigmoidBackward0`).
    saved_version, found_version: of the storage's counter.
    complete: no writer is missing in `writes`.
    message: the framework's own error, where it raised one.
    note: a sentence where the rule needs one (what was not seen, which remedy is documented).
    keeper, state: where a state is kept with its graph, if a later backward dies of that; the state as it is reached.
    tracked: names of the function that asked for the backward whose tensors had a history then.
    """

    rule: str
    save: Save | None
    writes: tuple[Write, ...]
    needed: Place | None
    needed_stack: tuple[Place, ...] = ()
    node: str = ""
    silent: bool = False
    disjoint: bool = False
    saved_version: int = 0
    found_version: int = 0
    complete: bool = True
    message: str = ""
    note: str = ""
    keeper: Place | None = None
    state: str = ""
    tracked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spot:
    """All writes of one place and op together: how often, and what they meant."""

    place: Place
    op: str
    count: int
    standing: Standing
    tracked: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that one run told; `offences` in the order in which backwards met them.

    behind: writes that autograd does not see, into what it has computed and not saved; see Note [Behind autograd].
    """

    offences: tuple[Offence, ...] = ()
    spots: tuple[Spot, ...] = ()
    notes: tuple[str, ...] = ()
    behind: tuple[Offence, ...] = ()


def moved(offence: Offence, place: Callable[[Place], Place]) -> Offence:
    """The offence with every place replaced."""

    def one(it: Place | None) -> Place | None:
        return None if it is None else place(it)

    def some(them: tuple[Place, ...]) -> tuple[Place, ...]:
        return tuple(map(place, them))

    save = offence.save
    if save is not None:
        save = dataclasses.replace(save, place=one(save.place), stack=some(save.stack))
    writes = tuple(
        dataclasses.replace(write, place=one(write.place), built=one(write.built), stack=some(write.stack))
        for write in offence.writes
    )
    needed, stack = one(offence.needed), some(offence.needed_stack)
    keeper = one(offence.keeper)
    return dataclasses.replace(offence, save=save, writes=writes, needed=needed, needed_stack=stack, keeper=keeper)


def dump(trace: Trace) -> Json:
    """A trace as JSON-able data."""
    return dataclasses.asdict(trace)


def load(data: Json) -> Trace:
    """The trace that `dump` gave."""
    return Trace(
        tuple(_offence(each) for each in data["offences"]),
        tuple(
            Spot(**{**each, "place": _place(each["place"]), "standing": Standing(each["standing"])})
            for each in data["spots"]
        ),
        tuple(data["notes"]),
        tuple(_offence(each) for each in data["behind"]),
    )


def _offence(data: Json) -> Offence:
    save = data["save"]
    return Offence(
        **{
            **data,
            "save": None if save is None else Save(**{**save, **_common(save), "names": tuple(save["names"])}),
            "writes": tuple(_write(each) for each in data["writes"]),
            "needed": _place(data["needed"]),
            "needed_stack": _places(data["needed_stack"]),
            "keeper": _place(data["keeper"]),
            "tracked": tuple(data["tracked"]),
        }
    )


def _write(data: Json) -> Write:
    around = data["instances"]
    owners = tuple((name, path) for name, path in around["owners"])
    alike = tuple(tuple(paths) for paths in around["alike"])
    instances = Instances(owners, tuple(around["flagged"]), tuple(around["twins"]), alike)
    plain = {"built": _place(data["built"]), "names": tuple(data["names"]), "instances": instances}
    return Write(**{**data, **_common(data), **plain})


def _common(data: Json) -> Json:
    return {"place": _place(data["place"]), "stack": _places(data["stack"]), "shape": tuple(data["shape"])}


def _place(data: Json | None) -> Place | None:
    return None if data is None else Place(**data)


def _places(rows: list[Json]) -> tuple[Place, ...]:
    return tuple(Place(**row) for row in rows)
