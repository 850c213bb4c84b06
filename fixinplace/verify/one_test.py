"""`python -m fixinplace.verify.one_test FILE NAME ARGUMENTS...`: one test of a pytest run, whose end is the run's end.

FILE: absolute path of the test's file. NAME: its qualified name, `TestNet.test_step`; all its parameters are run, up to
the first that fails. ARGUMENTS: the pytest run's own. What the test, or what prepares it, raises is raised again, so
that the run ends where the test does; what pytest prints, times among it, is dropped.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

MODULE = __name__ if __name__ != "__main__" else "fixinplace.verify.one_test"


class _Only:
    """A pytest plugin: runs one test, and keeps what ended it."""

    def __init__(self, file: str, name: str) -> None:
        self._file, self._names = os.path.realpath(file), name.split(".")
        self.error: BaseException | None = None

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if self._is_it(item)]

    def pytest_exception_interact(self, call: Any) -> None:
        self.error = self.error or call.excinfo.value

    def _is_it(self, item: Any) -> bool:
        names = [getattr(each, "originalname", None) or each.name for each in item.listchain()]
        return os.path.realpath(item.path) == self._file and names[-len(self._names) :] == self._names


def main() -> None:
    """Run the test; raises what it raised."""
    import pytest

    file, name, *arguments = sys.argv[1:]
    only = _Only(file, name)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    pytest.main([*arguments, "-x"], plugins=[only])
    if only.error is not None:
        raise only.error


if __name__ == "__main__":
    main()
