"""What a run leaves behind: a manifest of records, one blob of tensor bytes, and an end record written last.

Note [Manifest]
    `manifest.jsonl` holds one JSON object a line.  Every record has `kind` and `path`; those with elements also have
    `digest` and, unless the budget was spent, `at` and `length` in the file `blob`.  `end.json` is renamed into place
    after everything else: without it the run proves nothing.

Note [Folded tables]
    A package that keeps a registry (timm's holds some 40,000 values) would have it written, read and compared again in
    every run.  Such a table, in a module that is not edited, without a tensor in it, is one record with a digest and
    the number of its values; all of it counts as different if one value is.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from fixinplace.verify.jobs import Json
from fixinplace.verify.tensors import Reading

_dumps, _open, _replace = json.dumps, open, os.replace  # user code may patch them later
_sha256 = hashlib.sha256
_FOLDED = 1000
_WITHOUT_ELEMENTS = frozenset(("plain", "container", "opaque", "reference"))


class Records:
    """Collects records in memory while user code runs; touches the disk only in `write`.

    budget: bytes of tensor data that are kept; beyond it only digests are.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.rows: list[Json] = []
        self._parts: list[bytes] = []
        self._size = 0
        self._known: dict[str, tuple[int, int]] = {}

    def stored(self, reading: Reading) -> Json:
        """The reading as record fields; equal bytes are stored once."""
        if reading.data is None:
            return reading.facts
        digest, length = reading.digest, len(reading.data)
        if digest not in self._known:
            if self._size + length > self.budget:
                return reading.facts | {"digest": digest}
            self._known[digest] = (self._size, length)
            self._parts.append(reading.data)
            self._size += length
        at, length = self._known[digest]
        return reading.facts | {"digest": digest, "at": at, "length": length}

    def fold(self, first: int) -> None:
        """Make one record of all from the row `first` on, if they are many; see Note [Folded tables]."""
        rows = self.rows[first:]
        if len(rows) < _FOLDED or not all(row["kind"] in _WITHOUT_ELEMENTS for row in rows):
            return
        digest, values = _sha256(_dumps(rows).encode()).hexdigest(), sum(row["kind"] == "plain" for row in rows)
        self.rows[first:] = [{"kind": "folded", "values": values, "digest": digest,
                              **{key: rows[0][key] for key in ("path", "role", "type")}}]  # fmt: skip

    def write(self, folder: Path, end: Json) -> None:
        """Leave manifest, blob and end record in `folder`, in this order."""
        with _open(folder / "blob", "wb") as blob:
            blob.writelines(self._parts)
        with _open(folder / "manifest.jsonl", "w", encoding="utf-8") as manifest:
            manifest.writelines(_dumps(row) + "\n" for row in self.rows)
        with _open(folder / "end.tmp", "w", encoding="utf-8") as file:
            file.write(_dumps(end))
        _replace(folder / "end.tmp", folder / "end.json")
