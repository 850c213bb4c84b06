"""Whether a case of `tests/repair_cases` is what its notes say; `python repair_check.py` judges names read from stdin.

A case is `NAME.py`, or a folder `NAME` with `train.py`, beside `NAME.toml`: the cause (a code of the taxonomy in the
README of that folder), the tier, the offending lines, and how the expert's result is checked. `NAME.diff` is the
expert's patch; `NAME.1.diff`, `NAME.2.diff`, ... are the honest options of tier `choose`; in tier `explain` the patch
is the documented remedy. Where no run of the original can be the reference, `NAME.reference.diff` says the same as the
expert in another way.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import repair_runs as runs
import torch

FOLDER = Path(__file__).resolve().parent / "repair_cases"
CAUSES = set("AUG STEP LEAFP IDX INF ACT MV LEAFX UND VMAP CFN ALIAS SIL HID HOOK BUF NGV".split())
TIERS = {"patch", "choose", "explain"}
MORE_LINES = ("saves", "backwards", "raises", "flags")
REFERENCES = {"cloned", "freed", "objective", "differences", "convention"}


@dataclass(frozen=True)
class Case:
    """One failing program, and what is known about it."""

    name: str
    notes: dict[str, Any]

    @property
    def file(self) -> str:
        """The main file, relative to the case's own folder of a copy."""
        return "train.py" if (FOLDER / self.name).is_dir() else f"{self.name}.py"

    @property
    def diffs(self) -> list[str]:
        """What is to be tried: one patch, or the options in order."""
        if self.notes["tier"] != "choose":
            return [f"{self.name}.diff"]
        return [f"{self.name}.{number}.diff" for number in range(1, len(self.notes["options"]) + 1)]

    def copy(self, to: Path, diff: str | None = None) -> Path:
        """The program's files in a new folder, patched where `diff` says so."""
        to.mkdir(parents=True)
        source = FOLDER / self.name
        if source.is_dir():
            shutil.copytree(source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source.with_suffix(".py"), to)
        if diff is not None:
            subprocess.run(["git", "apply", "--unsafe-paths", str(FOLDER / diff)], cwd=to, check=True)
        return to


def cases() -> list[Case]:
    return [Case(path.stem, tomllib.loads(path.read_text())) for path in sorted(FOLDER.glob("*.toml"))]


def differences(left: Any, right: Any, at: str = "") -> Iterator[str]:
    """Where two structures are not the same to within rounding: 16 units of the largest element of a tensor."""
    if type(left) is not type(right):
        yield f"{at}: {type(left).__name__} and {type(right).__name__}"
    elif isinstance(left, dict | list):
        keys = [list(each) if isinstance(each, dict) else range(len(each)) for each in (left, right)]
        if list(keys[0]) != list(keys[1]):
            yield f"{at}: other keys or length"
        else:
            for key in keys[0]:
                yield from differences(left[key], right[key], f"{at}[{key!r}]")
    elif isinstance(left, torch.Tensor):
        if not near(left, right):
            yield f"{at}: {left.dtype} {left.flatten()[:4].tolist()} and {right.dtype} {right.flatten()[:4].tolist()}"
    elif not (left == right or (isinstance(left, float) and abs(left - right) <= 4e-6 * max(abs(left), abs(right)))):
        yield f"{at}: {left} and {right}"


def near(left: torch.Tensor, right: torch.Tensor) -> bool:
    if (left.dtype, left.shape) != (right.dtype, right.shape):
        return False
    if torch.equal(left, right) or not left.dtype.is_floating_point:
        return torch.equal(left, right)
    bound = 16 * torch.finfo(left.dtype).eps * float(right.abs().max())
    return float((left - right).abs().max()) <= bound


def backward_differences(left: list[Any], right: list[Any]) -> Iterator[str]:
    """Roots in order; the gradients of the leaves in any order, since another graph is walked in another order."""
    if len(left) != len(right):
        yield f"{len(left)} backwards and {len(right)}"
    for index, (ours, theirs) in enumerate(zip(left, right, strict=False)):
        yield from differences(ours[0], theirs[0], f"backward {index} root")
        rest = list(theirs[1:])
        for grad in ours[1:]:
            match = next((each for each in rest if not list(differences(grad, each))), grad)
            rest = [each for each in rest if each is not match]
        if rest or len(ours) != len(theirs):
            yield f"backward {index}: the gradients differ"


def compared(run: dict[str, Any], reference: dict[str, Any], backwards: bool = True) -> list[str]:
    if run["error"] or reference["error"]:
        return [f"error: {run['error']} / reference: {reference['error']}"]
    found = list(differences(run["result"], reference["result"]))
    return found + (list(backward_differences(run["backwards"], reference["backwards"])) if backwards else [])


