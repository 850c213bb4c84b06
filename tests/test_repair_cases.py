"""The evaluation set of `repair`: every case fails today in the way noted, and every expert's version is right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repair_check import CAUSES, FOLDER, cases

ALL = [case.name for case in cases()]
QUICK = (
    "residual_block column_gains variational_split iterated_attack gan_order attention_picture frozen_features".split()
)

Judge = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """A process that imports torch once and judges each case by forking."""
    command = [sys.executable, str(Path(__file__).with_name("repair_check.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None

        def ask(name: str) -> list[str]:
            server.stdin.write(f"{name}\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

        yield ask
        server.stdin.close()


@pytest.mark.parametrize("name", QUICK)
def test_case(name: str, judge: Judge):
    assert judge(name) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ALL if name not in QUICK])
def test_every_case(name: str, judge: Judge):
    assert judge(name) == []


def test_a_wrong_note_is_noticed(judge: Judge, tmp_path: Path):
    """The judge is not content with anything: another line, another cause of the error, a patch that is none."""
    spoilt = """
import json, sys
sys.path.insert(0, sys.argv[1])
import repair_check
case = next(case for case in repair_check.cases() if case.name == "residual_block")
case.notes["culprits"][0] |= {"line": 22, "text": "out = F.relu(out)"}
case.notes["error"] = "another error"
bench = repair_check.Bench(case, repair_check.Path(sys.argv[2]))
run = bench.run(repair_check.runs.run_plain)
print(json.dumps([*bench.original_problems(), *bench.line_problems(), *bench.against_reference(run, None)]))
"""
    command = [sys.executable, "-c", spoilt, str(Path(__file__).parent), str(tmp_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert [problem.split()[0] for problem in json.loads(output)] == ["raises", "culprits:", "error:"]


def test_the_set_is_as_large_as_promised():
    tiers, causes = (Counter(case.notes[key] for case in cases()) for key in ("tier", "cause"))

    assert sum(tiers.values()) >= 60
    assert tiers["patch"] >= 40 and tiers["choose"] >= 8 and tiers["explain"] >= 5
    assert set(causes) == CAUSES
    assert len([case for case in cases() if (FOLDER / case.name).is_dir()]) >= 2


def test_every_file_of_the_set_belongs_to_a_case():
    expected = {FOLDER / "README.md"}
    for case in cases():
        program = FOLDER / case.name
        expected |= {program if program.is_dir() else program.with_suffix(".py"), program.with_suffix(".toml")}
        expected |= {FOLDER / diff for diff in case.diffs}
        if case.notes["reference"] == "convention":
            expected.add(FOLDER / f"{case.name}.reference.diff")

    assert {path for path in FOLDER.iterdir() if path.name != "__pycache__"} == expected
