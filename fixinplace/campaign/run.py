"""The way of a campaign from its plan to the last judgement; all state is in the journal, so it can be resumed."""

from __future__ import annotations

import base64
import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from fixinplace import __version__
from fixinplace.campaign import plan, rows
from fixinplace.campaign.engines import Engine, Tree
from fixinplace.campaign.journal import Journal, Row, Unit
from fixinplace.campaign.pool import Died, Done, Task
from fixinplace.campaign.unit import Judging
from fixinplace.commands.inputs import Selection
from fixinplace.config import BadConfig

Json = dict[str, Any]

_DEATHS = 2
"""A unit whose worker died that often is quarantined."""


class Watcher(Protocol):
    """Is told how a campaign goes."""

    def stage(self, name: str, done: int, total: int) -> None:
        """A stage begins, of which some units may be done already."""

    def one(self, standings: Iterable[tuple[str, str]]) -> None:
        """A unit has its result: what its findings count as, as `rows.standings` tells it."""

    def tick(self) -> None:
        """Some time has passed."""


def options(selection: Selection, judging: Judging, shard: tuple[int, int]) -> Json:
    """Everything that decides about results: a campaign goes on under the same ones only."""
    chosen = {"paths": selection.paths, "select": selection.select, "ignore": selection.ignore}
    own = {key: value for key, value in asdict(judging).items() if key != "cache"}
    return {**chosen, "config": selection.config, **own, "shard": list(shard), "tool": __version__}


