"""What bubblewrap refuses without any help, and that one which does not work is left out."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import program
from typer.testing import Result

from fixinplace.model import Verdict
from fixinplace.verify import bubblewrap
from fixinplace.verify.connection import Connection
from fixinplace.verify.jobs import Job, Limits, Patch, Run
from fixinplace.verify.runner import Runner

IN_BUBBLEWRAP = True  # see `command`
WORK = """
import torch
x = torch.ones(3, requires_grad=True)
y = x * 1
y += 1
y.sum().backward()
"""


@pytest.fixture(scope="module")
def real() -> str:
    """The bubblewrap of this machine."""
    found = bubblewrap.find()
    if found is None:
        pytest.skip("there is no bubblewrap that works on this machine")
    return found


@pytest.fixture(scope="module")
def alone(real: str) -> Iterator[Runner]:
    """A runner in bubblewrap, on a system that has no landlock."""
    hello = Connection.hello
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "hello", lambda server: hello(server) | {"landlock": 0})
        runner = Runner(Limits(seconds=60))
        assert runner.problem is None
    with runner:
        yield runner


def ran(runner: Runner, folder: Path, text: str) -> Run:
    made = program(folder, text)
    return runner.run(Job("script", str(made.path), None, (Patch(str(made.path), made.text),)))


def test_the_verdict_says_bwrap(alone: Runner, tmp_path: Path):
    ruling = program(tmp_path, WORK).judge(alone, "y += 1", "y = y + 1").ruling

    assert ruling.verdict is Verdict.PROVED, ruling
    assert ruling.evidence[0].isolation == "bwrap"


REMOUNT = """
import ctypes
call = ctypes.CDLL(None, use_errno=True)
for place in (b"/", b"/usr", {folder!r}.encode()):
    call.mount(None, place, None, 0x1020, None)  # MS_REMOUNT | MS_BIND, read-only no more
    call.umount2(place, 2)
"""


@pytest.mark.parametrize("before", ["", REMOUNT], ids=["at once", "after a remount"])
@pytest.mark.parametrize("place", ["/usr/x-fixinplace", "/tmp/x-fixinplace", "/dev/x-fixinplace", "{folder}/x"])
def test_writes_are_refused(place: str, before: str, alone: Runner, tmp_path: Path):
    path = place.format(folder=tmp_path)
    run = ran(alone, tmp_path, before.format(folder=str(tmp_path)) + f"open({path!r}, 'w').write('x')\n")

    assert run.failure is not None
    assert (run.failure.type, "Read-only file system" in run.failure.message) == ("OSError", True)
    assert not Path(path).exists()


@pytest.mark.parametrize("kind", ["STREAM", "DGRAM"])
def test_the_network_is_refused(kind: str, alone: Runner, tmp_path: Path):
    with socket.socket(socket.AF_INET, getattr(socket, f"SOCK_{kind}")) as server:
        server.bind(("127.0.0.1", 0))
        text = f"""
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_{kind})
            s.connect(("127.0.0.1", {server.getsockname()[1]}))
            s.send(b"secret")
        """
        run = ran(alone, tmp_path, text)
    assert run.failure is not None
    assert run.failure.type in ("OSError", "ConnectionRefusedError")


def test_a_process_outside_cannot_be_named(alone: Runner, tmp_path: Path):
    run = ran(alone, tmp_path, f"import os\nos.kill({os.getpid()}, 0)\n")

    assert run.failure is not None
    assert run.failure.type == "ProcessLookupError"


def test_a_run_leaves_nothing_to_the_next_and_keeps_off_its_records(alone: Runner, tmp_path: Path):
    first = ran(alone, tmp_path, "open('/dev/shm/left', 'w').write('x')\n")
    assert first.finished, first
    record = Path(first.folder, "end.json")
    before = record.read_bytes()

    there = ran(alone, tmp_path, "open('/dev/shm/left')\n")
    other = ran(alone, tmp_path, f"open({str(record)!r}, 'w').write('forged')\n")

    assert there.failure is not None and there.failure.type == "FileNotFoundError"
    assert other.failure is not None and "Read-only file system" in other.failure.message
    assert record.read_bytes() == before


@pytest.mark.slow
def test_bubblewrap_is_the_sandbox_that_is_required(
    real: str, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    hello = Connection.hello
    monkeypatch.setattr(Connection, "hello", lambda server: hello(server) | {"landlock": 0})
    lines = ("x = torch.ones(3, requires_grad=True)", "y = x.exp()", "y += 1", "y.sum().backward()")
    Path("work.py").write_text("import torch\n\nif __name__ == '__main__':\n    " + "\n    ".join(lines) + "\n")

    result = command("fix", "--diff", "--require-sandbox", "work.py")

    assert "no-sandbox" not in result.stderr
    assert "isolation bwrap" in result.stderr, result.stderr


FAKES = {
    "ends with an error": "exit 1",
    "hangs": "sleep 600",
    "runs the command in the open": 'while test "$1" != --; do shift; done\nshift\nexec "$@"',
}


def fake(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program named bwrap, found before all others."""
    path = folder / "bin" / "bwrap"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("name", FAKES)
