"""What a program may not do while it is being run, and that nothing of it is left afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import program

from fixinplace.model import Ruling, Verdict
from fixinplace.verify import bubblewrap, landlock, secrets
from fixinplace.verify.connection import Connection
from fixinplace.verify.jobs import Job, Limits, Patch, Run, Status
from fixinplace.verify.runner import Runner

REFUSED = {"landlock": "PermissionError", "bwrap": "OSError"}
"""What a write outside raises, by the level: EACCES, and EROFS, which Python has no class for."""

SLEEP = shutil.which("sleep") or "/bin/sleep"

WORK = """
import torch
x = torch.ones(3, requires_grad=True)
y = x * 1
y += 1
y.sum().backward()
"""


@pytest.fixture(scope="module", params=["landlock", pytest.param("bwrap", marks=pytest.mark.slow)])
def level(request: pytest.FixtureRequest) -> str:
    """Everything here holds with bubblewrap and without it."""
    if request.param == "bwrap" and bubblewrap.find() is None:
        pytest.skip("there is no bubblewrap that works on this machine")
    return str(request.param)


def confined(level: str, limits: Limits) -> Iterator[Runner]:
    with Runner(limits, bubblewrap=level == "bwrap") as runner:
        assert (runner.problem, runner.isolation) == (None, level)
        yield runner


@pytest.fixture(scope="module")
def lab(level: str) -> Iterator[Runner]:
    yield from confined(level, Limits(seconds=60))


@pytest.fixture(scope="module")
def strict(level: str) -> Iterator[Runner]:
    """A runner with little time and memory."""
    yield from confined(level, Limits(seconds=4, memory=512 << 20, file_size=1 << 20, processes=16))


def ruled(runner: Runner, folder: Path, text: str) -> Ruling:
    return program(folder, text).judge(runner, "y += 1", "y = y + 1").ruling


def ran(runner: Runner, folder: Path, text: str) -> tuple[Run, str]:
    """One plain run of a script, and what it printed."""
    made = program(folder, text)
    assert runner.problem is None
    run = runner.run(Job("script", str(made.path), None, (Patch(str(made.path), made.text),)))
    return run, Path(run.folder, "stdout").read_text()


def processes_with(word: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if word.encode() in command:
                found.append(int(entry.name))
    return found


def test_a_write_outside_the_scratch_folder_is_refused(lab: Runner, tmp_path: Path):
    victim = tmp_path / "precious.txt"
    victim.write_text("kept")
    ruling = ruled(lab, tmp_path, WORK + f"open({str(victim)!r}, 'w').write('gone')\n")
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "probe-failed")
    assert "is stopped by the sandbox" in ruling.sentence
    assert REFUSED[lab.isolation] in ruling.sentence
    assert victim.read_text() == "kept"


@pytest.mark.parametrize(
    "call",
    [
        "os.remove('precious.txt'); os.remove({victim!r})",
        "os.rename({victim!r}, {victim!r} + '.moved')",
        "os.truncate({victim!r}, 0)",
        "os.mkdir({victim!r} + '.folder')",
        "os.symlink('/etc', {victim!r} + '.link')",
        "os.link({victim!r}, 'hard'); open('hard', 'w').write('gone')",
        "open({victim!r}, 'a').write('more')",
    ],
)
def test_other_changes_outside_are_refused(call: str, lab: Runner, tmp_path: Path):
    victim = tmp_path / "precious.txt"
    victim.write_text("kept")
    run, _ = ran(lab, tmp_path, "import os\n" + call.format(victim=str(victim)) + "\n")
    assert run.failure is not None
    assert run.failure.type in ("PermissionError", "OSError")
    assert victim.read_text() == "kept"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["precious.txt", "program.py"]


def test_modes_of_files_elsewhere_stay_and_copies_work(lab: Runner, tmp_path: Path):
    victim = tmp_path / "precious.txt"
    victim.write_text("kept")
    victim.chmod(0o600)
    text = f"""
import contextlib, os, shutil
open("one.txt", "w").write("copied")
shutil.copy("one.txt", "two.txt")
print(open("two.txt").read())
for change in (lambda: os.chmod({str(victim)!r}, 0o777), lambda: os.system("chmod 777 {victim}"),
               lambda: os.chown({str(victim)!r}, 1, 1)):
    with contextlib.suppress(OSError):
        change()
