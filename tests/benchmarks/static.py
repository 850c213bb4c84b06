"""What `check` and `fix --verify off` cost beside tools that read the same files, in one run.

    python tests/benchmarks/static.py FOLDER [--peers BIN] [--rounds N] [--every N] [--skip TOOL]...

FOLDER holds sources (an unpacked wheel of timm or transformers); --every N takes each N-th file of it.  BIN is the
`bin` of an environment with torchfix, fixit, pyupgrade, ast-grep and ruff (the first two want another libcst than we):

    python -m venv peers && peers/bin/pip install torchfix fixit pyupgrade ast-grep-cli ruff

What is not there is left out.  Each tool works on a copy of its own; rounds go through all tools in turn, and ratios
are formed within a round.  Printed are medians: seconds of the processor (the process and all that it waited for),
lines per second of the processor, wall seconds, the largest process, and how many times our cost that is.  Warm means:
the same command once more.  Beneath: one worker against two in wall time, and the cost of a line in a long file.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = (sys.executable, "-m", "fixinplace")
CHECK = "fixinplace check"
FIX = "fixinplace fix --verify off"
WARM = "fixinplace check, warm"
FIXIT = '[tool.fixit]\nroot = true\ndisable = ["fixit.rules"]\nenable = ["fixit.rules:NoRedundantLambda"]\n'


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the processor and of the clock, and the size of the largest process in MiB."""

    cpu: float
    wall: float
    peak: float


def measured(words: Sequence[str], folder: Path, environment: dict[str, str]) -> Cost:
    """Run a command and wait for it and its children; what it prints goes to a file, as in a pipeline."""
    with tempfile.TemporaryFile() as sink:
        began = time.perf_counter()
        child = subprocess.Popen(words, cwd=folder, env=environment, stdout=sink, stderr=subprocess.STDOUT)
        _, _, used = os.wait4(child.pid, 0)
        child.returncode = 0
        return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - began, used.ru_maxrss / 1024)


def commands(peers: Path | None, jobs: int) -> Iterator[tuple[str, list[str]]]:
    """Name and words of every tool, ours first; each one prints what it finds."""
    yield CHECK, [*OURS, "check", "--output-format", "concise", "--jobs", str(jobs), "."]
    yield WARM, [*OURS, "check", "--output-format", "concise", "--jobs", str(jobs), "."]
    yield FIX, [*OURS, "fix", "--verify", "off", "--output-format", "concise", "--jobs", str(jobs), "."]
    for name, words in (
        ("torchfix", ["torchfix", "--select", "ALL", "."]),
        ("torchfix --fix", ["torchfix", "--select", "ALL", "--fix", "."]),
        ("fixit, one rule", ["fixit", "lint", "."]),
        ("pyupgrade", ["sh", "-c", "find . -name '*.py' -print0 | xargs -0 \"$0\" --py310-plus", "pyupgrade"]),
        ("ast-grep", ["ast-grep", "run", "--lang", "python", "--threads", "1", "--pattern", "$X += $Y", "."]),
        ("ruff F, one thread", ["ruff", "check", "--select", "F", "--no-cache", "--output-format", "concise", "."]),
        ("ruff F, warm", ["ruff", "check", "--select", "F", "--output-format", "concise", "."]),
    ):
        tool = words[-1] if words[0] == "sh" else words[0]
        found = peers / tool if peers is not None else None
        if found is not None and found.exists():
            yield name, [str(found) if word == tool else word for word in words]


def copied(source: Path, target: Path, every: int) -> int:
    """Copy each `every`-th module; the number of lines."""
    lines = 0
    for path in sorted(source.rglob("*.py"))[::every]:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        lines += path.read_bytes().count(b"\n")
    (target / "pyproject.toml").write_text(FIXIT, encoding="utf-8")
    return lines