def test_a_bubblewrap_that_does_not_confine_is_not_used(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bubblewrap, "_PATIENCE", 1.0)
    fake(tmp_path, FAKES[name], monkeypatch)
    started = time.monotonic()

    assert bubblewrap.find() is None
    assert time.monotonic() - started < 60


def test_without_any_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bubblewrap.find() is None
    (tmp_path / "bwrap").write_bytes(b"no program")
    (tmp_path / "bwrap").chmod(0o755)
    assert bubblewrap.find() is None


@pytest.mark.slow
def test_with_a_broken_bubblewrap_landlock_confines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fake(tmp_path, "exit 1", monkeypatch)
    with Runner(Limits(seconds=60)) as runner:
        ruling = program(tmp_path, WORK).judge(runner, "y += 1", "y = y + 1").ruling

    assert ruling.verdict is Verdict.PROVED, ruling
    assert ruling.evidence[0].isolation == "landlock"


@pytest.mark.slow
def test_where_the_server_does_not_start_in_bubblewrap_landlock_confines(
    real: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fake(tmp_path, f'case "$*" in *verify.server*) exit 1;; esac\nexec {real} "$@"', monkeypatch)
    assert bubblewrap.find() == str(tmp_path / "bin" / "bwrap")
    with Runner(Limits(seconds=60)) as runner:
        ruling = program(tmp_path, WORK).judge(runner, "y += 1", "y = y + 1").ruling

    assert ruling.verdict is Verdict.PROVED, ruling
    assert ruling.evidence[0].isolation == "landlock"


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root is refused its own name in a namespace that it makes")
def test_a_namespace_in_which_the_user_stays_unknown_ends_no_run(
    real: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    confined = bubblewrap._confined

    def poor(program: str, folder: Path) -> list[str]:
        words = confined(program, folder)
        at = words.index("--cap-add")
        return [*words[:at], *words[at + 2 :]]

    monkeypatch.setattr(bubblewrap, "_confined", poor)
    with Runner(Limits(seconds=60)) as runner:
        assert (runner.problem, runner.isolation) == (None, "bwrap")
        run = ran(runner, tmp_path, "import os\nopen('log.txt', 'w').close()\nprint(os.getuid())\n")

        assert run.finished, run
        assert Path(run.folder, "stdout").read_text() != "0\n"


@pytest.mark.slow
def test_runs_in_place_are_never_in_bubblewrap(tmp_path: Path):
    with Runner(Limits(seconds=60), in_place=True) as runner:
        assert runner.problem is None
        run = ran(runner, tmp_path, "open('log.txt', 'w').write('x')\n")

    assert (run.finished, runner.isolation) == (True, "landlock")
    assert (tmp_path / "log.txt").read_text() == "x"
