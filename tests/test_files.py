from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from fixinplace import files
from fixinplace.files import Change, NotWritten
from fixinplace.model import Problem
from fixinplace.source import Source


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(*names: str, text: str = "x = 1\n") -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(*paths: str) -> list[str]:
    names, problems = files.discover(paths or (".",))
    assert problems == []
    return names


# --- discovery


def test_folders_are_walked_for_python_files_in_order():
    put("b.py", "a/z.py", "a/b/c.py", "a.txt", "a-b.py", "stub.pyi")

    assert found() == ["a/b/c.py", "a/z.py", "a-b.py", "b.py"]


def test_a_file_that_is_named_is_taken_whatever_its_name_and_once():
    put("tool", "venv/m.py", "a.py")
    Path(".gitignore").write_text("a.py\n")

    assert found("tool", "./a.py", "venv/m.py", "a.py", ".") == ["a.py", "tool", "venv/m.py"]


def test_folders_of_tools_are_left_out():
    put("m.py", ".venv/lib/x.py", "build/x.py", "src/__pycache__/x.py", "node_modules/x.py", "a/.git/x.py")

    assert found() == ["m.py"]


def test_a_file_may_bear_the_name_of_such_a_folder():
    put("build.py", "src/dist.py")

    assert found() == ["build.py", "src/dist.py"]


def test_gitignore_files_hold_below_their_folder_and_the_deepest_decides():
    put("keep.py", "gen/a.py", "gen/keep/b.py", "src/local.py", "src/deep/local.py", "src/deep/mine.py", "local.py")
    Path(".gitignore").write_text("gen/*\n!gen/keep/\n")
    Path("src/.gitignore").write_text("local.py\nmine.py\n")
    Path("src/deep/.gitignore").write_text("!mine.py\n")

    assert found() == ["gen/keep/b.py", "keep.py", "local.py", "src/deep/mine.py"]


def test_gitignore_of_the_repository_holds_where_the_walk_starts_below_it():
    put("repo/src/a.py", "repo/src/b.py", "repo/src/sub/c.py")
    Path("repo/.git").mkdir()
    Path("repo/.gitignore").write_text("b.py\n/src/sub\n")
    Path(".gitignore").write_text("a.py\n")  # above the repository: not git's business

    assert found("repo/src") == ["repo/src/a.py"]


def test_what_is_excluded_is_asked_below_folders_only():
    put("a.py", "old/b.py")

    names, _ = files.discover(["a.py", "."], lambda path: path.name in ("a.py", "old"))

    assert names == ["a.py"]


def test_links_cannot_loop_and_a_file_keeps_its_own_name(tmp_path: Path):
    put("src/real.py")
    Path("src/again").symlink_to(tmp_path / "src", target_is_directory=True)
    Path("alias.py").symlink_to("src/real.py")
    Path("nothing.py").symlink_to("gone.py")

    assert found() == ["src/real.py"]


def test_a_link_that_loops_is_a_problem_when_it_is_named():
    Path("a.py").symlink_to("b.py")
    Path("b.py").symlink_to("a.py")

    names, _ = files.discover(["a.py"])
    problem = files.read(names[0])

    assert isinstance(problem, Problem)
    assert problem.message == "too many levels of symbolic links"


def test_a_folder_that_cannot_be_listed_is_a_problem_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch):
    put("a/x.py", "b/y.py")
    scandir = os.scandir

    def refuse(folder: Path):
        if Path(folder).name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)

    names, problems = files.discover(["."])

    assert names == ["b/y.py"]
    assert problems == [Problem("FIP902", "a", "permission denied")]


def test_paths_are_shown_relative_below_the_working_directory_only(tmp_path: Path):
    assert files.shown(tmp_path / "a" / "b.py") == "a/b.py"
    assert files.shown(tmp_path.parent / "x.py") == str(tmp_path.parent / "x.py")


# --- reading


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"\x7fELF\0\0", "the file holds NUL bytes: it is not Python text", id="binary"),
        pytest.param("é = 1\n".encode("latin-1"), "invalid or missing encoding declaration", id="latin-1"),
        pytest.param(b"# coding: klingon\n", "unknown encoding: klingon", id="unknown encoding"),
        pytest.param(b"\n\n\nx = '\xff'\n", "can't decode byte 0xff", id="late bad byte"),
    ],
)
def test_what_is_no_python_text_is_one_line(data: bytes, message: str):
    Path("m.py").write_bytes(data)

    problem = files.read("m.py")

    assert isinstance(problem, Problem)
    assert problem.rule == "FIP902"
    assert message in problem.message
    assert "\n" not in problem.message


