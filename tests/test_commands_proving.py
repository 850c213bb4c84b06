from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixinplace.commands import own_tests
from fixinplace.commands.proving import Provers, Proving
from fixinplace.config import BadConfig, Config
from fixinplace.source import parse

GUARD = 'def main():\n    return 1\n\n\nif __name__ == "__main__":\n    main()\n'
PLAIN = "def main():\n    return 1\n"
CHECKS = "def probe_one():\n    pass\n\n\ndef probe_two():\n    pass\n\n\ndef helper():\n    pass\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {"a.py": GUARD, "b.py": PLAIN, "checks.py": CHECKS, "sub/c.py": GUARD}.items():
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def chosen(path: str, *named: str, configured: tuple[str, ...] = (), text: str | None = None) -> list[str]:
    """Probes for a file: what is named on the command line, what is configured."""
    source = parse(path, (Path(path).read_text() if text is None else text).encode())
    probes = Provers(Proving(named)).probes(source, Config(Path.cwd(), probes=configured))
    return [f"{probe.kind} {Path(probe.path).relative_to(Path.cwd())} {probe.name or ''}".strip() for probe in probes]


def test_a_file_with_a_guard_is_its_own_probe():
    assert chosen("a.py") == ["script a.py"]
    assert chosen("b.py") == []


def test_what_only_mentions_a_guard_is_not_run():
    assert chosen("b.py", text=f"TEXT = {GUARD!r}\n") == []
    assert chosen("b.py", text="if __name__ == '__main__'\n") == []


def test_standard_input_without_a_name_is_not_run():
    assert chosen("-", text=GUARD) == []


def test_a_function_of_each_file_where_the_file_has_it():
    assert chosen("sub/c.py", "::main") == ["callable sub/c.py main"]
    assert chosen("checks.py", "::main") == []


def test_the_command_line_goes_before_the_configuration_and_both_before_the_guard():
    assert chosen("a.py", "b.py::main", configured=("::main",)) == ["callable b.py main"]
    assert chosen("a.py", configured=("::main",)) == ["callable a.py main"]


def test_a_pattern_with_a_function_means_the_file_itself():
    assert chosen("a.py", configured=("*.py::main",)) == ["callable a.py main"]
    assert chosen("sub/c.py", configured=("*.py::main",)) == ["script sub/c.py"]


def test_a_probe_file_and_a_pattern_of_probe_files_hold_for_every_file():
    both = ["file checks.py probe_one", "file checks.py probe_two"]

    assert chosen("a.py", "checks.py") == both
    assert chosen("b.py", configured=("check*.py",)) == both


def test_a_script_is_named_by_its_path():
    assert chosen("b.py", "a.py") == ["script a.py"]


def test_naming_a_probe_twice_runs_it_once():
    assert chosen("a.py", "::main", "a.py::main") == ["callable a.py main"]


@pytest.mark.parametrize("word", ["gone.py::main", "gone.py", "a.py::gone", "b.py", "*.py::gone", "a.py::"])
def test_a_probe_that_does_not_exist_is_told_in_one_line(word: str):
    with pytest.raises(BadConfig) as caught:
        chosen("a.py", word)

    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_configuration_is_relative_to_its_own_folder(tmp_path: Path):
    source = parse("a.py", GUARD.encode())

    (probe,) = Provers(Proving()).probes(source, Config(tmp_path / "sub", probes=("c.py::main",)))

    assert probe.path == str(tmp_path / "sub/c.py")


def test_a_test_that_proves_prints_no_seconds(tmp_path: Path):
    """They differ from run to run, and what is printed is compared."""
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    command = [sys.executable, "-m", "pytest", *own_tests.OPTIONS, "-p", "no:asyncio", "test_it.py::test_it"]

    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert re.search(r"\d\.\d|passed", result.stdout) is None