"""
    run, output = ran(lab, tmp_path, text)
    assert run.finished, run
    assert output == "copied\n"
    assert (victim.stat().st_mode & 0o777, victim.stat().st_uid) == (0o600, os.getuid())


def test_sockets_in_the_file_system_are_covered(level: str, tmp_path: Path):
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(0.2)
        text = f"""
import socket
print(len(socket.if_nameindex()))
try:
    socket.socket(socket.AF_UNIX).connect({str(path)!r})
except OSError:
    print("refused")
"""
        for runner in confined(level, Limits(seconds=60)):
            run, output = ran(runner, tmp_path, text)
        if level == "landlock" and not output.startswith("1\n"):
            pytest.skip("this system lets nobody make namespaces")
        assert run.finished, run
        assert output.endswith("refused\n")
        with pytest.raises(TimeoutError):
            server.accept()


def test_reads_beside_the_file_and_writes_in_the_current_folder_work(lab: Runner, tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "n.txt").write_text("7")
    text = "open('log.txt', 'w').write('x')\nimport tempfile\ntempfile.mkstemp()\nprint(open('data/n.txt').read())\n"
    run, output = ran(lab, tmp_path, text)
    assert run.finished, run
    assert output == "7\n"
    assert not (tmp_path / "log.txt").exists()


@pytest.mark.parametrize("kind", ["STREAM", "DGRAM"])
def test_the_network_is_refused(kind: str, lab: Runner, tmp_path: Path):
    with socket.socket(socket.AF_INET, getattr(socket, f"SOCK_{kind}")) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.2)
        if kind == "STREAM":
            server.listen()
        text = f"""
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_{kind})
            s.connect(("127.0.0.1", {server.getsockname()[1]}))
            s.send(b"secret")
        """
        run, _ = ran(lab, tmp_path, text)
        assert run.failure is not None
        assert run.failure.type in ("PermissionError", "OSError")
        with pytest.raises(TimeoutError):
            server.accept() if kind == "STREAM" else server.recv(10)


def test_the_environment_is_empty(lab: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    run, output = ran(lab, tmp_path, "import os\nprint(sorted(os.environ))\nprint(os.getcwd() != os.environ['HOME'])\n")
    assert run.finished
    assert "SECRET" not in output
    assert "'HOME', 'LANG', 'OMP_NUM_THREADS', 'PATH'" in output


def test_a_run_that_takes_too_long_is_ended(strict: Runner, tmp_path: Path):
    ruling = ruled(strict, tmp_path, WORK + "while True: pass\n")
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "timed-out")


@pytest.mark.slow
def test_a_rewrite_that_takes_too_long_is_not_proved(strict: Runner, tmp_path: Path):
    made = program(tmp_path, WORK)
    ruling = made.judge(strict, "y += 1", "y = y + 1\nwhile True: pass").ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "timed-out")


def test_memory_is_bounded(strict: Runner, tmp_path: Path):
    for line in ("torch.ones(1 << 30)", "bytearray(4 << 30)"):
        ruling = ruled(strict, tmp_path, WORK + f"kept = {line}\n")
        assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "over-memory"), ruling.sentence


def test_file_size_is_bounded(strict: Runner, tmp_path: Path):
    run, _ = ran(strict, tmp_path, "open('big', 'wb').write(bytes(8 << 20))\n")
    assert run.failure is not None
    assert run.failure.type == "OSError"


def test_grandchildren_in_sessions_of_their_own_are_ended(lab: Runner, tmp_path: Path):
    mark = "sleeper-" + tmp_path.name
    text = f"""
        import contextlib, os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv({SLEEP!r}, [{mark!r}, "600"])
            os._exit(0)
        time.sleep(1)
        sleeping = 0
        for each in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # others end while this one looks
                sleeping += {mark!r} in open(f"/proc/{{each}}/cmdline").read()
        print("sleeping", sleeping)
    """
    run, output = ran(lab, tmp_path, text)
    assert run.finished, run
    assert output == "sleeping 1\n"
    assert processes_with(mark) == []


def test_a_process_that_keeps_forking_is_ended(strict: Runner, tmp_path: Path):
    started = time.monotonic()
    run, _ = ran(strict, tmp_path, "import os\nwhile True:\n    os.fork()\n")
    assert run.status is Status.TOO_MANY_PROCESSES
    assert time.monotonic() - started < 30
    after, output = ran(strict, tmp_path, "print('alive')\n")
    assert (after.finished, output) == (True, "alive\n")


@pytest.mark.parametrize(
    "end",
    [
        "import os; os._exit(0)",
        "import os; os.kill(os.getpid(), 9)",
        "import os; os.kill(os.getpid(), 11)",
        "import ctypes; ctypes.string_at(0)",
    ],
)
def test_a_run_without_an_end_record_proves_nothing(end: str, lab: Runner, tmp_path: Path):
    ruling = ruled(lab, tmp_path, WORK + end + "\n")
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "probe-failed")


def test_the_server_cannot_be_ended_from_inside(lab: Runner, tmp_path: Path):
    if landlock.abi() < 6:
        pytest.fail("this test needs a kernel that scopes signals (landlock ABI 6)")
    run, _ = ran(lab, tmp_path, "import os\nos.kill(os.getppid(), 9)\n")
    assert run.failure is not None
    assert run.failure.type in ("PermissionError", "ProcessLookupError")


TRICKS = {
    "prints into every descriptor": "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'{\"status\": 1}\\n')\n"
    "    except OSError: pass\n",
    "closes descriptors": "import os\nos.closerange(0, 10)\n",
    "closes its streams": "import sys\nsys.stdout.close(); sys.stderr.close(); sys.stdin.close()\n",
    "lets a copy of itself run on": "import os\nos.fork()\n",
    "patches torch": "torch.Tensor.backward = torch.equal = torch.Tensor.clone = torch.Tensor.__eq__ = None\n"
    "torch.Tensor.grad = torch.Tensor.requires_grad = torch.Tensor.shape = None\n",
    "patches the library": "import json, os, builtins\njson.dumps = builtins.open = os.replace = os._exit = None\n",
    "leaves a hook behind": "import sys\nsys.setrecursionlimit(60)\n",
    "changes grad mode": "torch.set_grad_enabled(False)\n",
}


@pytest.mark.parametrize("name", TRICKS)
def test_simple_tricks_change_no_verdict(name: str, lab: Runner, tmp_path: Path):
    made = program(tmp_path, WORK + TRICKS[name])
    assert made.judge(lab, "y += 1", "y = y + 1").ruling.verdict is Verdict.PROVED
    assert made.judge(lab, "y += 1", "y = y + 2").ruling.verdict is Verdict.REFUTED


@pytest.mark.slow
def test_without_a_sandbox_nothing_runs_unless_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hello = Connection.hello
    monkeypatch.setattr(Connection, "hello", lambda server: hello(server) | {"landlock": 0})
    with Runner(Limits(seconds=20), bubblewrap=False) as runner:
        ruling = ruled(runner, tmp_path, WORK + f"open({str(tmp_path / 'ran')!r}, 'w').write('x')\n")
        assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "no-sandbox")
        assert "--allow-run" in ruling.sentence
        assert not (tmp_path / "ran").exists()
    with Runner(Limits(seconds=20), allow_run=True, bubblewrap=False) as runner:
        ruling = ruled(runner, tmp_path, WORK)
        assert ruling.verdict is Verdict.PROVED
        assert ruling.evidence[0].isolation == "limits"


@pytest.fixture
def secret() -> Iterator[Path]:
    """A file in the real home of whoever runs the tests."""
    path = secrets.home() / ".fixinplace-test-secret"
    path.write_text("the secret")
    yield path
    path.unlink()


def test_a_secret_in_the_home_folder_is_not_read(lab: Runner, tmp_path: Path, secret: Path):
    run, output = ran(lab, tmp_path, f"print(open({str(secret)!r}).read())\n")

    assert run.finished
    assert output.strip() == ""
    assert secret.read_text() == "the secret"


def test_what_the_program_comes_from_is_not_hidden(tmp_path: Path):
    for name in (".ssh", ".venv", ".config", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / ".config" / "project").mkdir()

    covered = secrets.hidden(tmp_path, [tmp_path / ".venv" / "bin" / "python", tmp_path / ".config" / "project"])

    assert [path.name for path in covered] == [".ssh", "notes.txt"]
    assert secrets.hidden(tmp_path / "absent", []) == []


def test_a_program_that_sleeps_is_ended(strict: Runner, tmp_path: Path):
    ruling = ruled(strict, tmp_path, WORK + "import time\ntime.sleep(3600)\n")
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "timed-out")


def test_a_program_that_prints_without_end_fills_no_disk(strict: Runner, tmp_path: Path):
    run, _ = ran(strict, tmp_path, "line = 'x' * 4096\nfor _ in range(1 << 18): print(line)\n")
    assert not run.finished
    assert sum(each.stat().st_size for each in Path(run.folder).iterdir()) <= 3 << 20


@pytest.mark.slow
def test_the_runner_leaves_nothing_behind(level: str, tmp_path: Path):
    runner = Runner(Limits(seconds=20), bubblewrap=level == "bwrap")
    ruled(runner, tmp_path, WORK)
    assert runner.folder is not None
    folder = runner.folder
    assert folder.is_dir()
    assert processes_with(str(folder))
    runner.close()
    assert not folder.exists()
    assert processes_with(str(folder)) == []


KILLED = """
import sys, time
from fixinplace.verify.jobs import Job, Patch
from fixinplace.verify.runner import Runner