class Campaign:
    """One campaign and its journal.

    most: stop after so many changed files; None for no limit.
    """

    def __init__(self, journal: Journal, judging: Judging, shard: tuple[int, int], most: int | None = None) -> None:
        self._journal, self._judging, self._shard, self._most = journal, judging, shard, most

    @cached_property
    def _configs(self) -> list[Json]:
        found: list[Json] = self._journal.meta("configs")
        return found

    @property
    def last(self) -> str:
        """The stage that results come from."""
        return "prove" if self._judging.policy.runs else "detect"

    # --- judging

    def judge(self, engine: Engine, watcher: Watcher) -> None:
        """Bring every unit to its result; raises BadConfig for options that a worker cannot use."""
        journal = self._journal
        if journal.meta("stage") == "planned":
            journal.add_units("detect", self._to_detect(), {"stage": "detect"})
        if journal.meta("stage") == "detect":
            self._work("detect", engine, watcher)
            if self.last == "prove":
                journal.add_units("prove", self._to_prove(), {"stage": "prove"})
        if journal.meta("stage") == "prove":
            self._work("prove", engine, watcher)

    def _to_detect(self) -> Iterator[tuple[list[int], Json]]:
        for number, record in self._journal.files():
            if self.last == "prove" or plan.in_shard(record["path"], self._shard):
                yield [number], {"scripts": {}}

    def _to_prove(self) -> list[tuple[list[int], Json]]:
        configs = plan.configurations(self._configs)
        paths = dict(self._journal.files())
        fixable = {
            paths[row.number]["path"]: (row.number, configs[paths[row.number]["config"]], row.record["script"])
            for row in self._journal.rows()
            if row.state == "more"
        }
        every = [record["path"] for record in paths.values()]
        found = plan.units(fixable, every, self._judging.proving)
        return [each for each in found if plan.in_shard(paths[each[0][0]]["path"], self._shard)]

    def _work(self, stage: str, engine: Engine, watcher: Watcher) -> None:
        watcher.stage(stage, *self._journal.counts(stage))
        units: dict[int, Unit] = {}
        limit = Limit(self._journal.changes(stage), self._most) if stage == self.last else None

        def tasks() -> Iterator[Task]:
            for unit in self._journal.todo(stage):
                if limit is not None and limit.reached:
                    return
                units[unit.number] = unit
                yield Task(unit.number, self._request(unit), len(unit.request["files"]))

        def again(task: Task, died: Died) -> bool:
            return self._journal.died(units[task.key]) < _DEATHS

        with engine.crew(asdict(self._judging), self._tree) as crew:
            for done in crew.run(tasks(), again, watcher.tick):
                unit = units.pop(done.key)
                changed = self._finish(unit, done, watcher)
                if limit is not None:
                    limit.learn(unit.first, changed)

    def _tree(self) -> Tree:
        named = [(str(Path.cwd()), word) for word in self._judging.probes]
        configured = [(each["root"], word) for each in self._configs for word in each["probes"]]
        return Tree(tuple(record["path"] for _, record in self._journal.files()), tuple(named or configured))

    def _request(self, unit: Unit) -> Json:
        configs = self._configs
        records = (self._journal.file(number) for number in unit.request["files"])
        found = [{**record, **configs[record["config"]]} if configs else record for record in records]
        return {"stage": unit.stage, "files": found, "scripts": unit.request["scripts"]}

    def _finish(self, unit: Unit, done: Done, watcher: Watcher) -> int:
        """Put a result into the journal; the number of files that it changes."""
        if isinstance(done.answer, Died):
            message = f"the worker ended at it twice, and it is left alone: {done.answer.how}"
            answers = [self._failed(number, "FIP906", message) for number in unit.request["files"]]
        elif "bad" in done.answer:
            raise BadConfig(done.answer["bad"])
        elif "failed" in done.answer:
            message = f"{done.answer['failed']}; please report it"
            answers = [self._failed(number, "FIP904", message) for number in unit.request["files"]]
        else:
            answers = done.answer["files"]
        results = [
            (number, each["state"], each["record"], base64.b64decode(each["data"]) if each["data"] else None)
            for number, each in zip(unit.request["files"], answers, strict=True)
        ]
        changed = sum(each["data"] is not None for each in answers)
        self._journal.finish(unit, results, done.seconds, changed)
        judged = [each["record"]["document"] for each in answers if each["state"] == "judged"]
        watcher.one(standing for document in judged for standing in rows.standings(document))
        return changed

    def _failed(self, number: int, rule: str, message: str) -> Json:
        record = self._journal.file(number)
        found = rows.failed(record["path"], record["digest"], rule, message)
        return {"state": "judged", "record": {"document": found, "after": None}, "data": None}

    # --- results

    @cached_property
    def cut(self) -> int | None:
        """The first file of the first unit that is left for another call; asked for when all is judged."""
        return Limit(self._journal.changes(self.last), self._most).cut

    @property
    def left(self) -> int:
        """Number of files that are left for another call."""
        return 0 if self.cut is None else self._journal.behind(self.last, self.cut)

    def wants(self, row: Row) -> bool:
        """True if a result is the last word on a file of this shard that is not left for another call."""
        if row.state == "more" or (self.cut is not None and row.stage == self.last and row.first >= self.cut):
            return False
        return plan.in_shard(self._journal.file(row.first)["path"], self._shard)

    def rows(self, troubles: Mapping[int, str]) -> Iterator[Json]:
        """What is reported, file by file; troubles: number of a file → why its change went nowhere.

        Each is the document of a file with the `unit` that it was judged in (the path of its first file) and `seconds`.
        """
        for row in self._journal.rows():
            if self.wants(row):
                document = row.record["document"]
                trouble = row.trouble or troubles.get(row.number)
                told = document if trouble is None else rows.unwritten(document, trouble)
                yield {**told, "unit": self._journal.file(row.first)["path"], "seconds": round(row.seconds, 3)}


class Limit:
    """How far in the order of the units `most` changes reach, whatever the order in which results come.

    changes: first file of every unit, in order, and how many files it changes; None if that is not known yet.
    """

    def __init__(self, changes: Iterable[tuple[int, int | None]], most: int | None) -> None:
        self._most = most
        self._firsts: list[int] = []
        self._changes: list[int | None] = []
        for first, changed in changes if most is not None else ():
            self._firsts.append(first)
            self._changes.append(changed)
        self._next = self._sum = 0
        self.cut: int | None = None
        self._go_on()

    @property
    def reached(self) -> bool:
        """True if nothing more has to be judged."""
        return self.cut is not None

    def learn(self, first: int, changed: int) -> None:
        """A unit has its result."""
        if self._most is not None:
            self._changes[bisect.bisect_left(self._firsts, first)] = changed
            self._go_on()

    def _go_on(self) -> None:
        while self.cut is None and self._next < len(self._firsts):
            changed = self._changes[self._next]
            full = self._sum == self._most
            if changed is None and not full:
                return
            assert self._most is not None
            if full or self._sum + (changed or 0) > self._most:
                self.cut = self._firsts[self._next]
            self._sum += changed or 0
            self._next += 1
