"""What programs return: one interpreter that has computed nothing, and a forked child of it for each."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch


def computed(*paths: Path) -> list[Any]:
    """What `main()` of each program returns."""
    run = subprocess.run([sys.executable, __file__, *map(str, paths)], check=False, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    found: list[Any] = pickle.loads(run.stdout)
    return found


def same(one: Any, other: Any) -> bool:
    """True if two results are equal bit by bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else bool(one == other)


def _returned(path: str) -> Any:
    from repair_runs import plain

    torch.set_num_threads(1)
    namespace: dict[str, Any] = {"__name__": "program"}
    exec(compile(Path(path).read_bytes(), path, "exec"), namespace)
    return plain(namespace["main"]())


def main(paths: Sequence[str]) -> None:
    from repair_runs import fork

    sys.stdout.buffer.write(pickle.dumps([fork(_returned, path) for path in paths]))


if __name__ == "__main__":
    main(sys.argv[1:])
