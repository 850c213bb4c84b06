"""Probes are found by name, pattern and prefix, and a wrong one is named in one line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fixinplace.verify.probes import Probe, ProbeError, has_main_guard, parse, script


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("def main(): pass\ndef probe_one(): pass\nclass K:\n    def probe_no(self): pass\n")
    (tmp_path / "b.py").write_text("def probe_two(): pass\ndef probe_three(): pass\n")
    (tmp_path / "broken.py").write_text("def main(:\n")
    (tmp_path / "given.py").write_text(
        "def main(x, y=1): pass\ndef named(*, x): pass\ndef probe_x(x): pass\ndef free(x=1, *a, y=2, **k): pass\n"
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.py").write_text("def main(): pass\n")
    return tmp_path


def labels(spec: str, base: Path) -> list[str]:
    probes = parse(spec, base)
    assert all(Path(probe.path).is_absolute() for probe in probes)
    return [f"{probe.kind} {probe.label}" for probe in probes]


def test_a_callable(base: Path):
    assert parse("a.py::main", base) == (Probe("callable", str(base / "a.py"), "main"),)
    assert labels(f"{base}/a.py::main", Path("/nowhere")) == ["callable a.py::main"]


def test_the_functions_of_a_probe_file(base: Path):
    assert labels("a.py", base) == ["file a.py::probe_one"]
    assert labels("b.py", base) == ["file b.py::probe_two", "file b.py::probe_three"]


def test_patterns_pass_over_files_without_the_name(base: Path):
    assert labels("*.py::main", base) == ["callable a.py::main"]
    assert labels("**/*.py::main", base) == ["callable a.py::main", "callable c.py::main"]
    assert labels(f"{base}/?.py::probe_two", base) == ["callable b.py::probe_two"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("none.py::main", "there is no file none.py"),
        ("a.py::gone", "a.py has no function gone"),
        ("sub/c.py", "begins with probe_"),
        ("broken.py::main", "broken.py cannot be read"),
        ("*.txt::main", "no file matches"),
        ("a.py::", "a name is missing"),
        ("given.py::main", "main needs arguments"),
        ("given.py::named", "named needs arguments"),
        ("given.py", "begins with probe_"),
    ],
)
def test_errors_are_one_line_and_name_the_probe(spec: str, words: str, base: Path):
    with pytest.raises(ProbeError) as caught:
        parse(spec, base)
    message = str(caught.value)
    assert words in message
    assert spec in message
    assert "\n" not in message


def test_defaults_are_no_arguments(base: Path):
    assert labels("given.py::free", base) == ["callable given.py::free"]


def test_a_script(base: Path):
    assert script(base / "a.py") == Probe("script", str(base / "a.py"), None)
    assert script(base / "a.py").label == "a.py"


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("if __name__ == '__main__':\n    f()\n", True),
        ("if '__main__' == __name__: f()\n", True),
        ("if __name__ != '__main__':\n    f()\n", False),
        ("def f():\n    if __name__ == '__main__': pass\n", False),
        ("x = 1\n", False),
    ],
)
def test_main_guards(text: str, guarded: bool):
    assert has_main_guard(ast.parse(text)) is guarded
    assert has_main_guard(text) is guarded
