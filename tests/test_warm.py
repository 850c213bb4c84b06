"""An unchanged tree is told again without being read; whatever had a say in the output has one in that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixinplace import __main__, files, names, pipeline, warm
from fixinplace.commands import check as command
from fixinplace.commands import kept
from fixinplace.model import Analysis
from fixinplace.source import Source

CORPUS = Path(__file__).parent.parent / "corpus"

MODEL = """\
import torch


def helper(x: torch.Tensor):
    x += 1
    return x


def forward(a: torch.Tensor):
    h = torch.sigmoid(a)
    h += helper(a * 2)
    return h.sum()


forward(torch.ones(3, requires_grad=True)).backward()
"""
WORDS = ("check", "--output-format", "json", "--exit-zero", "project")
Run = Callable[..., bytes]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs the command line in a folder with a project in it; what it prints."""
    home = tmp_path / "work"
    (home / "project" / "inner").mkdir(parents=True)
    (home / "project" / "model.py").write_text(MODEL, encoding="utf-8")
    (home / "project" / "inner" / "other.py").write_text("import torch\n", encoding="utf-8")
    monkeypatch.chdir(home)
    monkeypatch.setenv("FIXINPLACE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(warm, "FRESH", 0)

    def printed(*words: str) -> bytes:
        files.forget()  # as a process of its own would not know
        monkeypatch.setattr(sys, "argv", ["fixinplace", *(words or WORDS)])
        with pytest.raises(SystemExit):
            __main__.main()
        return capfdbinary.readouterr().out

    return printed


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that were not told again."""
    seen: list[str] = []
    real = command.units

    def units(*arguments: object) -> object:
        seen.append("read")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(command, "units", units)
    return seen


def test_what_was_printed_is_printed_again_without_reading(run: Run, reads: list[str]):
    first = run()
    assert json.loads(first)["summary"]["findings"] > 0
    assert run() == first and run() == first
    assert reads == ["read"]


CHANGES: dict[str, Callable[[], object]] = {
    "a line more": lambda: Path("project/model.py").write_text(MODEL + "# more\n", encoding="utf-8"),
    "as long as before": lambda: Path("project/model.py").write_text(MODEL.replace("1", "2"), encoding="utf-8"),
    "a file more": lambda: Path("project/new.py").write_text(MODEL, encoding="utf-8"),
    "a file more below": lambda: Path("project/inner/new.py").write_text(MODEL, encoding="utf-8"),
    "a file less": lambda: Path("project/inner/other.py").unlink(),
    "another name": lambda: Path("project/model.py").rename("project/name.py"),
    "ignored": lambda: Path("project/.gitignore").write_text("model.py\n", encoding="utf-8"),
    "ignored from above": lambda: (Path(".git").mkdir(), Path(".gitignore").write_text("model.py\n", encoding="utf-8")),
    "configured": lambda: Path("project/pyproject.toml").write_text(
        '[tool.fixinplace]\nignore = ["FIP101"]\n', encoding="utf-8"
    ),
    "configured above": lambda: Path("pyproject.toml").write_text(
        '[tool.fixinplace]\nexclude = ["model.py"]\n', encoding="utf-8"
    ),
    "imported from near by": lambda: Path("user.py").write_text("from model import helper\n", encoding="utf-8"),
    "imported from below": lambda: Path("project/inner/other.py").write_text("import model\n", encoding="utf-8"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_had_a_say_is_looked_at(run: Run, change: Callable[[], object]):
    first = run()
    assert run() == first
    change()
    changed = run()
    assert changed == run("check", "--no-cache", *WORDS[1:])
    assert changed != first


def test_other_words_are_another_question(run: Run, reads: list[str]):
    whole = run()
    assert run(*WORDS[:-1], "project/inner") != whole
    assert run(*WORDS[:-1], "--ignore", "FIP101", "project") != whole
    assert len(reads) == 3


def test_nothing_is_kept_with_no_cache_nor_of_what_is_too_young(
    run: Run, reads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run("check", "--no-cache", "project")
    monkeypatch.setattr(warm, "FRESH", 3600_000_000_000)
    run()
    assert len(reads) == 2
    assert not (tmp_path / "cache" / "runs").exists()


def test_our_own_files_have_a_say(run: Run, reads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = tmp_path / "own.py"
    own.write_text("1\n", encoding="utf-8")
    monkeypatch.setattr(warm, "_own", lambda: [str(own)])
    first = run()
    own.write_text("2\n", encoding="utf-8")
    assert run() == first
    assert len(reads) == 2


def test_what_does_not_matter_in_a_folder_does_not_cost_a_reading(run: Run, reads: list[str]):
    first = run()
    Path("project/notes.txt").write_text("notes", encoding="utf-8")
    Path("project/inner/__pycache__").mkdir()
    assert run() == first
    assert reads == ["read"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": 1, "read": [], "told": [1], "code": 0}']
)
def test_an_entry_that_is_damaged_counts_as_none(run: Run, tmp_path: Path, text: str):
    first = run()
    (entry,) = (tmp_path / "cache" / "runs").iterdir()
    entry.write_text(text, encoding="utf-8")
    assert run() == first


def test_entries_that_are_not_used_are_removed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(warm, "_KEPT", 2)
    for name in ("a", "b", "c", "d"):
        run(*WORDS[:-1], "--ignore", "FIP10" + str("abcd".index(name) + 1), "project")
    assert len(list((tmp_path / "cache" / "runs").iterdir())) == 2


@pytest.fixture
def analyses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were analysed anew."""
    seen: list[str] = []
    real = pipeline.analyse

    def analyse(source: Source, enabled: frozenset[str]) -> Analysis:
        seen.append(Path(source.path).name)
        return real(source, enabled)

    monkeypatch.setattr(pipeline, "analyse", analyse)
    return seen


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("*.py"))[::12])
def test_a_kept_analysis_is_the_one_that_was_made(tmp_path: Path, name: str):
    source = files.read(str(CORPUS / name))
    assert isinstance(source, Source)
    enabled = frozenset(rule.code for rule in names.RULES)
    made = pipeline.analyse(source, enabled)
    store = kept.kept(tmp_path)
    assert store.get(source, enabled) is None
    store.put(source, enabled, made)
    assert store.get(source, enabled) == made
    assert store.get(source, enabled - {"FIP101"}) is None
    assert store.get(replace(source, imported=not source.imported), enabled) is None
    assert store.get(replace(source, data=source.data + b"#"), enabled) is None
    assert replace(store, tool="another").get(source, enabled) is None
    moved = store.get(replace(source, path="x.py"), enabled)
    assert moved == replace(made, path="x.py", problems=tuple(replace(each, path="x.py") for each in made.problems))