def rounds(arguments: argparse.Namespace, scratch: Path) -> tuple[int, dict[str, list[Cost]]]:
    """Every tool on a fresh copy, round after round."""
    costs: dict[str, list[Cost]] = {}
    lines = 0
    for number in range(arguments.rounds):
        warm = scratch / f"{number}" / "warm"
        for name, words in commands(arguments.peers, arguments.jobs):
            if any(name.startswith(skipped) for skipped in arguments.skip):
                continue
            kept = name in (CHECK, WARM)
            folder = warm if kept else scratch / f"{number}" / re.sub(r"\W+", "-", name)
            lines = lines if folder.exists() else copied(arguments.folder, folder, arguments.every)
            environment = {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "FIXINPLACE_CACHE_DIR": str(scratch / f"{number}" / "c"),
            }
            environment |= {"RAYON_NUM_THREADS": "1", "RUFF_CACHE_DIR": str(scratch / f"{number}" / "r")}
            if name == CHECK:
                time.sleep(2.5)  # what is younger is not kept
            if name.startswith("ruff F, warm"):
                measured(words, folder, environment)
            costs.setdefault(name, []).append(measured(words, folder, environment))
    return lines, costs


def table(lines: int, costs: dict[str, list[Cost]]) -> Iterator[str]:
    """One line for each tool."""
    yield f"{'':28}{'cpu s':>9}{'lines/cpu s':>13}{'wall s':>9}{'MiB':>7}  ours costs"
    for name, all_costs in costs.items():
        base = WARM if name.endswith("warm") else FIX if "fix" in name.partition(" ")[2] else CHECK
        ratios = [other.cpu / own.cpu for other, own in zip(all_costs, costs[base], strict=True)]
        cpu, wall, peak = (
            statistics.median(getattr(one, field) for one in all_costs) for field in ("cpu", "wall", "peak")
        )
        ratio = statistics.median(ratios)
        told = "1" if name == base else f"1/{ratio:.1f} of it" if ratio >= 1 else f"{1 / ratio:.1f} times as much"
        yield f"{name:28}{cpu:9.3f}{lines / cpu:13,.0f}{wall:9.2f}{peak:7.0f}  {told}"


def one_against_two(arguments: argparse.Namespace, scratch: Path) -> str:
    """Wall time of one worker over that of two."""
    folder = scratch / "workers"
    copied(arguments.folder, folder, arguments.every)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [*OURS, "check", "--no-cache", "--output-format", "concise", ".", "--jobs"]
    ratios = [
        measured([*words, "1"], folder, environment).wall / measured([*words, "2"], folder, environment).wall
        for _ in range(arguments.rounds)
    ]
    return f"two workers are {statistics.median(ratios):.2f} times as fast as one (wall)"


def linearity(arguments: argparse.Namespace, scratch: Path) -> str:
    """The cost of a line in a file sixteen times as long as the largest one under a hundred kilobytes."""
    sizes = sorted((path.stat().st_size, path) for path in arguments.folder.rglob("*.py"))
    text = next(path for size, path in reversed(sizes) if size < 100_000).read_text(encoding="utf-8")
    names = re.findall(r"^(?:class|def) (\w+)", text, re.MULTILINE)
    name = re.compile(r"\b(" + "|".join(names) + r")\b")
    body = re.sub(r"^from __future__.*$", "", text, flags=re.MULTILINE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    costs = []
    for times in (1, 16):
        file = scratch / f"long{times}.py"
        file.write_text("\n".join(name.sub(rf"\1_{n}", body) for n in range(times)), encoding="utf-8")
        words = [*OURS, "check", "--no-cache", file.name]
        costs.append(statistics.median(measured(words, scratch, environment).cpu for _ in range(arguments.rounds)))
    start = measured([*OURS, "check", "--no-cache", "absent.py"], scratch, environment).cpu
    lines = body.count("\n")
    growth = (costs[1] - start) / 16 / max(costs[0] - start, 0.001)
    return f"a line costs {growth:.2f} times as much in {16 * lines:,} lines as in {lines:,}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers", type=lambda text: Path(text).resolve())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--skip", action="append", default=[])
    arguments = parser.parse_args()
    arguments.folder = arguments.folder.resolve()
    with tempfile.TemporaryDirectory() as name:
        lines, costs = rounds(arguments, Path(name))
        print(f"{lines:,} lines of {arguments.folder.name}, {arguments.rounds} rounds, {arguments.jobs} workers")
        print(*table(lines, costs), sep="\n")
        print(one_against_two(arguments, Path(name)))
        print(linearity(arguments, Path(name)))
    print(f"largest process of all: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
