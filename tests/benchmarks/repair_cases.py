"""What `fixinplace repair` does on its evaluation set: `python tests/benchmarks/repair_cases.py [NAME] [--keep DIR]`.

Every case is repaired in a copy by the command itself, and what it wrote or proposes is run and compared with the
expert's result. One line per case, totals at the end; `--keep` keeps each JSON document and each patched program.
A patch that is called proved and does not give the reference's result is WRONG; then, and only then, the exit is 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import repair_runs as runs
from repair_check import FOLDER, Bench, Case, cases, compared

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Score:
    """What one case came to; every field is what the summary counts."""

    case: Case
    seconds: float = 0.0
    status: str = ""
    outcome: str = ""
    culprits: str = "missed"
    saves: str = "missed"
    backward: str = "missed"
    lines: tuple[int, int] = (0, 0)
    wrong: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.wrong and self.culprits != "missed" and self.outcome in {"as expert", "choice", "explained"}

    def line(self) -> str:
        notes = self.case.notes
        length = f"{self.lines[0]}/{self.lines[1]} lines" if self.lines[0] else ""
        parts = [
            "WRONG" if self.wrong else "ok   " if self.good else "--   ",
            f"{self.case.name:24} {notes['cause']:6} {notes['tier']:8} {self.status:12} {self.outcome:14}",
            f"culprit {self.culprits}, save {self.saves}, backward {self.backward} {length}  {self.seconds:.0f} s",
        ]
        return "\n        ".join([" ".join(parts), *self.wrong, *self.remarks])


def changed(diff: str) -> int:
    """Lines that a person would say were changed: of those taken away and those put in, the more."""
    lines = [line for line in diff.splitlines() if line[:3] not in ("+++", "---")]
    return max(sum(line.startswith(sign) for line in lines) for sign in "+-")


def place(data: dict[str, Any] | None) -> tuple[str, int] | None:
    return None if not data else (data["file"], data["line"])


def named(document: dict[str, Any]) -> dict[str, set[Any]]:
    """The lines that the report puts forward, by what they are said to have done."""
    found: dict[str, set[Any]] = {"culprits": set(), "saves": set(), "backwards": set()}
    for culprit in document["culprits"]:
        found["culprits"].add(place(culprit["culprit"]))
        found["saves"] |= {place(culprit["save"]), *(place(each["save"]) for each in culprit["offences"])}
        found["backwards"] |= {place(culprit["backward"]), *(place(each["backward"]) for each in culprit["offences"])}
    return {key: value - {None} for key, value in found.items()}


def agreement(noted: list[dict[str, Any]], seen: set[Any]) -> str:
    wanted = {place(each) for each in noted}
    if not wanted:
        return "-"
    if not wanted & seen:
        return "missed"
    return "named" if wanted == seen else "named+more" if wanted <= seen else "some"


def repair(folder: Path, case: Case) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "fixinplace", "repair", "--output-format", "json", f"{case.file}::main"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def judge(case: Case, scratch: Path, keep: Path | None) -> Score:
    bench, score = Bench(case, scratch), Score(case)
    folder = bench.copy()
    start = time.monotonic()
    code, output, errors = repair(folder, case)
    score.seconds = time.monotonic() - start
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{case.name}.json").write_text(output or errors)
    try:
        document = json.loads(output)
    except ValueError:
        score.status, score.outcome = f"exit {code}", "no document"
        score.remarks.append(errors.strip()[-300:])
        return score
    score.status = document["status"]
    lines = named(document)
    score.culprits, score.saves, score.backward = (
        agreement(case.notes.get(key, []), lines[key]) for key in ("culprits", "saves", "backwards")
    )
    if score.culprits == "missed" and lines["culprits"] & {place(each) for each in case.notes.get("flags", [])}:
        score.culprits = "flag"
    if "missed" in score.culprits or "some" in score.culprits:
        score.remarks.append(f"named {sorted(lines['culprits'])}")
    if document["patch"] is not None:
        judge_patch(bench, score, document, folder)
    elif document["choices"]:
        judge_choices(bench, score, document)
    else:
        judge_silence(score, document)
    return score


def judge_patch(bench: Bench, score: Score, document: dict[str, Any], folder: Path) -> None:
    """The written program against the reference and the expert's run; an unwritten patch is applied first."""
    patch = document["patch"]
    claim = f"{patch['verdict']}{'' if document['written'] else ', not written'}"
    if not document["written"]:
        apply(folder, patch["diff"])
    run = bench.run(runs.run_plain, folder)
    tier = bench.case.notes["tier"]
    if tier == "choose":
        found = compared(run, bench.run(runs.run_cloned), backwards=False)
        score.outcome = "silently chosen"
    else:
        found = [run["error"]] if run["error"] else bench.against_reference(run, folder)
        score.outcome = "as expert" if not found else "differs"
    if found and patch["verdict"] in {"proved", "safe"}:
        score.wrong += [f"{claim}: {each}" for each in found[:2]]
    elif claim != "proved" and document["status"] != "upstream":
        score.outcome = claim.replace(", ", " ")
        score.remarks.append(f"{patch['reason']}: {patch['sentence']}; in truth {'differs' if found else 'as expert'}")
    expert = min(changed((FOLDER / diff).read_text()) for diff in bench.case.diffs)
    score.lines = (changed(patch["diff"]), expert)
    if score.lines[0] > score.lines[1]:
        score.remarks.append("longer than the expert's: " + "; ".join(body(patch["diff"])))


