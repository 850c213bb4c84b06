"""`fixinplace record`: the calls of somebody else's run, kept without values, and replayed by `fix` and `migrate`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from suites import PYTEST
from typer.testing import Result

Command = Callable[..., Result]

CONFIG = """
from enum import Enum


class Kind(Enum):
    PLAIN = 1
    GATED = 2


class Plan:
    def __init__(self, heads, odd, kind, stages):
        if odd % 7 or heads * odd != sum(stages) * 3:
            raise ValueError(f"{heads} heads of {odd} do not fit {stages}")
        self.heads, self.odd, self.kind, self.stages = heads, odd, kind, stages

    @property
    def width(self):
        return self.heads * self.odd
"""
NET = """
import torch
from torch import nn

from netpkg.config import Kind


class Mixer(nn.Module):
    def __init__(self, plan, name):
        super().__init__()
        if plan.kind is not Kind.GATED or name != "mixer":
            raise ValueError("only gated ones")
        self.plan = plan
        self.body = nn.Linear(plan.width, plan.width)
        self.act = nn.ReLU(inplace=True)

    def forward(self, batch, table):
        if batch["x"].shape[-1] != self.plan.width or len(batch["lengths"]) != len(batch["x"]):
            raise ValueError("no such width")
        h = torch.sigmoid(self.body(batch["x"]))
        h += table[batch["index"]]
        return mix(self.act(self.body(h)), h)


def mix(a, b):
    out = a * b
    out.mul_(2)
    return out
"""
SMOKE = """
import torch

from netpkg.config import Kind, Plan
from netpkg.net import Mixer


def test_smoke():
    model = Mixer(Plan(6, 21, Kind.GATED, stages=(20, 22)), "mixer").eval()
    x = torch.full((2, 5, 126), 0.123456789)
    batch = {"x": x, "index": torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]]), "lengths": [5, 4]}
    with torch.no_grad():
        model(batch, torch.full((11, 126), 0.987654321))
    model.train()(batch, torch.zeros(11, 126))
    print("said by the test")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A package whose module guessing cannot build, with a smoke test."""
    files = {
        "pyproject.toml": "[project]\nname = 'netpkg'\n",
        "netpkg/__init__.py": "",
        "netpkg/config.py": CONFIG,
        "netpkg/net.py": NET,
        "tests/test_net.py": SMOKE,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def recorded(folder: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], dict]:
    """`fixinplace record` as a process of its own, and what it wrote."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "fixinplace", "record", *words]
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    file = folder / "fixinplace-calls.json"
    return result, json.loads(file.read_text()) if file.exists() else {}


def script(folder: Path, text: str) -> dict:
    """What a script with this text leaves; it must come to its end."""
    (folder / "pyproject.toml").touch()
    (folder / "run.py").write_text("import torch\nfrom torch import nn\n" + text)
    result, file = recorded(folder, "--", "run.py")
    assert result.returncode == 0, result.stderr
    return file


def test_a_recorded_smoke_test_proves_and_holds_no_value_of_a_tensor(project: Path, command: Command):
    result, file = recorded(project, "--", *PYTEST)

    assert (result.returncode, "1 passed" in result.stdout) == (0, True)
    assert "fixinplace: recorded 4 calls in fixinplace-calls.json: of `Mixer`, `mix`\n" in result.stderr
    assert list(file["calls"]["netpkg/net.py"]) == ["Mixer", "mix"]
    assert [call["training"] for call in file["calls"]["netpkg/net.py"]["Mixer"]] == [True, False]
    text = (project / "fixinplace-calls.json").read_text()
    assert not any(value in text for value in ("0.12", "0.98", str(project)))
    assert '"low": 1, "high": 9' in text
    fixed = command("fix", "--no-cache", "netpkg")
    assert "fixed 3 (proved 3" in fixed.stderr, fixed.stderr
    assert "h = h + table" in (project / "netpkg/net.py").read_text()


@pytest.mark.slow
def test_the_same_run_leaves_the_same_file(project: Path):
    recorded(project, "--", *PYTEST)
    first = (project / "fixinplace-calls.json").read_text()
    recorded(project, "--", *PYTEST)

    assert first == (project / "fixinplace-calls.json").read_text()


@pytest.mark.slow
def test_a_clone_elsewhere_reads_the_same(project: Path, command: Command, tmp_path_factory, monkeypatch):
    recorded(project, "--", *PYTEST)
    other = tmp_path_factory.mktemp("elsewhere") / "clone"
    project.rename(other)
    monkeypatch.chdir(other)

    fixed = command("fix", "--no-cache", "netpkg/net.py", "--show-probe")

    assert "proved 3" in fixed.stderr, fixed.stderr
    assert "Plan(heads=6, odd=21, kind=netpkg_config.Kind.GATED, stages=(20, 22))" in fixed.stderr
    assert "with recorded calls" in fixed.stderr


