from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixinplace import detect, names, pipeline

SIGMOID = """\
import torch


def forward(a, skip):
    h = torch.sigmoid(a)
    h += skip
    return h.sum()


if __name__ == "__main__":
    weight = torch.ones(3, requires_grad=True)
    forward(weight * 2, torch.ones(3)).backward()
"""
FIXED = SIGMOID.replace("h += skip", "h = h + skip")
"""The program after the one rewrite that it needs."""

STATIC = ("--verify", "off", "--unsafe-fixes")
"""Writes what can be rewritten, without running it."""


def put(text: str | bytes, name: str = "model.py") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def python(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


# --- check


def test_check_reports_to_standard_output_and_exits_with_1(command):
    put(SIGMOID)

    result = command("check")

    assert result.exit_code == 1
    assert result.stdout.startswith("model.py:6:5  FIP101 augmented-name  ")
    assert result.stdout.splitlines()[-1].startswith("1 finding in 1 file")
    assert result.stderr == ""


def test_check_of_clean_code_exits_with_0(command):
    put(FIXED)

    assert command("check").exit_code == 0


def test_exit_zero(command):
    put(SIGMOID)

    assert command("check", "--exit-zero").exit_code == 0


@pytest.mark.parametrize("selector", ["FIP104", "underscore-method", "FIP9"])
def test_what_is_not_selected_is_not_found(command, selector: str):
    put(SIGMOID)

    assert command("check", "--select", selector).exit_code == 0
    assert command("check", "--ignore", "FIP101,FIP104").exit_code == 0


def test_the_configuration_selects_and_the_command_line_starts_afresh(command):
    put(SIGMOID)
    put('[tool.fixinplace]\nignore = ["augmented-name"]\n', "pyproject.toml")

    assert command("check").exit_code == 0
    assert command("check", "--select", "ALL").exit_code == 1


def test_the_configuration_excludes(command):
    put(SIGMOID, "old/model.py")
    put('[tool.fixinplace]\nexclude = ["old"]\n', "pyproject.toml")

    assert command("check").exit_code == 0
    assert command("check", "old/model.py").exit_code == 1


def test_a_comment_suppresses_and_an_unused_one_is_told(command):
    put(SIGMOID.replace("h += skip", "h += skip  # fixinplace: ignore[augmented-name] on purpose"), "used.py")
    put(FIXED.replace("h + skip", "h + skip  # fixinplace: ignore[augmented-name]"), "unused.py")

    result = command("check", "--output-format", "concise")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith("unused.py:6:19: FIP903 ")
    assert "suppressed 1" in result.stdout


def test_concise_and_statistics(command):
    put(SIGMOID)

    assert re.match(r"model\.py:6:5: FIP101 \[[a-z:\- ]+\] ", command("check", "--output-format", "concise").stdout)
    assert command("check", "--statistics").stdout.startswith("1  FIP101  augmented-name  (1 with a fix)\n")


def test_json_is_one_document_on_standard_output(command):
    put(SIGMOID)

    data = json.loads(command("check", "--output-format", "json").stdout)

    assert data["command"] == "check"
    assert [finding["rule"] for finding in data["files"][0]["findings"]] == ["FIP101"]


def test_standard_input_has_the_name_it_is_given(command):
    result = command("check", "-", "--stdin-filename", "src/net.py", stdin=SIGMOID.encode())

    assert result.exit_code == 1
    assert result.stdout.startswith("src/net.py:6:5  FIP101")
    assert command("check", "-", stdin=SIGMOID.encode()).stdout.startswith("-:6:5  FIP101")


# --- bad input


@pytest.mark.parametrize(
    ("data", "line"),
    [
        pytest.param(b"def f(:\n", "bad.py:1:7  FIP901 syntax-error  invalid syntax", id="syntax error"),
        pytest.param(b"\x7fELF\0", "bad.py:1:1  FIP902 unreadable  the file holds NUL bytes", id="binary"),
        pytest.param(b"x = '\xe9'\n", "bad.py:1:1  FIP902 unreadable  the file cannot be decoded", id="latin-1"),
    ],
)
def test_a_bad_file_is_one_line_and_the_others_are_handled(command, data: bytes, line: str):
    put(data, "bad.py")
    put(SIGMOID, "good.py")

    checked = command("check", "--exit-zero")
    fixed = command("fix", "--exit-zero", *STATIC)

    assert (checked.exit_code, fixed.exit_code) == (2, 2)
    assert line in checked.stdout
    assert line in fixed.stderr
    assert Path("good.py").read_text() == FIXED
    assert Path("bad.py").read_bytes() == data


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "gone.py"], "gone.py:1:1  FIP902 unreadable  no such file or directory"),
        (["check", "--select", "augmentedname"], "unknown rule `augmentedname`; did you mean `augmented-name`?"),
        (["check", "--config", "gone.toml"], "gone.toml: no such file or directory"),
        (["check", "--output-format", "xml"], "Invalid value for '--output-format'"),
        (["check", "-", "model.py"], "`-` (standard input) stands alone"),
        (["check", "--stdin-filename", "x.py"], "--stdin-filename needs `-` as the path"),
        (["fix", "--verify", "maybe"], "Invalid value for '--verify'"),
        (["fix", "--timeout", "0"], "Invalid value for '--timeout'"),
        (["fix", "--unsafe-fixes", "--verify", "require"], "--unsafe-fixes writes what is unproved"),
        (["fix", "--probe", "gone.py::main"], "gone.py"),
        (["rule", "underscore-methd"], "unknown rule `underscore-methd`; did you mean `underscore-method`?"),
        (["chekc"], "No such command 'chekc'"),
    ],
)
def test_what_the_caller_got_wrong_is_told_with_exit_2(command, words: list[str], message: str):
    put(SIGMOID)

    result = command(*words)

    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert Path("model.py").read_text() == SIGMOID


