"""Several processes give what one gives; one that dies costs one file; an interrupt leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixinplace.commands import workers
from fixinplace.commands.inputs import Unit
from fixinplace.config import Config
from fixinplace.model import Analysis
from fixinplace.pipeline import Result

LINE = "import torch\n\n\ndef f{n}(x: torch.Tensor):\n    h = x * 2\n    h += {n}\n    return h\n"


def tree(folder: Path, files: int = 40, functions: int = 60) -> Path:
    for number in range(files):
        body = "\n".join(LINE.format(n=n) for n in range(number % 7 * functions // 6 + 1))
        (folder / f"m{number:02}.py").write_text(body, encoding="utf-8")
    (folder / "broken.py").write_text("import torch\ndef f(:\n", encoding="utf-8")
    return folder


def units(folder: Path) -> list[Unit]:
    return [Unit(str(path), Config(folder), frozenset()) for path in sorted(folder.glob("*.py"))]


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "fixinplace", *words, "."], cwd=folder, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--output-format", "json"),
        ("check", "--output-format", "concise"),
        ("fix", "--diff", "--verify", "off", "--unsafe-fixes"),
    ],
    ids=" ".join,
)
def test_the_output_does_not_tell_how_many_processes_worked(tmp_path: Path, words: tuple[str, ...]):
    tree(tmp_path)
    one, two, three = (command(tmp_path, *words, "--jobs", jobs) for jobs in ("1", "2", "3"))
    assert one.stdout and one.stdout == two.stdout == three.stdout
    assert one.stderr == two.stderr == three.stderr
    assert one.returncode == two.returncode == three.returncode == 2  # broken.py


def test_files_are_written_by_several_processes_as_by_one(tmp_path: Path):
    folders = [tree(tmp_path / name, 12) for name in ("one", "two") if not (tmp_path / name).mkdir()]
    for folder, jobs in zip(folders, "12", strict=True):
        command(folder, "fix", "--verify", "off", "--unsafe-fixes", "--jobs", jobs)
    one, two = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert one == two
    assert b"h = h + 0" in one["m01.py"]


def named(unit: Unit) -> Result:
    return Result(Analysis(unit.path))


def dying_at(name: str, how: Callable[[], None]) -> Callable[[Unit], Result]:
    def work(unit: Unit) -> Result:
        if unit.path.endswith(name):
            how()
        return named(unit)

    return work


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "by signal 9"),
        (lambda: os._exit(7), "with exit code 7"),
    ],
    ids=["killed", "left"],
)
@pytest.mark.parametrize("name", ["broken.py", "m07.py", "m39.py"])
def test_a_worker_that_dies_costs_the_file_that_it_was_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: Callable[[], None], told: str
):
    monkeypatch.setattr(workers, "_LEAST", 1)
    wanted = units(tree(tmp_path))
    found = list(workers.results(dying_at(name, how), wanted, 2))
    assert [result.analysis.path for result in found] == [unit.path for unit in wanted]
    (lost,) = [result.analysis for result in found if result.analysis.problems]
    assert Path(lost.path).name == name
    assert told in lost.problems[0].message and "--jobs 1" in lost.problems[0].message


def test_results_come_before_the_last_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "_LEAST", 1)
    wanted, before = units(tree(tmp_path)), children(os.getpid())  # those of other tests of this process
    stream = workers.results(dying_at("m39.py", lambda: time.sleep(600)), wanted, 2)
    assert next(iter(stream)).analysis.path == wanted[0].path
    stream.close()  # type: ignore[attr-defined]
    assert children(os.getpid()) == before


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
def test_an_interrupt_is_one_line_and_leaves_no_process_behind(tmp_path: Path):
    tree(tmp_path, files=200, functions=400)
    words = [sys.executable, "-m", "fixinplace", "check", "--jobs", "2", "."]
    running = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while running.poll() is None and len(children(running.pid)) < 2:
        time.sleep(0.01)
    below = children(running.pid)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert told.decode().splitlines() == ["fixinplace: interrupted; every file is as it was or wholly fixed"]
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in below) and time.monotonic() < until:
        time.sleep(0.01)
    assert below and not any(Path(f"/proc/{pid}").exists() for pid in below)


def test_few_files_are_read_without_workers(tmp_path: Path):
    wanted = units(tree(tmp_path, files=3, functions=6))
    made = workers.results(lambda unit: Result(Analysis(str(os.getpid()))), wanted, 8)
    assert {result.analysis.path for result in made} == {str(os.getpid())}
