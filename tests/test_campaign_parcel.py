"""What a node of a cluster gets, and what it makes of it; without a cluster, and without Ray."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from campaigns import SAFE, STATIC

from fixinplace.campaign import parcel, ray_boot, ray_engine, ray_node
from fixinplace.campaign.engines import Tree
from fixinplace.campaign.parcel import pack
from fixinplace.campaign.pool import Died, Guard, NoWorker, Task
from fixinplace.campaign.unit import Judge, Judging
from fixinplace.config import BadConfig
from fixinplace.pipeline import Mode

HELPER = "def wanted(x):\n    return x.sum()\n"
SCRIPT = """\
import torch

from helper import wanted


def layer(a):
    h = torch.sigmoid(a)
    h += 1
    return h.sin()


if __name__ == "__main__":
    w = torch.ones(3, requires_grad=True)
    wanted(layer(w * 2)).backward()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without anything yet, and a folder of its own for what is unpacked."""
    work, scratch = tmp_path / "work", tmp_path / "scratch"
    for each in (work, scratch):
        each.mkdir()
    (work / "pyproject.toml").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.chdir(work)
    return work


def write(files: dict[str, str | bytes]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())


def names(data: bytes, below: Path) -> set[str]:
    """What an archive holds below a folder."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
        found = (Path("/", Path(each.name).relative_to("tree")) for each in archive if each.name.startswith("tree"))
        return {path.relative_to(below).as_posix() for path in found if path.is_relative_to(below)} - {"."}


# --- what is shipped


def test_sources_are_shipped_and_the_rest_is_not(folder: Path):
    write(
        {
            "pkg/a.py": SAFE, "pkg/sub/b.py": HELPER, "pkg/settings.yaml": "a: 1\n", "pkg/native.so": b"\x7fELF",
            "pkg/weights.pt": b"0", "pkg/image.png": b"0", "pkg/large.json": b" " * ((1 << 20) + 1),
            ".env.json": "{}", ".hidden/c.py": HELPER, "pkg/__pycache__/d.py": HELPER, "mine/pyvenv.cfg": "",
            "mine/lib/e.py": HELPER, "venv/f.py": HELPER, "../beside/g.py": HELPER,
        }
    )  # fmt: skip

    data = pack(Tree(("pkg/a.py",))).data

    assert names(data, folder) == {"pyproject.toml", "pkg/a.py", "pkg/sub/b.py", "pkg/settings.yaml", "pkg/native.so"}
    assert not names(data, folder.parent / "beside")


def test_what_the_campaign_names_is_shipped_wherever_it_lies(folder: Path):
    write({".hidden/a.py": SAFE, "b.py": SAFE, "../beside/probe.py": HELPER, "../beside/lib/more.py": HELPER})
    (folder.parent / "beside" / "setup.py").write_text("")

    data = pack(Tree((".hidden/a.py", "b.py"), ((str(folder), "../beside/pro*.py::wanted"),))).data

    assert names(data, folder) == {"pyproject.toml", ".hidden/a.py", "b.py"}
    assert names(data, folder.parent / "beside") == {"setup.py", "probe.py", "lib/more.py"}


def test_folders_that_modules_are_found_in_are_shipped_and_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    write({"a.py": SAFE, "../lib/helper.py": HELPER})
    lib = folder.parent / "lib"
    monkeypatch.setenv("PYTHONPATH", f"{lib}{os.pathsep}/no/such/folder")

    found = pack(Tree(("a.py",)))

    assert str(lib) in found.paths
    assert "/no/such/folder" not in found.paths
    assert names(found.data, lib) == {"helper.py"}


def test_the_same_content_is_the_same_archive(folder: Path):
    write({"a.py": SAFE, ".git/HEAD": "ref"})
    first = pack(Tree(("a.py",)))
    os.utime("a.py", (1, 1))

    assert pack(Tree(("a.py",))) == first
    assert names(first.data, folder) == {"pyproject.toml", "a.py", ".git"}
    Path("a.py").write_text(HELPER)
    assert pack(Tree(("a.py",))).digest != first.digest


def test_too_much_is_not_shipped(folder: Path, monkeypatch: pytest.MonkeyPatch):
    write({"a.py": SAFE})
    monkeypatch.setattr(parcel, "_ALL", 1 << 20)
    write({"b.py": b"#" * (1 << 20)})

    with pytest.raises(BadConfig, match=r"more than 1 MB of sources would be shipped, from .*py on"):
        pack(Tree(("a.py",)))


# --- what a node makes of it


def unpacked(*files: str, name: str = "one") -> Path:
    found = pack(Tree(files))
    return ray_boot.unpacked(found.data, found.digest, name)


def order(request: dict[str, Any], judging: Judging = STATIC, guard: Guard | None = None, **other: Any) -> str:
    guard = guard or Guard()
    told = {
        "setup": {**vars_of(judging)}, "guard": {"seconds": guard.seconds, "memory": guard.memory}, "files": 1,
        "folder": str(Path.cwd()), "paths": [], "versions": ray_node.versions(), "request": request,
    }  # fmt: skip
    return json.dumps({**told, **other})


