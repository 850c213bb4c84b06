"""Units as tasks of a Ray cluster: `migrate --engine ray`.

Note [A node that is lost]
    What a unit does to its worker is told by the node, and counts as on one machine.  A task that Ray itself loses (its
    node, or Ray's process on it) says nothing about the unit: it is sent again, to whoever is left, a few times without
    counting.  Ray's own retries are off, so that this is the only place that retries.  The journal stays on this
    machine, and no node writes anywhere: a unit that was judged twice is put down once.
    No more is under way than the processors of the cluster have to do and as much again, which keeps them busy and lets
    an autoscaler see what is asked for; the journal holds the rest.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from fixinplace.campaign import ray_boot
from fixinplace.campaign.engines import Json, Tree
from fixinplace.campaign.parcel import Parcel, pack
from fixinplace.campaign.pool import Died, Done, Guard, NoWorker, Task
from fixinplace.campaign.ray_node import versions
from fixinplace.config import BadConfig

_TICK = 0.1
_LOSSES = 5
"""A task that was lost that often is taken for a unit whose worker died."""
_PATIENCE = 600.0
"""Seconds that a cluster may be without any processor: an autoscaler may need minutes."""
_LOOK = 2.0
"""Seconds between two looks at the size of the cluster."""
_TO_CLEAR = 10.0
"""Seconds that the nodes have at the end to remove what was unpacked."""
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Ray tells nobody what it is used for; a cluster that is started here hides no GPU that a local worker would see."""


class RayEngine:
    """A cluster by its address, or one that is started here and ends with the campaign.

    jobs: units under way at the same time; 0: as many as keep all processors busy. processors: of a cluster that is
    started here.
    """

    def __init__(self, jobs: int, guard: Guard, address: str | None, processors: int) -> None:
        self._jobs, self._guard, self._address, self._processors = jobs, guard, address, processors
        self._name = secrets.token_hex(8)
        self._parcel: tuple[Parcel, Any] | None = None
        self._ray: ModuleType
        self.lost = 0

    def __enter__(self) -> Self:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError as error:
            raise BadConfig("--engine ray needs Ray: pip install 'fixinplace[ray]', here and on every node") from error
        self._ray = ray
        _connect(ray, self._address, self._jobs or self._processors)
        ray.cloudpickle.register_pickle_by_value(ray_boot)
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if self._parcel is not None:
            self._clear()
        self._ray.shutdown()

    def _clear(self) -> None:
        """Remove what was unpacked, on every node that answers in time; see Note [Unpacked once] in `ray_boot.py`."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

        clear = self._ray.remote(num_cpus=0, max_retries=0)(ray_boot.clear)
        with contextlib.suppress(self._ray.exceptions.RayError):
            nodes = [node["NodeID"] for node in self._ray.nodes() if node["Alive"]]
            asked = [clear.options(scheduling_strategy=On(node, soft=False)).remote(self._name) for node in nodes]
            self._ray.wait(asked, num_returns=len(asked), timeout=_TO_CLEAR)

    def crew(self, setup: Json, tree: Callable[[], Tree]) -> RayCrew:
        """A crew that sends units to the nodes; the parcel is packed and put down once.  Raises BadConfig."""
        if self._parcel is None:
            parcel = pack(tree())
            self._parcel = parcel, self._ray.put(parcel.data)
        parcel, reference = self._parcel
        order = {
            "setup": setup, "guard": asdict(self._guard), "folder": str(Path.cwd()), "paths": parcel.paths,
            "versions": versions(),
        }  # fmt: skip
        return RayCrew(self, self._ray, order, (reference, parcel.digest, self._name), self._jobs)


def _connect(ray: Any, address: str | None, processors: int) -> None:  # noqa: ANN401 - the module has no types
    if address is not None:
        _knock(address)
    own = {} if address is not None else {"num_cpus": processors, "include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # Ray names no kinds: ConnectionError, RuntimeError, ValueError, of versions, of tokens
        ray.shutdown()
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise BadConfig(f"--ray-address {address or 'local'}: {reason}") from error


def _knock(address: str) -> None:
    """Raise BadConfig where nobody answers: Ray itself would try for minutes, and for `auto` it does."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        raise BadConfig(f"--ray-address {address}: HOST:PORT of the head node, or ray://HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), 10.0).close()
    except (OSError, OverflowError) as error:
        raise BadConfig(f"--ray-address {address}: nobody answers there ({str(error).lower()})") from error


class RayCrew:
    """Sends units as tasks and hands out what comes back; see Note [A node that is lost]."""

    def __init__(
        self,
        engine: RayEngine,
        ray: Any,  # noqa: ANN401 - the module has no types
        order: Json,
        parcel: tuple[Any, str, str],
        jobs: int,
    ) -> None:
        self._engine, self._ray, self._order, self._parcel, self._jobs = engine, ray, order, parcel, jobs
        self._work = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(ray_boot.work)
        self._flying: dict[Any, Task] = {}
        self._losses: Counter[int] = Counter()
        self._processors, self._looked, self._seen = 0, 0.0, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for reference in self._flying:
            self._ray.cancel(reference, force=True)

    def run(
        self, tasks: Iterator[Task], again: Callable[[Task, Died], bool], tick: Callable[[], None]
    ) -> Iterator[Done]:
        """As `Crew.run`.  Raises NoWorker."""
        retry: list[Task] = []
        while True:
            while len(self._flying) < self._room() and (task := retry.pop() if retry else next(tasks, None)):
                self._send(task)
            if not self._flying:
                return
            for reference in self._landed():
                task = self._flying.pop(reference)
                done = self._done(task, reference)
                if done is None or (isinstance(done.answer, Died) and again(task, done.answer)):
                    retry.append(task)
                else:
                    yield done
            tick()

    def _send(self, task: Task) -> None:
        reference, digest, name = self._parcel
        order = json.dumps({**self._order, "request": task.request, "files": task.files})
        self._flying[self._work.remote([reference], digest, name, order)] = task

    def _landed(self) -> list[Any]:
        landed, _ = self._ray.wait(list(self._flying), num_returns=1, timeout=_TICK)
        if landed:
            landed, _ = self._ray.wait(list(self._flying), num_returns=len(self._flying), timeout=0)
        return list(landed)

    def _done(self, task: Task, reference: object) -> Done | None:
        """What a task gave; None if it is to be sent again because it was lost."""
        errors = self._ray.exceptions
        try:
            told = json.loads(self._ray.get(reference))
        except errors.RayTaskError as error:
            raise NoWorker(f"a node cannot work: {str(error).strip().splitlines()[-1]}") from error
        except errors.RayError as error:
            return self._lost(task, error)
        if "nobody" in told:
            raise NoWorker(told["nobody"])
        return Done(task.key, Died(told["died"]) if "died" in told else told["answer"], told["seconds"])

    def _lost(self, task: Task, error: Exception) -> Done | None:
        self._engine.lost += 1
        self._losses[task.key] += 1
        if self._losses[task.key] < _LOSSES:
            return None
        how = f"its node was lost {_LOSSES} times, at last by {type(error).__name__}"
        return Done(task.key, Died(how), 0.0)

    def _room(self) -> int:
        """How many units may be under way; raises NoWorker if the cluster has had no processor for long."""
        now = time.monotonic()
        if now > self._looked + _LOOK or not self._looked:
            self._looked, self._processors = now, int(self._ray.cluster_resources().get("CPU", 0))
            self._seen = now if self._processors else self._seen
        if now > self._seen + _PATIENCE:
            raise NoWorker(f"the cluster has had no processor for {_PATIENCE:g} s")
        return self._jobs or 2 * self._processors or 1