def body(diff: str) -> list[str]:
    return [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")][:8]


def apply(folder: Path, diff: str) -> None:
    subprocess.run(["git", "apply", "--unsafe-paths", "-"], input=diff, text=True, cwd=folder, check=True)


def judge_choices(bench: Bench, score: Score, document: dict[str, Any]) -> None:
    """Each option is run; which of the expert's it equals, and whether its claim is true."""
    score.outcome = "choice" if bench.case.notes["tier"] == "choose" else "needless choice"
    reference = bench.run(runs.run_cloned)
    experts = {str(index): bench.run(runs.run_plain, diff) for index, diff in enumerate(bench.case.diffs, 1)}
    covered: set[str] = set()
    for number, choice in enumerate(document["choices"], 1):
        folder = bench.copy()
        apply(folder, choice["diff"])
        run = bench.run(runs.run_plain, folder)
        equal = {key for key, expert in experts.items() if not compared(run, expert, backwards=False)}
        covered |= equal
        same = not compared(run, reference, backwards=False)
        if choice["verdict"] == "proved" and not same and not equal:
            score.wrong.append(f"choice {number} is called proved and equals neither the reference nor an expert's")
        if run["error"]:
            score.remarks.append(f"choice {number} ({choice['verdict']}) fails: {run['error'][:150]}")
        equals = f"expert's {sorted(equal)}" if equal else "no option of the expert's"
        score.remarks.append(f"{number} {choice['verdict']}, {equals}: {choice['proposals'][0]['title'][:90]}")
    missing = set(experts) - covered
    if missing and bench.case.notes["tier"] == "choose":
        for key in sorted(missing):
            score.remarks.append(f"not offered: {bench.case.notes['options'][int(key) - 1]['computes']}")


def judge_silence(score: Score, document: dict[str, Any]) -> None:
    told = [each for culprit in document["culprits"] for each in culprit["explanations"]]
    explained = bool(told) and score.case.notes["tier"] == "explain"
    score.outcome = "explained" if explained else "only explained" if told else "nothing"
    if not explained:
        score.remarks += [
            f"tried {each['verdict']} {each['reason']}: {each['sentence'][:150]}" for each in document["tried"][:3]
        ]
        score.remarks += [f"told: {str(each)[:200]}" for each in told[:2]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    scores = []
    for case in cases():
        if options.names and case.name not in options.names:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            try:
                scores.append(judge(case, Path(scratch), options.keep))
            except (AssertionError, subprocess.CalledProcessError) as error:
                scores.append(Score(case, outcome="not judged", remarks=[str(error)[-300:]]))
        print(scores[-1].line(), flush=True)
    good, wrong = sum(score.good for score in scores), [score.case.name for score in scores if score.wrong]
    print(f"\n{len(scores)} cases, {good} good, {len(wrong)} WRONG {wrong}")
    for key in ("culprits", "saves", "backward", "outcome"):
        print(f"{key}: {dict(Counter(getattr(score, key) for score in scores))}")
    print(f"longer than the expert's: {[s.case.name for s in scores if s.lines[0] > s.lines[1]]}")
    return int(any(score.wrong for score in scores))


if __name__ == "__main__":
    sys.exit(main())
