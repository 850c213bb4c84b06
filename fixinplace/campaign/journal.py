"""The journal of a campaign: one SQLite file with the plan, the units, and what came of each.

Note [What a kill may cost]
    Every unit's result is one transaction, so a kill loses at most what is in flight.  WAL with `synchronous=NORMAL`: a
    commit survives the end of the process, however it ends, as the pages are with the kernel by then; only a power cut
    may take the last commits back, never the file's consistency, and a unit without a result is judged again, with the
    same result.  A result of which files were already written must not be lost, though: the new text would look like
    somebody else's change.  So `sync` makes everything durable before the first file is written.
    The file is locked for as long as it is open (`locking_mode=EXCLUSIVE`), and the lock ends with the process.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

Json = dict[str, Any]

VERSION = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE files (number INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE units (number INTEGER PRIMARY KEY, first INTEGER NOT NULL, stage TEXT NOT NULL, request TEXT NOT NULL,
                    deaths INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,
                    changed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE results (file INTEGER PRIMARY KEY, unit INTEGER NOT NULL, state TEXT NOT NULL, record TEXT NOT NULL,
                      data BLOB, trouble TEXT);
CREATE INDEX results_by_unit ON results (unit);
CREATE INDEX units_by_first ON units (stage, first);
"""
"""`first` is the number of a unit's first file, which its place in every order comes from."""


class JournalError(OSError):
    """The journal cannot be used; the message says why and what helps, in one line."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Files that are judged together: numbers of `files`, and more that the judge needs."""

    number: int
    first: int
    stage: str
    request: Json


@dataclass(frozen=True, slots=True)
class Row:
    """What is known about one file; state: `more` (to be proved), `judged`, `written`, or `kept` (`trouble` says why).

    unit, first, stage: the unit that it was judged in.
    """

    number: int
    unit: int
    first: int
    stage: str
    state: str
    record: Json
    data: bytes | None
    trouble: str | None
    seconds: float


