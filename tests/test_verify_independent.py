"""In which type the second opinion on the gradients is asked for, and when it is not: by what a run has left."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from fixinplace.verify import independent
from fixinplace.verify.bench import Bench
from fixinplace.verify.jobs import ForwardEnd, Limits, Run, Status


class Ran:
    """A bench whose rewritten version left so many bytes, and whose forward-mode runs all take a derivative."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.asked = folder, list[dict[str, Any]]()
        with (folder / "blob").open("wb") as blob:
            blob.truncate(size)

    def original(self, **mode: Any) -> Run:
        self.asked.append(mode)
        return Run(Status.ENDED, str(self.folder), forward=ForwardEnd("", False, 1, False, False, False))

    def rewritten(self, **mode: Any) -> Run:
        return Run(Status.ENDED, str(self.folder))


@pytest.mark.parametrize(("share", "mode"), [(0.1, {"double": True}), (0.5, {"double": True}), (0.6, {})])
def test_float64_is_asked_for_where_twice_as_many_bytes_are_kept(tmp_path: Path, share: float, mode: dict[str, Any]):
    ran = Ran(tmp_path, int(share * (Limits().file_size // 2)))

    assert independent._mode(cast("Bench", ran)) == mode
    assert ran.asked == [mode | {"forward": 0}]


def test_nothing_is_run_where_not_all_gradients_were_kept(tmp_path: Path):
    ran = Ran(tmp_path, Limits().file_size // 2 - 1)

    assert independent._mode(cast("Bench", ran)) == "the gradients are more than are kept"
    assert ran.asked == []
