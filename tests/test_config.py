from __future__ import annotations

from pathlib import Path

import pytest

from fixinplace import config
from fixinplace.config import BadConfig, Config, Nearest


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_nearest_file_with_our_table_holds(tmp_path: Path):
    write(tmp_path / "pyproject.toml", '[tool.fixinplace]\nignore = ["FIP104"]\n')
    write(tmp_path / "a/pyproject.toml", "[tool.other]\n")
    write(tmp_path / "a/b/pyproject.toml", '[tool.fixinplace]\nprobes = ["p.py::run"]\n')

    nearest = Nearest()

    assert nearest(tmp_path / "a/x.py") == Config(tmp_path, ignore=("FIP104",))
    assert nearest(tmp_path / "a/b/c/x.py") == Config(tmp_path / "a/b", probes=("p.py::run",))


def test_a_named_file_holds_everywhere(tmp_path: Path):
    named = write(tmp_path / "other.toml", '[tool.fixinplace]\nselect = ["FIP1"]\n')
    write(tmp_path / "a/pyproject.toml", '[tool.fixinplace]\nignore = ["FIP104"]\n')

    assert Nearest(str(named))(tmp_path / "a/x.py") == Config(tmp_path, select=("FIP1",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.fixinplace]\nselekt = []\n", "has no key `selekt`; did you mean `select`?"),
        ("[tool.fixinplace]\nselect = 'FIP1'\n", "select must be a list of strings"),
        ("[tool.fixinplace]\nprobes = [1]\n", "probes must be a list of strings"),
        ("[tool.fixinplace]\nrecorded = ['x']\n", "recorded must be the path of a file"),
        ("[tool]\nfixinplace = 1\n", "tool.fixinplace must be a table"),
        ("[tool.fixinplace]\nignore = ['augmented-nam']\n", "unknown rule `augmented-nam`; did you mean"),
        ("[tool.fixinplace\n", "not valid TOML"),
        ("[tool.other]\n", "there is no [tool.fixinplace] in it"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_the_file(tmp_path: Path, text: str, message: str):
    path = write(tmp_path / "pyproject.toml", text)

    with pytest.raises(BadConfig) as caught:
        Nearest(str(path))

    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_named_file_that_is_missing_is_told(tmp_path: Path):
    with pytest.raises(BadConfig, match="no such file"):
        Nearest(str(tmp_path / "gone.toml"))


def test_excludes_are_patterns_below_the_configuration(tmp_path: Path):
    (tmp_path / "old").mkdir()
    settings = Config(tmp_path, exclude=("old/", "*_pb2.py", "/top.py"))

    excluded = [name for name in ("old", "a/x_pb2.py", "top.py", "a/top.py") if settings.excludes(tmp_path / name)]

    assert excluded == ["old", "a/x_pb2.py", "top.py"]
    assert not settings.excludes(tmp_path.parent / "x_pb2.py")


ALL = config.selected((), ())


def test_everything_is_on_by_default():
    assert {"FIP101", "FIP116", "FIP903"} <= ALL
    assert config.selected(["ALL"], []) == ALL


def test_codes_names_and_starts_of_codes_select():
    assert config.selected(["augmented-name", "fip104"], []) == {"FIP101", "FIP104"}
    assert config.selected(["FIP10"], ["FIP104"]) == {f"FIP10{n}" for n in (1, 2, 3, 5, 6, 7, 8, 9)}
    assert config.selected([], ["FIP9"]) == {code for code in ALL if code < "FIP9"}


def test_the_more_specific_selector_wins():
    assert config.selected(["FIP101"], ["FIP1"]) == {"FIP101"}
    assert config.selected(["FIP101", "FIP104"], ["augmented-name"]) == {"FIP104"}


@pytest.mark.parametrize("word", ["FIP777", "FI", "F", "", "augmented"])
def test_a_selector_that_means_nothing_is_refused(word: str):
    with pytest.raises(BadConfig, match="unknown rule"):
        config.selected([word], [])