@pytest.mark.slow
def test_migrate_replays_as_well(project: Path, command: Command):
    recorded(project, "--output", "calls/smoke.json", "--", *PYTEST)
    (project / "pyproject.toml").write_text('[tool.fixinplace]\nrecorded = "calls/smoke.json"\n')

    result = command("migrate", "netpkg", "--jobs", "1", "--allow-dirty", "--no-cache", "--diff", "--quiet")

    assert "proved 3" in result.stderr, result.stderr


@pytest.mark.slow
def test_what_is_recorded_and_no_longer_there_is_skipped_with_a_reason(project: Path, command: Command):
    recorded(project, "--", *PYTEST)
    net = project / "netpkg/net.py"
    net.write_text(net.read_text().replace("mix(", "blend("))
    config = project / "netpkg/config.py"
    config.write_text(config.read_text().replace("class Plan", "class Sizes"))

    fixed = command("fix", "--diff", "--no-cache", "netpkg")

    assert "netpkg/net.py: 2 recorded calls of `mix` skipped: it is no longer there; record again" in fixed.stderr
    assert "a recorded call of `Mixer` is of no use: AttributeError: module 'netpkg.config' has no" in fixed.stderr


FILES = {
    "not JSON": ("{", "no recording: it is not valid JSON"),
    "foreign": ('{"calls": []}', "no recording of `fixinplace record`"),
    "old": ('{"fixinplace": "recorded calls", "version": 0}', "written in version 0, and this one reads 1"),
    "reasons": (
        json.dumps({"fixinplace": "recorded calls", "version": 1, "root": ".", "left_out": {"x.py": {"y": 3}}}),
        "damaged: it holds reasons that are none",
    ),
    "code": (
        json.dumps({"fixinplace": "recorded calls", "version": 1, "root": ".", "imported": {},
                    "calls": {"netpkg/net.py": {"mix": [{"named": {"a": {"name": "os:x(); y"}}}]}}}),
        "damaged: it holds `os:x(); y`, which names nothing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("words", [["fix"], ["migrate", "--jobs", "1", "--quiet"], ["record", "--", "-m", "this"]])
def test_a_file_that_is_no_recording_is_one_line_and_nothing_is_lost(
    name: str, words: list[str], project: Path, command: Command
):
    text, message = FILES[name]
    (project / "fixinplace-calls.json").write_text(text)

    result = command(*words, *([] if "--" in words else ["netpkg"]))

    assert result.exit_code == 2
    assert result.stderr.startswith("fixinplace: fixinplace-calls.json: ")
    assert message in result.stderr
    assert (project / "fixinplace-calls.json").read_text() == text
    assert (project / "netpkg/net.py").read_text() == NET


def test_a_recording_that_the_configuration_names_must_be_there(project: Path, command: Command):
    (project / "pyproject.toml").write_text('[tool.fixinplace]\nrecorded = "calls.json"\n')
    assert "calls.json: no such file" in command("fix", "netpkg").stderr

    (project / "pyproject.toml").write_text("[tool.fixinplace]\nrecorded = 3\n")
    assert "recorded must be the path of a file" in command("fix", "netpkg").stderr


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("raise SystemExit(7)", 7),
        ("raise RuntimeError('boom')", 1),
        ("import os; os._exit(5)", 5),
        ("import os; os.kill(os.getpid(), 9)", 137),
    ],
)
def test_a_command_that_dies_leaves_its_exit_code_and_its_calls(ending: str, code: int, tmp_path: Path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "run.py").write_text(
        f"import torch\n{SCALE}\nscale(torch.ones(3, 4))\nprint('out', flush=True)\n{ending}\n"
    )

    result, file = recorded(tmp_path, "--", "run.py")

    assert (result.returncode, result.stdout) == (code, "out\n")
    assert ("boom" in result.stderr) == ("boom" in ending)
    assert file["calls"]["run.py"]["scale"] == [
        {"grad_mode": True, "named": {"x": {"tensor": [3, 4], "dtype": "float32"}}}
    ]


SCALE = """
weight = torch.nn.Parameter(torch.ones(1))


def scale(x, how="plain", *rest, **more):
    h = torch.sigmoid(x * weight)
    h += 1
    return h
"""


def test_a_command_that_is_not_there_is_told(tmp_path: Path):
    result, file = recorded(tmp_path, "--", "no-such-command-at-all", "-k", "x")

    assert (result.returncode, result.stderr, file) == (
        2,
        "fixinplace: there is no command no-such-command-at-all\n",
        {},
    )
    assert "nothing to record: name a command behind --" in recorded(tmp_path)[0].stderr


def test_without_a_site_the_command_runs_and_nothing_is_written(tmp_path: Path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "run.py").write_text("print('ran')\n")

    result, file = recorded(tmp_path, "--", "run.py")

    assert (result.returncode, result.stdout, file) == (0, "ran\n", {})
    assert "no in-place write with a fix lies below" in result.stderr


@pytest.mark.slow
def test_what_is_not_called_is_told(tmp_path: Path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "run.py").write_text(f"import torch\n{SCALE}")

    result, file = recorded(tmp_path, "--", "run.py")

    assert (result.returncode, file) == (0, {})
    assert "fixinplace: not called: `scale`\nfixinplace: nothing was recorded\n" in result.stderr


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_passed_over(tmp_path: Path):
    (tmp_path / "broken.py").write_bytes(b"\xff\xfe\x00 not Python (")

    assert script(tmp_path, f"{SCALE}\nscale(torch.ones(2))")["calls"]