class Bench:
    """The runs of one case, each in a fresh copy and a fresh process."""

    def __init__(self, case: Case, scratch: Path) -> None:
        self.case, self.scratch, self.count = case, scratch, 0

    def run(self, work: Any, diff: str | Path | None = None, *arguments: Any) -> Any:
        """`work` on the original, on the original patched by the file of that name, or on the program in a folder."""
        return runs.fork(work, diff if isinstance(diff, Path) else self.copy(diff), self.case.file, *arguments)

    def copy(self, diff: str | None = None) -> Path:
        self.count += 1
        return self.case.copy(self.scratch / str(self.count) / self.case.name, diff)

    def problems(self) -> list[str]:
        return [*self.notes_problems(), *self.original_problems(), *self.line_problems(), *self.expert_problems()]

    def notes_problems(self) -> Iterator[str]:
        notes = self.case.notes
        if notes["cause"] not in CAUSES or notes["tier"] not in TIERS or notes["reference"] not in REFERENCES:
            yield "cause, tier or reference is none of the known ones"
        folder = self.case.copy(self.scratch / "notes")
        for line in [each for key in ("culprits", *MORE_LINES) for each in notes.get(key, [])]:
            held = (folder / line["file"]).read_text().splitlines()[line["line"] - 1].strip()
            if held != line["text"]:
                yield f"{line['file']}:{line['line']} holds {held!r}, not {line['text']!r}"

    def original_problems(self) -> Iterator[str]:
        notes, run = self.case.notes, self.run(runs.run_plain)
        if not notes["silent"]:
            raised = [(line["file"], line["line"]) for line in notes[notes["raised_at"]]]
            if notes["error"] not in str(run["error"]):
                yield f"raises {run['error']}, not {notes['error']!r}"
            elif run["where"] not in raised:
                yield f"raises at {run['where']}, not at {raised}"
        elif run["error"]:
            yield f"is not silent: {run['error']}"
        elif not self.wrong(run):
            yield "finishes, and nothing is wrong"

    def wrong(self, run: dict[str, Any]) -> bool:
        """Whether a quiet run gives other gradients than its reference."""
        if self.case.notes["reference"] == "differences":
            name = self.case.notes["objective"]
            ours, reference = self.run(runs.run_slope, None, name), self.run(runs.run_differences, None, name)
            return abs(ours[1] - reference[1]) > 1e-4 * abs(reference[1])
        return bool(self.against_reference(run, None))

    def line_problems(self) -> Iterator[str]:
        """The watcher's offenders are exactly the noted lines, where a saved tensor is the matter."""
        notes = self.case.notes
        if notes["reference"] != "cloned":
            return
        offences = self.run(runs.run_watched)
        for index, key in enumerate(("saves", "culprits", "backwards")):
            noted = {(line["file"], line["line"]) for line in notes[key]}
            seen = {offence[index] for offence in offences}
            if noted != seen:
                yield f"{key}: noted {sorted(noted)}, seen {sorted(seen)}"

    def expert_problems(self) -> Iterator[str]:
        for index, diff in enumerate(self.case.diffs):
            run = self.run(runs.run_plain, diff)
            if run["error"]:
                yield f"{diff}: {run['error']}"
            elif self.case.notes["tier"] == "choose":
                same = not compared(run, self.run(runs.run_cloned), backwards=False)
                if same != self.case.notes["options"][index]["as_saved"]:
                    yield f"{diff}: as_saved is {same}"
            else:
                yield from (f"{diff}: {each}" for each in self.against_reference(run, diff))

    def against_reference(self, run: dict[str, Any], diff: str | Path | None) -> list[str]:
        name = self.case.notes.get("objective", "")
        match self.case.notes["reference"]:
            case "cloned":
                return compared(run, self.run(runs.run_cloned))
            case "objective":
                return compared(run, self.run(runs.run_objective, None, name))
            case "differences":
                ours, reference = self.run(runs.run_slope, diff, name), self.run(runs.run_differences, None, name)
                near = all(abs(a - b) <= 1e-6 * max(1.0, abs(b)) for a, b in zip(ours, reference, strict=True))
                return [] if near else [f"value and slope are {ours}, of the original {reference}"]
        return compared(run, self.run(runs.run_plain, f"{self.case.name}.reference.diff"), backwards=False)


def judge(name: str) -> list[str]:
    case = next(case for case in cases() if case.name == name)
    with tempfile.TemporaryDirectory() as scratch:
        return Bench(case, Path(scratch)).problems()


if __name__ == "__main__":
    for word in sys.stdin:
        try:
            print(json.dumps(judge(word.strip())), flush=True)
        except (AssertionError, subprocess.CalledProcessError) as error:
            print(json.dumps([str(error)]), flush=True)
