"""Files of timm are fixed in a copy of the package, and whole models are bit for bit what they were.

timm is no dependency and in no extra: where it is missing, these are skipped.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import whole_models as whole

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Case:
    """A file of models, a model of it, the lines that `fix` has to take out and to put in."""

    file: str
    model: str
    out: tuple[str, ...]
    into: tuple[str, ...]

    def __str__(self) -> str:
        return self.file


CASES = (
    Case("resnet", "test_resnet", ("x += shortcut",), ("x = x + shortcut",)),
    Case("visformer", "visformer_tiny", ("nn.ReLU(inplace=True)",), ("nn.ReLU()",)),
    Case("convit", "convit_tiny", ("attn /= attn.sum(",), ("attn = attn / attn.sum(",)),
)


@pytest.fixture(scope="module")
def package() -> Path:
    """The folder of the installed timm, if it can be imported beside this torch."""
    found = importlib.util.find_spec("timm")
    if found is None or found.origin is None:
        pytest.skip("timm is not installed (`pip install timm` into the environment of the tests)")
    done = subprocess.run([sys.executable, "-c", "import timm"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(
            f"timm cannot be imported, which a torchvision for another torch brings about: {done.stderr[-200:]}"
        )
    return Path(found.origin).parent


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_written_is_proved_and_the_whole_model_stays_what_it_was(case: Case, package: Path, tmp_path: Path):
    original, changed = (whole.copied(package, tmp_path / name) for name in ("original", "changed"))
    path = f"timm/models/{case.file}.py"

    code, document = whole.fixed(changed, [path], "--no-cache")

    (file,) = document["files"]
    outcomes = [finding["outcome"] for finding in file["findings"]]
    assert outcomes
    assert [(each["written"], each["verdict"], each["reason"]) for each in outcomes] == [(True, "proved", None)] * len(
        outcomes
    )
    assert all(evidence["difference"] == 0.0 for each in outcomes for evidence in each["evidence"])
    assert code == 0
    text = (changed / path).read_text()
    assert not [line for line in case.out if line in text]
    assert not [line for line in case.into if line not in text]
    assert _differing(original, changed) == [path]

    for folder in (original, changed):
        whole.run(folder, tmp_path / "ran" / folder.name, [case.model], [path])
    found = whole.compared(case.model, tmp_path / "ran" / "original", tmp_path / "ran" / "changed")
    places = whole.edits(original, changed, path)
    assert whole.reached(case.model, tmp_path / "ran" / "changed", changed, path, places) == len(places) > 0
    assert (found.verdict, found.where) == ("equal", "")
    assert found.tensors > 100


def test_what_is_refused_stays_as_it_is(package: Path, tmp_path: Path):
    changed = whole.copied(package, tmp_path / "changed")

    code, document = whole.fixed(changed, ["timm/models/selecsls.py"], "--no-cache", "--unsafe-fixes")

    assert code == 1
    assert document["summary"]["refused"] == {"container-slot": 1}
    assert document["summary"]["changed"] == 0
    assert _differing(package.parent, changed) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x += shortcut", "x += shortcut * (1 + 1e-6)"),
        ("x += shortcut", "x += shortcut.detach()"),
        ("nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu')", "nn.init.zeros_(m.weight)"),
    ],
    ids=["value", "gradient", "initial weights"],
)
def test_what_is_not_the_same_model_is_seen(old: str, new: str, package: Path, tmp_path: Path):
    original, changed = (whole.copied(package, tmp_path / name) for name in ("original", "changed"))
    path = changed / "timm/models/resnet.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))

    for folder in (original, changed):
        whole.run(folder, tmp_path / "ran" / folder.name, ["test_resnet"])
    found = whole.compared("test_resnet", tmp_path / "ran" / "original", tmp_path / "ran" / "changed")

    assert found.verdict == "differs"
    assert found.difference > 0


def _differing(one: Path, other: Path) -> list[str]:
    """Python files of timm that are not the same in two folders."""
    paths = sorted(path.relative_to(one) for path in (one / "timm").rglob("*.py"))
    return [str(path) for path in paths if (one / path).read_bytes() != (other / path).read_bytes()]