def test_where_one_file_has_changed_the_others_are_not_analysed_again(run: Run, analyses: list[str]):
    run()
    assert sorted(analyses) == ["model.py", "other.py"]
    Path("project/inner/other.py").write_text("import torch\nx = 1\n", encoding="utf-8")
    assert run() == run("check", "--no-cache", *WORDS[1:])
    assert sorted(analyses) == ["model.py", "model.py", "other.py", "other.py", "other.py"]  # two by --no-cache


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"problems": [], "findings": [1], "suppressed": []}'])
def test_a_damaged_analysis_counts_as_none(run: Run, tmp_path: Path, analyses: list[str], text: str):
    first = run()
    entries = list((tmp_path / "cache" / "files").glob("*/*"))
    assert len(entries) == 2
    for entry in (*entries, *(tmp_path / "cache" / "runs").iterdir()):
        entry.write_text(text, encoding="utf-8")
    assert run() == first
    assert len(analyses) == 4


def test_analyses_that_were_not_used_for_a_month_are_removed_once_a_day(tmp_path: Path):
    store = kept.Kept(tmp_path, "tool")
    old, new = tmp_path / "aa" / "old.json", tmp_path / "bb" / "new.json"
    for file in (old, new):
        file.parent.mkdir()
        file.write_text("{}", encoding="utf-8")
    os.utime(old, (0, 0))
    store.tidy()
    assert not old.exists() and new.exists()
    os.utime(new, (0, 0))
    store.tidy()
    assert new.exists()


def test_a_cache_that_cannot_be_written_changes_nothing(run: Run, tmp_path: Path):
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    assert run() == run()


def test_an_unchanged_tree_is_told_without_what_reads_it(tmp_path: Path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "model.py").write_text(MODEL, encoding="utf-8")
    (tmp_path / "cache").mkdir()
    environment = {**os.environ, "FIXINPLACE_CACHE_DIR": str(tmp_path / "cache")}
    keeping = "import sys; from fixinplace import warm, __main__; warm.FRESH = 0; sys.argv[1:] = ['check', 'model.py'];"
    told: list[subprocess.CompletedProcess[bytes]] = []
    for after in ("", "import atexit; atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr));"):
        words = [sys.executable, "-c", keeping + after + "__main__.main()"]
        told.append(subprocess.run(words, cwd=project, env=environment, capture_output=True, check=False))
    first, second = told
    assert first.returncode == second.returncode == 1
    assert first.stdout == second.stdout != b""
    loaded = set(second.stderr.decode().split())
    assert "json" in loaded
    assert not loaded & {"libcst", "rich", "pydantic", "typer", "ast", "dataclasses", "pathspec", "torch", "re"} - {
        "re"
    }
