"""Files of JSON by key, in the user's cache folder; anything that cannot be read there counts as absent."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from fixinplace import warm


def default() -> Path:
    """Where caches are kept; see `warm.folder`."""
    return Path(warm.folder())


class Cache:
    """A folder of JSON files; None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, key: str) -> list[dict[str, Any]] | None:
        """What was put under the key; None if there is nothing whole."""
        if self._folder is None:
            return None
        try:
            data = json.loads(self._file(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return data if isinstance(data, list) and all(isinstance(each, dict) for each in data) else None

    def put(self, key: str, rows: list[dict[str, Any]]) -> None:
        """Keep rows; whoever reads at the same time finds the old file or the new one, whole."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time, nothing else
            file = self._file(key)
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(rows, stream, indent=1)
            Path(name).replace(file)

    def _file(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / "probes" / f"{key}.json"