def test_a_bad_configuration_is_one_line(command):
    put(SIGMOID)
    put("[tool.fixinplace]\nprobe = []\n", "pyproject.toml")

    result = command("fix")

    assert result.exit_code == 2
    assert "has no key `probe`; did you mean `probes`?" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert Path("model.py").read_text() == SIGMOID


def test_empty_files_and_folders_are_nothing(command):
    put(b"", "empty.py")

    assert command("check").exit_code == 0
    assert command("fix").exit_code == 0


def test_an_interrupt_is_one_line(command, monkeypatch: pytest.MonkeyPatch):
    put(SIGMOID)

    def interrupt(part: object, tree: object, imported: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(detect, "scan", interrupt)
    result = command("fix")

    assert result.exit_code == 130
    assert result.stderr.splitlines() == ["fixinplace: interrupted; every file is as it was or wholly fixed"]


def test_a_crash_in_one_file_takes_no_other_file_with_it(command, monkeypatch: pytest.MonkeyPatch):
    put(SIGMOID.replace("skip", "crash"), "a.py")
    put(SIGMOID, "b.py")
    scan = detect.scan

    def crash(part, tree, imported):
        if "crash" in part.text:
            raise RuntimeError("a bug")
        return scan(part, tree, imported)

    monkeypatch.setattr(detect, "scan", crash)
    result = command("fix", *STATIC)

    assert result.exit_code == 2
    assert "a.py:1:1  FIP904 internal-error  RuntimeError: a bug" in result.stderr
    assert "fixinplace check --select ALL a.py" in result.stderr
    assert Path("b.py").read_text() == FIXED


def test_a_closed_pipe_is_no_failure_and_the_work_goes_on(tmp_path: Path):
    (tmp_path / "a.py").write_text(SIGMOID)
    (tmp_path / "b.py").write_text("def f(:\n")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as stdout:
        result = subprocess.run(
            [sys.executable, "-m", "fixinplace", "check"],
            cwd=tmp_path, stdout=stdout, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip

    assert result.returncode == 2
    assert result.stderr == b""


# --- fix


def test_fix_writes_and_a_second_run_changes_nothing(command):
    path = put(SIGMOID)

    first = command("fix", *STATIC)
    second = command("fix", *STATIC)

    assert path.read_text() == FIXED
    assert (first.exit_code, first.stdout) == (0, "")
    assert first.stderr.splitlines()[-1].startswith("fixed 1 (")
    assert (second.exit_code, second.stderr) == (0, "fixed 0 (proved 0, safe 0, unproved 0) in 0 of 1 file · "
                                                    "not written 0 · refused 0\n")  # fmt: skip


def test_diff_writes_nothing_and_git_applies_it(command):
    path = put(SIGMOID)

    result = command("fix", "--diff", *STATIC)

    assert result.exit_code == 1
    assert path.read_text() == SIGMOID
    assert "would fix 1 (" in result.stderr
    subprocess.run(["git", "apply", "-"], input=result.stdout_bytes, check=True)
    assert path.read_text() == FIXED
    assert command("fix", "--diff", "--exit-zero", "--verify", "off").exit_code == 0


def test_standard_input_is_fixed_to_standard_output(command):
    words = ("fix", "-", *STATIC)

    result = command(*words, stdin=SIGMOID.encode())

    assert (result.exit_code, result.stdout) == (0, FIXED)
    assert command(*words, "--diff", stdin=SIGMOID.encode()).stdout.startswith("--- a/-\n+++ b/-\n")
    assert command(*words, stdin=b"def f(:\r\n").stdout_bytes == b"def f(:\r\n"


def test_a_file_that_changes_under_our_hands_is_left_alone(command, monkeypatch: pytest.MonkeyPatch):
    path = put(SIGMOID)
    fix = pipeline.fix

    def slowly(source, *rest):
        path.write_text("mine\n")
        return fix(source, *rest)

    monkeypatch.setattr(pipeline, "fix", slowly)
    result = command("fix", *STATIC)

    assert result.exit_code == 2
    assert "model.py:1:1  FIP905 unwritable  was changed by somebody else" in result.stderr
    assert path.read_text() == "mine\n"


def test_bytes_that_were_not_asked_for_stay(command):
    text = "\ufeff" + SIGMOID.replace("\n", "\r\n").replace("def ", "# é\t \r\ndef ").rstrip()
    path = put(text)
    path.chmod(0o640)

    command("fix", *STATIC)

    assert path.read_bytes() == text.replace("h += skip", "h = h + skip").encode()
    assert path.stat().st_mode & 0o777 == 0o640


# --- rule


def test_rule_lists_all_rules(command):
    assert command("rule").stdout.splitlines() == [f"{r.code}  {r.name}: {r.summary}" for r in names.RULES]


@pytest.mark.parametrize("rule", names.RULES, ids=lambda rule: rule.code)
def test_rule_documents_each_rule_by_code_and_name(command, rule: names.Rule):
    page = command("rule", rule.code)

    assert page.exit_code == 0
    assert page.stdout.startswith(f"# {rule.name} ({rule.code})\n\n## What it finds\n")
    assert command("rule", rule.name).stdout == command("rule", rule.code.lower()).stdout == page.stdout


@pytest.mark.parametrize("name", [*names.REFUSALS, *names.UNPROVED, *names.REFUTED])
def test_rule_explains_the_reasons_of_a_report(command, name: str):
    result = command("rule", name)

    assert result.exit_code == 0
    assert result.stdout.startswith(f"{name} (")
    assert ("what to do: " in result.stdout) == (name in names.UNPROVED or name == "still-raises")


# --- start


def test_the_version_is_told_without_the_command_line_library(tmp_path: Path):
    result = python("-X", "importtime", "-m", "fixinplace", "--version")

    assert re.fullmatch(r"fixinplace \d+\.\d+\.\d+\S*\n", result.stdout)
    assert "typer" not in result.stderr


def test_check_imports_neither_torch_nor_the_code_that_runs_things(tmp_path: Path):
    (tmp_path / "m.py").write_text(SIGMOID)

    result = python("-X", "importtime", "-m", "fixinplace", "check", cwd=tmp_path)

    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "fixinplace.pipeline" in imported
    assert {name for name in imported if name.split(".")[0] in ("torch", "numpy")} == set()
    assert {name for name in imported if name.startswith("fixinplace.verify")} == set()


def test_the_module_and_the_script_are_the_same(tmp_path: Path):
    script = Path(sys.executable).with_name("fixinplace")
    run = subprocess.run([script, "rule"], capture_output=True, text=True, check=True)

    assert run.stdout == python("-m", "fixinplace", "rule").stdout


# --- with the real runner


def test_fix_proves_by_running_the_file_and_says_so(command):
    path = put(SIGMOID)

    result = command("fix", "--verify", "require")

    assert path.read_text() == FIXED
    assert result.exit_code == 0
    assert re.search(
        r"\n  proved: \d+ values? and [1-9]\d* gradients? equal to the reference \(largest difference 0\); "
        r"\d+ of \d+ checks; \d+ runs; isolation (?:bwrap|landlock)\n"
        r"  the original fails: RuntimeError: one of the variables needed for gradient computation has been modified",
        result.stderr,
    )
    assert "fixed 1 (proved 1, safe 0, unproved 0) in 1 of 1 file" in result.stderr


def test_what_cannot_be_run_is_not_written_where_a_proof_is_required(command):
    path = put(SIGMOID.partition("\n\nif __name__")[0])

    result = command("fix", "--verify", "require", "--no-inputs")

    assert result.exit_code == 1
    assert path.read_text() == SIGMOID.partition("\n\nif __name__")[0]
    assert "not written 1" in result.stderr


@pytest.mark.slow
def test_what_the_program_prints_and_writes_stays_in_its_run(command):
    put(SIGMOID + '    open("left.txt", "w").close()\n    print("noise", flush=True)\n')

    result = command("fix", "--diff")

    assert "noise" not in result.output
    assert not Path("left.txt").exists()
    assert "proved 1" in result.stderr