class Journal:
    """An open journal; every method is one transaction.  Raises JournalError where another process has it open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._base = sqlite3.connect(path, timeout=0, isolation_level=None)
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
                self._base.execute(f"PRAGMA {pragma}")
            self._base.execute("BEGIN IMMEDIATE")  # takes the lock
            self._create()
        except sqlite3.OperationalError as error:
            self._base.close()
            if "locked" in str(error):
                raise JournalError(f"{path}: another `fixinplace migrate` is at work with this journal") from error
            raise JournalError(f"{path}: {error}") from error
        except sqlite3.DatabaseError as error:
            self._base.close()
            raise JournalError(f"{path}: {error}; remove the file to start anew") from error

    def _create(self) -> None:
        if not self._base.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            for statement in _SCHEMA.split(";"):
                self._base.execute(statement)
            self._put({"version": VERSION})
        self._base.execute("COMMIT")
        if self.meta("version") != VERSION:
            self._base.close()
            raise JournalError(f"{self.path}: made by another version of fixinplace; remove the file to start anew")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back; what is in the log moves into the file."""
        self._base.close()

    def sync(self) -> None:
        """Make everything durable, also against a power cut; see Note [What a kill may cost]."""
        self._base.execute("PRAGMA synchronous=FULL")
        self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # --- the plan

    def meta(self, key: str) -> Any:  # noqa: ANN401 - JSON
        """What was put under a key; None if nothing was."""
        row = self._base.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def _put(self, values: Json) -> None:
        pairs = [(key, json.dumps(value)) for key, value in values.items()]
        self._base.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", pairs)

    def put(self, values: Json) -> None:
        """Put values under their keys."""
        with _Transaction(self._base):
            self._put(values)

    def plan(self, meta: Json, records: Iterable[Json]) -> None:
        """Write the plan in place of whatever was there: all of it or nothing."""
        with _Transaction(self._base):
            for table in ("meta", "files", "units", "results"):
                self._base.execute(f"DELETE FROM {table}")
            rows = ((number, json.dumps(record)) for number, record in enumerate(records))
            self._base.executemany("INSERT INTO files VALUES (?, ?)", rows)
            self._put({"version": VERSION, **meta})

    def files(self) -> Iterator[tuple[int, Json]]:
        """Number and record of every planned file, in order."""
        for number, record in self._base.execute("SELECT number, record FROM files ORDER BY number"):
            yield number, json.loads(record)

    def file(self, number: int) -> Json:
        """The record of one planned file."""
        record: Json = json.loads(
            self._base.execute("SELECT record FROM files WHERE number = ?", (number,)).fetchone()[0]
        )
        return record

    def add_units(self, stage: str, units: Iterable[tuple[Sequence[int], Json]], meta: Json) -> None:
        """Units of a stage: the numbers of their files, and what else their request holds."""
        with _Transaction(self._base):
            rows = ((files[0], stage, json.dumps({**more, "files": list(files)})) for files, more in units)
            self._base.executemany("INSERT INTO units (first, stage, request) VALUES (?, ?, ?)", rows)
            self._put(meta)

    # --- units

    def todo(self, stage: str) -> Iterator[Unit]:
        """Units without a result, in the order of their first files; may be read while results come in."""
        after = -1
        columns = "number, first, stage, request"
        query = f"SELECT {columns} FROM units WHERE stage = ? AND done = 0 AND first > ? ORDER BY first LIMIT 100"
        while rows := self._base.execute(query, (stage, after)).fetchall():
            after = rows[-1][1]
            yield from (Unit(number, first, at, json.loads(request)) for number, first, at, request in rows)

    def counts(self, stage: str) -> tuple[int, int]:
        """Units of a stage: how many have a result, and how many there are."""
        row = self._base.execute("SELECT coalesce(sum(done), 0), count(*) FROM units WHERE stage = ?", (stage,))
        done, total = row.fetchone()
        return int(done), int(total)

    def died(self, unit: Unit) -> int:
        """Note that a worker died of a unit; how often that has happened by now."""
        with _Transaction(self._base):
            self._base.execute("UPDATE units SET deaths = deaths + 1 WHERE number = ?", (unit.number,))
            row = self._base.execute("SELECT deaths FROM units WHERE number = ?", (unit.number,)).fetchone()
        return int(row[0])

    def finish(
        self, unit: Unit, results: Iterable[tuple[int, str, Json, bytes | None]], seconds: float, changed: int
    ) -> None:
        """Put down what came of a unit: file number, state, record, new bytes."""
        with _Transaction(self._base):
            rows = [(n, unit.number, state, json.dumps(record), data) for n, state, record, data in results]
            self._base.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, NULL)", rows)
            values = (seconds, changed, unit.number)
            self._base.execute("UPDATE units SET done = 1, seconds = ?, changed = ? WHERE number = ?", values)

    def changes(self, stage: str) -> Iterator[tuple[int, int | None]]:
        """First file and number of changed files of every unit of a stage, in order; None where it has no result."""
        query = "SELECT first, done, changed FROM units WHERE stage = ? ORDER BY first"
        for first, done, changed in self._base.execute(query, (stage,)):
            yield first, changed if done else None

    def behind(self, stage: str, first: int) -> int:
        """Number of files in the units of a stage from a first file on."""
        query = "SELECT request FROM units WHERE stage = ? AND first >= ?"
        return sum(len(json.loads(request)["files"]) for (request,) in self._base.execute(query, (stage, first)))

    # --- results

    def rows(self, unit: int | None = None) -> Iterator[Row]:
        """Results in the order of the files, of all units or of one; may be read while others are marked."""
        after, where = -1, "" if unit is None else f"AND unit = {unit}"
        query = f"""
            SELECT file, unit, first, stage, state, record, data, trouble, seconds
            FROM results JOIN units ON units.number = unit WHERE file > ? {where} ORDER BY file LIMIT 100"""
        while rows := self._base.execute(query, (after,)).fetchall():
            after = rows[-1][0]
            for number, home, first, stage, state, record, data, why, seconds in rows:
                yield Row(number, home, first, stage, state, json.loads(record), data, why, seconds)

    def mark(self, written: Iterable[int], kept: Iterable[tuple[int, str]]) -> None:
        """Note of the files of a unit that they are written, or why they are kept as they are."""
        with _Transaction(self._base):
            rows = [("written", None, number) for number in written] + [("kept", why, number) for number, why in kept]
            self._base.executemany("UPDATE results SET state = ?, trouble = ? WHERE file = ?", rows)


class _Transaction:
    """All of a block or nothing of it."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def __enter__(self) -> None:
        self._base.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._base.execute("COMMIT" if kind is None else "ROLLBACK")