def test_missing_files_folders_and_pipes_are_one_line():
    Path("d").mkdir()
    os.mkfifo("pipe.py")

    assert files.read("gone.py") == Problem("FIP902", "gone.py", "no such file or directory")
    assert files.read("d") == Problem("FIP902", "d", "is a directory")
    assert files.read("pipe.py") == Problem("FIP902", "pipe.py", "is not a regular file")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xef\xbb\xbfx = 1\r\n", id="byte order mark and CRLF"),
        pytest.param("# -*- coding: latin-1 -*-\né = 1".encode("latin-1"), id="declared latin-1, no final newline"),
        pytest.param(b"a = 1\rb = 2\r", id="CR"),
    ],
)
def test_bytes_come_back_as_they_were(data: bytes):
    Path("m.py").write_bytes(data)

    source = files.read("m.py")

    assert isinstance(source, Source)
    assert source.encode(source.part.text) == data


# --- writing


def change(name: str, data: bytes = b"new\n") -> Change:
    return Change(name, hashlib.sha256(Path(name).read_bytes()).hexdigest(), data)


def leftovers() -> list[str]:
    return [path.name for path in Path().rglob(".fixinplace-*")]


def test_a_written_file_keeps_its_mode_and_leaves_nothing_beside_it():
    put("m.py")
    Path("m.py").chmod(0o750)

    files.write([change("m.py")])

    assert Path("m.py").read_bytes() == b"new\n"
    assert stat.S_IMODE(Path("m.py").stat().st_mode) == 0o750
    assert leftovers() == []


def test_a_link_keeps_pointing_to_the_file_that_is_written():
    put("real/m.py")
    Path("m.py").symlink_to("real/m.py")

    files.write([change("m.py")])

    assert Path("m.py").is_symlink()
    assert Path("real/m.py").read_bytes() == b"new\n"


def test_a_file_that_changed_meanwhile_is_refused_and_so_are_its_companions():
    put("a.py", "b.py")
    changes = [change("a.py"), change("b.py")]
    Path("b.py").write_text("somebody else\n")

    with pytest.raises(NotWritten, match="changed by somebody else"):
        files.write(changes)

    assert Path("a.py").read_text() == "x = 1\n"
    assert Path("b.py").read_text() == "somebody else\n"
    assert leftovers() == []


def test_when_the_second_rename_fails_the_first_is_undone(monkeypatch: pytest.MonkeyPatch):
    put("a.py", "b.py")
    replace = Path.replace

    def fail_on_b(self: Path, target: Path) -> Path:
        if target.name == "b.py":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_on_b)

    with pytest.raises(NotWritten, match="no space left on device"):
        files.write([change("a.py"), change("b.py")])

    assert Path("a.py").read_text() == "x = 1\n"
    assert Path("b.py").read_text() == "x = 1\n"
    assert leftovers() == []


def test_a_file_without_write_permission_is_refused(monkeypatch: pytest.MonkeyPatch):
    put("a.py")
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    with pytest.raises(NotWritten, match="permission denied"):
        files.write([change("a.py")])

    assert Path("a.py").read_text() == "x = 1\n"


def test_whether_another_file_imports_the_module(tmp_path: Path):
    (tmp_path / "tools").mkdir()
    for name in ("train.py", "model.py", "alone.py", "__init__.py"):
        (tmp_path / name).write_text(
            "import torch\nimport alone.but_not_me as me\n" if name == "alone.py" else "import torch\n"
        )
    (tmp_path / "eval.py").write_text("from .model import (\n    Net,\n)\n")
    (tmp_path / "tools" / "export.py").write_text("import os, train\n")

    imported = {path.name: files.read(str(path)).imported for path in tmp_path.glob("*.py")}

    assert imported == {"train.py": True, "model.py": True, "alone.py": False, "eval.py": False, "__init__.py": False}


def test_a_module_that_is_imported_has_hidden_callers(tmp_path: Path, command):
    program = tmp_path / "train.py"
    program.write_text(
        "import torch\n\n\ndef scale(t):\n    t.mul_(2)\n    return t.sum()\n\n\n"
        'if __name__ == "__main__":\n    print(scale(torch.ones(2, requires_grad=True).exp()))\n'
    )
    alone = command("fix", "--verify", "off", "--diff", str(program))
    (tmp_path / "other.py").write_text("from train import scale\n")
    files._imports.cache_clear()
    shared = command("fix", "--verify", "off", "--diff", str(program))

    assert "t = t.mul(2)" in alone.stdout
    assert shared.stdout == ""
    assert "hidden-caller" in shared.stderr
