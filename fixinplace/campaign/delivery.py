"""Where the new texts go: into the files, to standard output, into another folder, or into patches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fixinplace import files
from fixinplace.campaign.journal import Journal, Row
from fixinplace.campaign.unit import CHANGED
from fixinplace.config import BadConfig
from fixinplace.report.diff import between

Troubles = dict[int, str]
"""Number of a file → why its change went nowhere."""


@dataclass(frozen=True, slots=True)
class Change:
    """One changed file of a unit: number, path, digest of the plan, digest and bytes of the new text."""

    number: int
    path: str
    digest: str
    after: str
    data: bytes


class Delivery(Protocol):
    """Takes the changes of one unit after the other."""

    def take(self, changes: Sequence[Change]) -> Troubles:
        """Deliver all of them or none; what could not be delivered, and why."""

    def close(self) -> None:
        """Deliver what was collected; raises files.NotWritten."""


def changes(journal: Journal, wanted: Callable[[Row], bool]) -> Iterator[list[Change]]:
    """Changes of the wanted files, unit by unit, in the order of their first files."""
    seen: set[int] = set()
    for row in journal.rows():
        if row.data is None or row.unit in seen or not wanted(row):
            continue
        seen.add(row.unit)
        yield [_change(journal, each) for each in journal.rows(row.unit) if each.data is not None and wanted(each)]


def _change(journal: Journal, row: Row) -> Change:
    assert row.data is not None
    record = journal.file(row.number)
    return Change(row.number, record["path"], record["digest"], row.record["after"], row.data)


class InPlace:
    """Writes the files themselves; a file that already holds the new bytes counts as written.

    prefix: what the names of temporary files begin with, so that those of a killed run are known as its own.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def sweep(self, changes: Iterable[Change]) -> None:
        """Remove what a killed run left beside these files."""
        for folder in {Path(change.path).resolve().parent for change in changes}:
            for left in folder.glob(f"{self._prefix}*"):
                left.unlink(missing_ok=True)

    def take(self, changes: Sequence[Change]) -> Troubles:
        """Replace the files of one unit."""
        found = {change.number: files.digest(change.path) for change in changes}
        todo = [change for change in changes if found[change.number] != change.after]
        foreign = [change for change in todo if found[change.number] != change.digest]
        if foreign:
            together = f"goes together with {foreign[0].path}, which {CHANGED}"
            return {change.number: CHANGED if change in foreign else together for change in todo}
        try:
            files.write([files.Change(each.path, each.digest, each.data) for each in todo], self._prefix)
        except files.NotWritten as error:
            return {change.number: str(error) for change in todo}
        return {}

    def close(self) -> None:
        """Nothing is left to do."""


class Printed:
    """A unified diff on standard output."""

    def __init__(self, out: Callable[[bytes], None]) -> None:
        self._out = out

    def take(self, changes: Sequence[Change]) -> Troubles:
        """Print the diffs of one unit."""
        diffs = diffs_of(changes)
        if isinstance(diffs, dict):
            return diffs
        self._out(diffs)
        return {}

    def close(self) -> None:
        """Nothing is left to do."""


def diffs_of(changes: Sequence[Change]) -> bytes | Troubles:
    """The diff of a unit, or which of its files hold other bytes by now."""
    if any(files.digest(change.path) != change.digest for change in changes):
        return {change.number: CHANGED for change in changes}
    return b"".join(between(each.path, Path(each.path).read_bytes(), each.data) for each in changes)


class Folder:
    """Changed files in another folder, under the paths that reports print."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, changes: Sequence[Change]) -> Troubles:
        """Write the files of one unit."""
        if any(files.digest(change.path) != change.digest for change in changes):
            return {change.number: CHANGED for change in changes}
        for change in changes:
            files.put(self._folder / change.path.lstrip("/"), change.data)
        return {}

    def close(self) -> None:
        """Nothing is left to do."""


class Patches:
    """One patch, or one for each group of units: `FILE-001-NAME.patch` beside FILE.

    A unit is never divided: it belongs where its first file does.  key: the group of a path; number: units are put
    together until a patch has that many files.  Neither: one patch.
    """

    def __init__(self, file: Path, key: Callable[[str], str] | None = None, number: int | None = None) -> None:
        self._file, self._key, self._number = file, key, number
        self._groups: dict[str, list[bytes]] = {}
        self._sizes: dict[str, int] = {}
        self.made: list[Path] = []

    def take(self, changes: Sequence[Change]) -> Troubles:
        """Put the diffs of one unit where they belong."""
        diffs = diffs_of(changes)
        if isinstance(diffs, dict):
            return diffs
        name = self._name(changes)
        self._groups.setdefault(name, []).append(diffs)
        self._sizes[name] = self._sizes.get(name, 0) + len(changes)
        return {}

    def _name(self, changes: Sequence[Change]) -> str:
        if self._key is not None:
            return self._key(changes[0].path)
        last = len(self._groups)
        if self._number is None or (last and self._sizes[str(last)] + len(changes) <= self._number):
            return str(max(last, 1))
        return str(last + 1)

    def close(self) -> None:
        """Write the patches; without any change one that is empty, so that whoever waits for the file finds it."""
        if self._key is None and self._number is None:
            self._put(self._file, self._groups.get("1", []))
            return
        for count, (name, diffs) in enumerate(sorted(self._groups.items(), key=self._order), start=1):
            slug = "-" + re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] if self._key is not None else ""
            self._put(self._file.with_name(f"{self._file.stem}-{count:03}{slug}{self._file.suffix}"), diffs)

    def _order(self, group: tuple[str, list[bytes]]) -> tuple[int, str]:
        return (int(group[0]), "") if self._key is None else (0, group[0])

    def _put(self, file: Path, diffs: Iterable[bytes]) -> None:
        files.put(file, b"".join(diffs))
        self.made.append(file)


def grouping(word: str | None, owner: Callable[[str], str]) -> tuple[Callable[[str], str] | None, int | None]:
    """`--patch-by`: the group of a path, or how many files a patch may have; raises BadConfig."""
    if word == "folder":
        return (lambda path: Path(path).parent.as_posix()), None
    if word == "owner":
        return owner, None
    if word is None:
        return None, None
    if word.isdecimal() and int(word):
        return None, int(word)
    raise BadConfig(f"--patch-by {word}: folder, owner, or how many files a patch may have")