def vars_of(judging: Judging) -> dict[str, Any]:
    return {name: getattr(judging, name) for name in Judging.__dataclass_fields__}


def request_for(path: str, stage: str = "detect") -> dict[str, Any]:
    root = str(Path.cwd())
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    file = {"path": path, "digest": digest, "root": root, "probes": [], "enabled": ["FIP101"]}
    scripts = {str(Path(path).absolute()): [str(Path(path).absolute())]} if stage == "prove" else {}
    return {"stage": stage, "files": [file], "scripts": scripts}


def answered(base: Path, *orders: str) -> list[dict[str, Any]]:
    """What a process says that has fixinplace from the parcel."""
    tool = str(base / ray_boot.TOOL)
    code = f"""
import sys
sys.path.insert(0, {tool!r})
from pathlib import Path
from fixinplace.campaign import ray_node
assert ray_node.__file__.startswith({tool!r})
for line in sys.stdin:
    print(ray_node.answer(Path({str(base)!r}), line))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input="\n".join(orders), capture_output=True, text=True, check=True, cwd="/"
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_a_node_proves_from_the_parcel_alone_what_is_proved_here(folder: Path, monkeypatch: pytest.MonkeyPatch):
    write({"train.py": SCRIPT, "../lib/helper.py": HELPER})
    monkeypatch.setenv("PYTHONPATH", str(folder.parent / "lib"))
    judging = Judging(Mode.REQUIRE)
    request = request_for(str(folder / "train.py"), "prove")
    judge = Judge(judging)
    here = judge.answer(request)
    judge.close()
    base = unpacked("train.py")
    asked = order(request, judging, paths=[str(folder.parent / "lib")])
    shutil.rmtree(folder)
    shutil.rmtree(folder.parent / "lib")

    (there,) = answered(base, asked)

    assert here["files"][0]["record"]["document"]["findings"][0]["outcome"]["verdict"] == "proved"
    assert json.dumps(there["answer"]) == json.dumps(here)


LONG = "".join(SAFE.replace("{number}", str(number)) for number in range(4_000))
"""Some seconds of work, so that its answer is never there before a look at the clock."""


def test_a_worker_that_dies_is_told_and_the_next_unit_is_judged(folder: Path):
    write({"a.py": LONG, "b.py": SAFE})
    asked = order(request_for("a.py"), guard=Guard(0.0))

    dead, alive = answered(unpacked("a.py", "b.py"), asked, order(request_for("b.py")))

    assert dead["died"] == "it took more than 0 s (--unit-timeout)"
    assert alive["answer"]["files"][0]["record"]["document"]["path"] == "b.py"


def test_a_node_with_other_versions_judges_nothing(folder: Path):
    write({"a.py": SAFE})
    versions = {**ray_node.versions(), "torch": "1.0"}

    (told,) = answered(unpacked("a.py"), order(request_for("a.py"), versions=versions))

    assert told["nobody"].endswith(f"has torch {ray_node.versions()['torch']} instead of 1.0")


def test_every_path_is_moved_and_only_paths():
    setup = ray_node.moved_setup({"probes": ["p.py::f", "/x/p.py", "::f"], "cache": "/c", "timeout": 1.0}, "/t")
    file = {"path": "/x/a.py", "digest": "d", "root": "/x", "probes": ["*.py::main", "/y/q.py"], "enabled": []}
    trouble = {"path": "b.py", "digest": None, "trouble": "gone"}
    request = {"stage": "prove", "files": [file, trouble], "scripts": {"/x/a.py": ["/x/a.py", "/x/c.py"]}}

    assert setup == {"probes": ["p.py::f", "/t/x/p.py", "::f"], "cache": None, "timeout": 1.0}
    assert ray_node.moved_request(request, "/t") == {
        "stage": "prove",
        "files": [{**file, "path": "/t/x/a.py", "root": "/t/x", "probes": ["*.py::main", "/t/y/q.py"]}, trouble],
        "scripts": {"/t/x/a.py": ["/t/x/a.py", "/t/x/c.py"]},
    }


# --- where it is unpacked


def test_what_nobody_holds_is_removed_and_what_is_held_stays(folder: Path):
    write({"a.py": SAFE})
    held = unpacked("a.py", name="held")
    left = held.with_name("left")
    left.mkdir()
    left.with_suffix(".held").write_text("")

    other = unpacked("a.py", name="other")

    assert held.exists() and other.exists()
    assert not left.exists()
    ray_boot.clear("held")
    assert sorted(path.name for path in held.parent.iterdir()) == ["gate", "other", "other.held"]


def test_a_parcel_that_is_another_is_not_unpacked(folder: Path):
    with pytest.raises(ValueError, match="did not arrive whole"):
        ray_boot.unpacked(b"", "0" * 64, "one")


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path):
    (tmp_path / "scratch" / f"fixinplace-ray-{os.getuid()}").symlink_to(tmp_path)

    with pytest.raises(PermissionError, match="is somebody else's"):
        ray_boot.home()


# --- what is lost


class Lost(Exception):
    """Stands for what Ray raises."""


class TaskFailed(Lost):
    """Stands for an exception in a task."""


class Cluster:
    """Stands for Ray: tasks give what `outcomes` says, one after the other; an exception is raised."""

    exceptions = SimpleNamespace(RayError=Lost, RayTaskError=TaskFailed)

    def __init__(self, *outcomes: dict[str, Any] | Exception, processors: int = 1) -> None:
        self._outcomes = list(outcomes)
        self.processors = processors
        self.sent: list[str] = []
        self.cancelled: list[object] = []
        self.flying = self.most = 0

    def remote(self, **_: object):
        def send(parcels: list[object], digest: str, name: str, order: str) -> int:
            self.sent.append(json.loads(order)["request"]["name"])
            self.flying += 1
            self.most = max(self.most, self.flying)
            return len(self.sent) - 1

        return lambda _: SimpleNamespace(remote=send)

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.processors)} if self.processors else {}

    def wait(self, flying: list[int], num_returns: int, timeout: float) -> tuple[list[int], list[int]]:
        return flying[:1], flying[1:]

    def get(self, reference: int) -> str:
        self.flying -= 1
        outcome = self._outcomes[reference]
        if isinstance(outcome, Exception):
            raise outcome
        return json.dumps(outcome)

    def cancel(self, reference: object, force: bool) -> None:
        self.cancelled.append(reference)


FINE = {"answer": {"files": []}, "seconds": 1.0}
DEAD = {"died": "it was killed by signal 9", "seconds": 1.0}


def worked(cluster: Cluster, count: int, jobs: int = 1, deaths: int = 2) -> list[tuple[int, object]]:
    """What a crew gives for so many units, each with its own name."""
    engine = ray_engine.RayEngine(jobs, Guard(), None, 1)
    died: Counter[int] = Counter()

    def again(task: Task, _: Died) -> bool:
        died[task.key] += 1
        return died[task.key] < deaths

    with ray_engine.RayCrew(engine, cluster, {}, (None, "", ""), jobs) as crew:
        tasks = (Task(number, {"name": f"u{number}"}) for number in range(count))
        return [(done.key, done.answer) for done in crew.run(tasks, again, lambda: None)]


def test_what_is_lost_is_sent_again_without_counting_as_a_death():
    cluster = Cluster(Lost("node"), FINE, Lost("node"), Lost("node"), FINE)

    assert worked(cluster, 2, deaths=1) == [(0, FINE["answer"]), (1, FINE["answer"])]
    assert cluster.sent == ["u0", "u0", "u1", "u1", "u1"]


def test_what_is_lost_again_and_again_counts_as_a_death():
    cluster = Cluster(*[Lost("node")] * 6)

    ((_, answer),) = worked(cluster, 1)

    assert answer == Died("its node was lost 5 times, at last by Lost")
    assert len(cluster.sent) == 6  # the fifth loss is the first death, and the sixth the second


def test_what_dies_twice_is_given_back_as_dead():
    assert worked(Cluster(DEAD, DEAD, FINE), 2) == [(0, Died(DEAD["died"])), (1, FINE["answer"])]


@pytest.mark.parametrize(("jobs", "processors", "most"), [(3, 8, 3), (0, 2, 4), (0, 0, 1)])
def test_no_more_is_under_way_than_there_is_room_for(jobs: int, processors: int, most: int):
    cluster = Cluster(*[FINE] * 9, processors=processors)

    assert len(worked(cluster, 9, jobs)) == 9
    assert cluster.most == most


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ({"nobody": "the node n has torch 1"}, "the node n has torch 1"),
        (TaskFailed("Traceback\n  File\nOSError: disk full\n"), "a node cannot work: OSError: disk full"),
    ],
)
def test_a_node_that_cannot_work_ends_the_campaign(outcome, message: str):
    cluster = Cluster(outcome, FINE)

    with pytest.raises(NoWorker, match=message):
        worked(cluster, 2, jobs=2)

    assert cluster.cancelled == [1]


def test_a_cluster_without_processors_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray_engine, "_PATIENCE", -1.0)

    with pytest.raises(NoWorker, match="has had no processor"):
        worked(Cluster(FINE, processors=0), 1)


def test_without_ray_one_line_says_what_to_do(command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)

    result = command("migrate", "--engine", "ray")

    assert result.exit_code == 2
    assert result.stderr == (
        "fixinplace: --engine ray needs Ray: pip install 'fixinplace[ray]', here and on every node\n"
    )
    assert not Path(".fixinplace").exists()


def test_an_address_without_ray_is_refused(command):
    result = command("migrate", "--ray-address", "auto")

    assert result.exit_code == 2
    assert "--ray-address says where --engine ray works" in result.stderr
