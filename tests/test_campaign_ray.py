"""`migrate --engine ray` on real clusters on this machine.

Ray takes 240 MB, so the extra `test` does not bring it: `pip install -e '.[test,ray]'`, and then
`pytest -m "slow or not slow" tests/test_campaign_ray.py`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from campaigns import STATIC, started, texts, tree

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: pip install -e '.[test,ray]'"),
    pytest.mark.slow,
]

JOURNAL = Path(".fixinplace/campaign.sqlite")

SLOW = """\
import time

import torch


def layer(a, skip):
    h = torch.sigmoid(a)
    h += 1
    return h * skip


if __name__ == "__main__":
    time.sleep(0.3)
    w = torch.ones(3, requires_grad=True)
    layer(w * {number}, w).sum().backward()
"""

DRIVER = """\
import sys
from pathlib import Path

import campaigns
from ray.cluster_utils import Cluster

from fixinplace.campaign.pool import Guard
from fixinplace.campaign.ray_engine import RayEngine
from fixinplace.campaign.unit import Judging
from fixinplace.commands import migrate
from fixinplace.commands.migrate import Going
from fixinplace.pipeline import Mode

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
nodes = [cluster.add_node(num_cpus=1)]
proved = []


class Killing(campaigns.Watching):
    def one(self, standings):
        proved.append(self.name)
        if proved.count("prove") == 2 and nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    def close(self):
        pass


migrate.watcher = lambda *_, **__: Killing()
engine = RayEngine(0, Guard(), cluster.address, 1)
code = campaigns.run(Judging(Mode.AUTO, inputs=False), engine, Going(report="../report"), paths=(".",))
print("lost", engine.lost, "nodes left", len(cluster.list_all_nodes()))
cluster.shutdown()
sys.exit(code)
"""


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders with the same files; the first is the current one."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = tmp_path / "here" / "work", tmp_path / "there" / "work"
    for each in made:
        tree(each, 3)
        for number in range(2, 8):
            (each / f"train{number}.py").write_text(SLOW.format(number=number))
        (each / "pyproject.toml").write_text("")
    monkeypatch.chdir(made[0])
    return made


def migrated(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fixinplace", "migrate", ".", "--no-inputs", "--no-cache", "--quiet", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def rows(folder: Path) -> list[str]:
    """The rows of a report, as they stand there but for the seconds, which are never the same."""
    found: list[dict[str, Any]] = [json.loads(line) for line in (folder / "files.jsonl").read_text().splitlines()]
    return [json.dumps({key: value for key, value in each.items() if key != "seconds"}) for each in found]


def unpacked() -> list[str]:
    """What campaigns have left on the nodes, which are all this machine."""
    home = Path(tempfile.gettempdir()).resolve() / f"fixinplace-ray-{os.getuid()}"
    return [path.name for path in home.iterdir() if path.name != "gate"]


def test_a_cluster_that_loses_a_node_gives_what_one_machine_gives(trees: tuple[Path, Path]):
    here, there = trees
    local = migrated(here, "--jobs", "2", "--report", "../report")
    tests = str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((tests, str(Path(tests).parent)))}

    done = subprocess.run(
        [sys.executable, "-c", DRIVER], cwd=there, env=environment, capture_output=True, text=True, check=False
    )

    assert local.returncode == done.returncode == 2, done.stderr  # there is a file that does not parse
    lost, left = (int(word) for word in done.stdout.splitlines()[-1].split() if word.isdecimal())
    assert lost >= 1
    assert left == 1
    assert texts(there) == texts(here)
    assert "proved 6" in local.stderr
    assert rows(there.parent / "report") == rows(here.parent / "report")
    assert all(line in done.stderr for line in local.stderr.splitlines())


def test_a_unit_that_always_fails_is_quarantined_as_here(trees: tuple[Path, Path]):
    here, there = trees
    for folder in trees:
        shutil.rmtree(folder / "pkg" / "part0")
    words = ("--verify", "off", "--unit-timeout", "0.1", "--report", "../report")
    for folder in trees:  # what takes longer than a tenth of a second to read
        (folder / "large.py").write_text((folder / "pkg/part1/m01.py").read_text() + "x = (1, 2, 3)\n" * 60_000)

    local, done = migrated(here, *words), migrated(there, *words, "--engine", "ray", "--jobs", "1")

    assert (
        "large.py:1:1  FIP906 quarantined  the worker ended at it twice, and it is left alone: it took" in done.stderr
    )
    assert done.returncode == local.returncode == 2
    assert done.stderr == local.stderr
    assert rows(there.parent / "report") == rows(here.parent / "report")
    assert texts(there) == texts(here)


def test_a_campaign_that_was_begun_here_goes_on_on_a_cluster(trees: tuple[Path, Path], capfd):
    here, there = trees
    words = ("--verify", "off")
    local = migrated(there, *words)
    JOURNAL.parent.mkdir()
    started(JOURNAL, STATIC, 4, (".",))
    capfd.readouterr()

    done = migrated(here, *words, "--inputs", "--resume", "--engine", "ray", "--jobs", "2")

    assert done.stderr == local.stderr
    assert texts(here) == texts(there)
    assert unpacked() == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:{port}", "nobody answers there"),
        ("ray://127.0.0.1:{port}", "nobody answers there"),
        ("auto", "HOST:PORT of the head node, or ray://HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(address: str, reason: str, trees: tuple[Path, Path], tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        said = address.format(port=free.getsockname()[1])

        done = migrated(trees[0], "--engine", "ray", "--ray-address", said)

    assert done.returncode == 2
    assert done.stderr.startswith(f"fixinplace: --ray-address {said}: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert not JOURNAL.exists()
