"""Where units are worked on: what a campaign asks of an engine, and the one that needs nothing, on this machine.

Nothing of an engine changes a result, so a campaign that was begun on one goes on on another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from fixinplace.campaign.pool import Died, Done, Guard, Pool, Task, command

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tree:
    """What a campaign reads: its files, and the probes that it names, each with the folder that it is relative to."""

    files: tuple[str, ...]
    probes: tuple[tuple[str, str], ...] = ()


class Crew(Protocol):
    """Works on units, several at a time."""

    def run(
        self, tasks: Iterator[Task], again: Callable[[Task, Died], bool], tick: Callable[[], None]
    ) -> Iterator[Done]:
        """Results as they come, in no order; tasks are drawn when there is room for them.  Raises NoWorker.

        again: told of every worker that died; True to try its task once more. tick: called some times a second.
        """


class Engine(Protocol):
    """Hands out crews; a context manager that leaves nothing behind.  Entering raises BadConfig if it cannot work."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: object, *rest: object) -> None: ...

    def crew(self, setup: Json, tree: Callable[[], Tree]) -> AbstractContextManager[Crew]:
        """A crew whose workers judge as `setup` says (Note [The protocol] in `unit.py`); tree: what it may need."""


@dataclass(frozen=True, slots=True)
class Local:
    """Worker processes on this machine, which read the files where they lie."""

    jobs: int = 1
    guard: Guard = field(default_factory=Guard)
    program: Callable[[], Sequence[str]] = command

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        """Every crew has ended its own workers."""

    def crew(self, setup: Json, tree: Callable[[], Tree]) -> Pool:
        """A pool of `jobs` workers."""
        del tree
        return Pool(self.jobs, setup, self.guard, self.program)