@pytest.mark.slow
def test_threads_and_other_processes_are_watched(tmp_path: Path):
    file = script(
        tmp_path,
        f"""
import multiprocessing, subprocess, sys, threading
{SCALE}
if __name__ == "__main__":
    thread = threading.Thread(target=scale, args=(torch.ones(1),))
    thread.start(); thread.join()
    for number, way in enumerate(("fork", "spawn"), start=2):
        process = multiprocessing.get_context(way).Process(target=scale, args=(torch.ones(number),))
        process.start(); process.join()
    subprocess.run([sys.executable, "-c", "import run, torch; run.scale(torch.ones(4))"], check=True)
""",
    )

    assert [call["named"]["x"]["tensor"] for call in file["calls"]["run.py"]["scale"]] == [[1], [2], [3], [4]]


@pytest.mark.slow
def test_what_outlives_the_command_is_not_disturbed(tmp_path: Path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "run.py").write_text(
        f"""
import os, time, torch
{SCALE}
scale(torch.ones(1))
if os.fork() == 0:
    os.close(1); os.close(2)
    while os.path.exists(os.environ["FIXINPLACE_RECORDING"]):
        time.sleep(0.05)
    scale(torch.ones(2))
    open("done", "w").close()
"""
    )
    recorded(tmp_path, "--", "run.py")

    for _ in range(200):
        if (tmp_path / "done").exists():
            return
        time.sleep(0.05)
    raise AssertionError("the program died of the recorder")


@pytest.mark.slow
def test_the_users_own_sitecustomize_runs_and_the_import_path_is_as_it_was(tmp_path: Path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own/sitecustomize.py").write_text("print('own one')\n")
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "run.py").write_text(
        f"import sys, torch\nfound = sys.modules['sitecustomize'].__file__\n"
        f"print([p for p in sys.path if 'fixinplace/record' in p], found)\n{SCALE}"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), str(tmp_path / "own")])}
    command = [sys.executable, "-m", "fixinplace", "record", "--", "run.py"]

    result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)

    own = tmp_path / "own/sitecustomize.py"
    assert result.stdout.splitlines()[-2:] == ["own one", f"[] {own}"], result.stdout


def test_strings_are_kept_where_the_source_spells_them_out(tmp_path: Path):
    file = script(tmp_path, f"{SCALE}\nscale(torch.ones(1), ''.join(['se', 'cret']), 1, a='plain', b=float('inf'))")

    (call,) = file["calls"]["run.py"]["scale"]
    assert call["arguments"][1:] == [{"placeholder": 1}, 1]
    assert call["named"] == {"a": "plain", "b": {"float": "inf"}}
    assert "secret" not in json.dumps(file)


def test_what_cannot_be_kept_is_left_out_and_counted(tmp_path: Path):
    file = script(
        tmp_path,
        f"""
{SCALE}
import copy
class Net(nn.Module):
    def forward(self, x):
        return scale(x)
    def again(self, x):
        h = torch.exp(x * weight)
        h += 1
        return h
scale(torch.ones(2))
scale(torch.ones(2), lambda: 1)
scale(torch.ones(2), lambda: 2)
scale(torch.ones(2), [0.5 + n for n in range(100)])
copy.deepcopy(Net()).again(torch.ones(2))
""",
    )

    assert file["left_out"]["run.py"] == {
        "Net.again": {"an object of `__main__.Net` whose construction was not seen": 1},
        "scale": {
            "`<lambda>`, which cannot be imported by name": 2,
            "more than 64 numbers in one call, which may be data": 1,
        },
    }


@pytest.mark.slow
def test_calls_that_differ_in_bounds_are_one_and_few_are_kept(tmp_path: Path):
    file = script(
        tmp_path,
        f"""
{SCALE}
for n in range(1, 30):
    scale(torch.ones(n))
for n in (5, 3, 9):
    scale(torch.ones(2), torch.arange(n, n + 2))
""",
    )

    calls = file["calls"]["run.py"]["scale"]
    assert [call["named"]["x"]["tensor"] for call in calls] == [[1], [2], [3], [2], [4], [5], [6], [7]]
    (bounded,) = [call for call in calls if "how" in call["named"]]
    assert (bounded["named"]["how"]["low"], bounded["named"]["how"]["high"]) == (3, 10)


@pytest.mark.slow
def test_what_is_appended_is_added(tmp_path: Path):
    script(tmp_path, f"{SCALE}\nscale(torch.ones(2))")
    text = (tmp_path / "run.py").read_text()
    (tmp_path / "run.py").write_text(text.replace("ones(2)", "ones(3)"))

    _, added = recorded(tmp_path, "--append", "--", "run.py")
    _, anew = recorded(tmp_path, "--", "run.py")

    shapes = [[call["named"]["x"]["tensor"] for call in file["calls"]["run.py"]["scale"]] for file in (added, anew)]
    assert shapes == [[[2], [3]], [[3]]]
