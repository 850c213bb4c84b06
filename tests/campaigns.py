"""What the tests of `migrate` share: a tree with something of everything, and a campaign that runs in this process."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from fixinplace.campaign.engines import Engine, Local
from fixinplace.campaign.journal import Journal
from fixinplace.campaign.pool import Guard
from fixinplace.campaign.run import Campaign
from fixinplace.campaign.unit import Judging
from fixinplace.commands import migrate
from fixinplace.commands.console import Console
from fixinplace.commands.inputs import Selection
from fixinplace.commands.migrate import Going, Target
from fixinplace.pipeline import Mode

SAFE = """\
import torch


def layer{number}(a: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    h = torch.sigmoid(a)
    h += 1
    return h * skip
"""
REFUSED = """\
import torch


def kept(a: torch.Tensor):
    h = torch.sigmoid(a)
    alias = {"a": [h]}
    print(len(alias))
    h += 1
    return alias
"""
CLEAN = "import torch\n\n\ndef plain(a):\n    return torch.sigmoid(a)\n"

STATIC = Judging(Mode.OFF)


def tree(root: Path, count: int = 12) -> dict[str, str]:
    """Files in three folders: most with a safe fix, some with a refusal, a clean one, and one that does not parse."""
    made = {f"pkg/part{number % 3}/m{number:02}.py": SAFE.format(number=number) for number in range(count)}
    made |= {"pkg/part0/refused.py": REFUSED, "pkg/clean.py": CLEAN, "pkg/broken.py": "def (:\n"}
    for name, text in made.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return made


def texts(root: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones of ours and of git's left out."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not {".git", ".fixinplace"} & set(path.parts)
    }


def git(*words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *identity, *words], check=True, capture_output=True)


class Stopped(Exception):
    """Stands for a kill: nothing that is in flight comes to its end."""


@dataclasses.dataclass
class Watching:
    """Ends a campaign after some units."""

    after: int | None = None

    def stage(self, name: str, done: int, total: int) -> None:
        self.name, self.done, self.total = name, done, total

    def one(self, standings: Iterable[tuple[str, str]]) -> None:
        del standings
        if self.after is not None:
            self.after -= 1
            if self.after <= 0:
                raise Stopped

    def tick(self) -> None:
        pass


def run(
    judging: Judging = STATIC,
    engine: Engine | None = None,
    going: Going | None = None,
    target: Target | None = None,
    paths: tuple[str, ...] = ("pkg",),
) -> int:
    """`migrate` in this process; the exit code."""
    going = dataclasses.replace(going or Going(), quiet=True)
    return migrate.migrate(Selection(paths), judging, engine or Local(), going, target or Target(), Console())


def started(journal: Path, judging: Judging, after: int, paths: tuple[str, ...] = ("pkg",)) -> None:
    """A campaign that stops after some units, as if it had been killed."""
    with Journal(journal) as base:
        migrate.begin(base, Selection(paths), judging, (1, 1), Going(), Target())
        campaign = Campaign(base, judging, (1, 1))
        try:
            campaign.judge(Local(), Watching(after))
        except Stopped:
            return
        raise AssertionError("it came to its end before it was stopped")


def engine_with(worker: str, tmp_path: Path, guard: Guard | None = None, jobs: int = 1) -> Local:
    """An engine whose workers are the real ones, with some lines run first."""
    program = tmp_path / "worker.py"
    program.write_text(f"{worker}\nfrom fixinplace.campaign.worker import main\nmain()\n")
    return Local(jobs, guard or Guard(), lambda: [sys.executable, str(program), str(os.getpid())])