runner = Runner(bubblewrap=sys.argv[2] == "bwrap")
assert runner.problem is None
assert runner.isolation == sys.argv[2]
print(runner.folder, flush=True)
path = sys.argv[1]
runner.run(Job("script", path, None, (Patch(path, open(path).read()),)))
"""


def test_nothing_outlives_a_caller_that_is_killed(level: str, tmp_path: Path):
    mark = "orphan-" + tmp_path.name
    text = f"import os\nif os.fork() == 0:\n    os.setsid()\n    os.execv({SLEEP!r}, [{mark!r}, '600'])\n"
    made = program(tmp_path, text + "import time\ntime.sleep(600)\n")
    command = [sys.executable, "-c", KILLED, str(made.path), level]
    caller = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    folder = caller.stdout.readline().strip()
    try:
        wait_for(lambda: processes_with(mark) != [])
    finally:
        caller.kill()
        caller.communicate()
    wait_for(lambda: processes_with(mark) == [] and processes_with(folder) == [] and not Path(folder).exists())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_program_may_write_into_its_own_folder_and_changes_nothing_there(lab: Runner, tmp_path: Path):
    text = """
        import torch, pathlib

        with open("log.txt", "a") as log:
            log.write("again")
        pathlib.Path("runs/new.txt").write_text("new")
        pathlib.Path("runs/deep/last.txt").write_text("replaced")
        print(pathlib.Path("log.txt").read_text(), pathlib.Path("runs/big.bin").stat().st_size)
        x = torch.ones(3, requires_grad=True)
        y = x.exp()
        y += 1
        y.sum().backward()
    """
    made = program(tmp_path, text)
    (tmp_path / "log.txt").write_text("first ")
    (tmp_path / "runs/deep").mkdir(parents=True)
    (tmp_path / "runs/deep/last.txt").write_text("last")
    (tmp_path / "runs/big.bin").write_bytes(bytes(2 << 20))
    ruling = made.judge(lab, "y += 1", "y = y + 1").ruling
    assert ruling.verdict is Verdict.PROVED, ruling
    assert (tmp_path / "log.txt").read_text() == "first "
    assert (tmp_path / "runs/deep/last.txt").read_text() == "last"
    assert not (tmp_path / "runs/new.txt").exists()


def test_data_that_is_too_large_to_copy_is_read_only(lab: Runner, tmp_path: Path):
    made = program(tmp_path, 'open("big.bin", "r+b").write(b"x")\n')
    (tmp_path / "big.bin").write_bytes(bytes(2 << 20))
    run = lab.run(Job("script", str(made.path), None, (Patch(str(made.path), made.text),)))
    assert run.failure is not None and run.failure.type == REFUSED[lab.isolation]


SLOW = """
import time
import torch

def main():
    x = torch.ones(3, requires_grad=True)
    y = x * 1
    y += 1
    time.sleep(FOR)
    return y
"""


@pytest.mark.parametrize("seconds", [1, 30])
def test_a_try_ends_when_the_time_for_all_of_them_does(seconds: int, tmp_path: Path):
    """A run may take 60 s, all runs together less; the second case comes through a few of them."""
    with Runner(Limits(seconds=60), deadline=time.monotonic() + 4) as runner:
        assert runner.problem is None
        made = program(tmp_path, SLOW.replace("FOR", str(seconds)))
        ruling = made.judge(runner, "y += 1", "y = y + 1").ruling
        run = runner.run(Job("callable", str(made.path), "main", (Patch(str(made.path), made.text + "# other"),)))

    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "timed-out")
    assert "no time is left" in ruling.sentence
    assert run.status is Status.TIMED_OUT
