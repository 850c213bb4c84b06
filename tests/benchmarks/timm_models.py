"""timm before and after `fix`: 50 whole models, bit by bit.

    python tests/benchmarks/timm_models.py [PATH]... [--ways WAY]... [--models N] [--seconds S] [--keep DIR]

The Python that runs this needs timm (weights are never fetched) beside fixinplace.  PATH is a file or a folder of the
package, `models` by default, `.` for all of it.  Each way works on a copy of the package:

- safe     `fix --verify off`: what is exact by construction;
- unsafe   `fix --verify off --unsafe-fixes`: every rewrite there is, unproved;
- proved   `fix`: what is proved by made inputs, file after file, until S seconds are over (default 900).

Then one model for each file, changed files first: of the few that by their names are small (`--candidates`) the one
with the fewest parameters.  It is run in the original and in each copy: initial weights, results, gradients, buffers,
in evaluation and in training mode.  Told is how many of the edits of its own file it came by: one that came by none is
equal, and shows nothing.  A model that differs is run in the original once more, to tell the code from the
machine.  `--table FILE` keeps the numbers of parameters for the next call.  The exit code is 1 if any differs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import whole_models as whole

WAYS = {"safe": ("--verify", "off"), "unsafe": ("--verify", "off", "--unsafe-fixes"), "proved": ()}
SIZES = "atto femto pico nano zepto test micro mini xxt xxs xt xs tiny small lite t0".split()
AT_ONCE = 8
"""Models that are run before what they gave is compared and removed: some hundred megabytes each."""
COUNTING = """
import json, sys, timm, torch
counts = {}
for name in sys.argv[1:]:
    try:
        with torch.device("meta"):
            counts[name] = sum(weight.numel() for weight in timm.create_model(name).parameters())
    except Exception as error:
        print(f"{name} cannot be counted: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
print(json.dumps(counts))
"""
LISTING = "import json, timm; print(json.dumps({each: timm.list_models(module=each) for each in timm.list_modules()}))"


@dataclass
class Fixed:
    """What `fix` did in one copy."""

    folder: Path
    changed: list[str] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    proved_only: int = 0


def outcome(finding: dict[str, Any]) -> str:
    """`written: proved`, `left: unproved: no-probe`, `refused: live-alias`."""
    found = finding["outcome"]
    if found["kind"] != "fix":
        return f"{found['kind']}: {found.get('reason')}"
    reason = f": {found['reason']}" if found.get("reason") else ""
    return f"{'written' if found['written'] else 'left'}: {found['verdict']}{reason}"


def take(done: Fixed, document: dict[str, Any]) -> None:
    """Add what one call of `fix` said."""
    for file in document["files"]:
        outcomes = [outcome(each) for each in file["findings"]]
        done.verdicts.update(outcomes)
        done.verdicts.update(f"problem: {each['name']}" for each in file["problems"])
        if file["diff"]:
            done.changed.append(file["path"])
            done.proved_only += all(each == "written: proved" for each in outcomes if each.startswith("written"))


def at_once(done: Fixed, paths: list[str], options: tuple[str, ...]) -> None:
    """All files in one call: nothing is run."""
    began = time.perf_counter()
    _, document = whole.fixed(done.folder, paths, *options)
    take(done, document)
    done.seconds["all"] = time.perf_counter() - began


def one_by_one(done: Fixed, files: list[str], seconds: float) -> None:
    """File after file in a drawn order that is always the same, until the time is over."""
    random.Random(0).shuffle(files)
    end = time.perf_counter() + seconds
    for file in files:
        if (began := time.perf_counter()) > end:
            break
        _, document = whole.fixed(done.folder, [file])
        take(done, document)
        done.seconds[file] = time.perf_counter() - began
        print(f"  {file:44}{done.seconds[file]:7.0f} s  {_told(document)}", flush=True)


def _told(document: dict[str, Any]) -> str:
    counts = Counter(outcome(each) for file in document["files"] for each in file["findings"])
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def fix(package: Path, scratch: Path, arguments: argparse.Namespace) -> dict[str, Fixed]:
    """The ways, each on a copy of its own; what can be changed at all is known from `unsafe`, which costs little."""
    paths = [f"timm/{path}" for path in arguments.paths]
    done: dict[str, Fixed] = {}
    for way in arguments.ways:
        done[way] = Fixed(whole.copied(package, scratch / way))
        if way == "proved":
            rehearsed = Fixed(whole.copied(package, scratch / "rehearsed"))
            at_once(rehearsed, paths, WAYS["unsafe"])
            one_by_one(done[way], rehearsed.changed, arguments.seconds)
        else:
            at_once(done[way], paths, WAYS[way])
    return done


def size(name: str) -> tuple[int, int, int, str]:
    """A guess at a model's size from its name: a word for small, its first number, its length."""
    words = name.split("_")
    small = min((SIZES.index(word) for word in words if word in SIZES), default=len(SIZES))
    number = re.search(r"\d+", name)
    return small, int(number[0]) if number else 0, len(name), name


def printed(code: str, folder: Path, words: Iterable[str] = ()) -> Any:
    """The JSON that a Python program prints which imports the package below `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def counted(folder: Path, candidates: int, table: Path | None) -> dict[str, tuple[str, int]]:
    """For each file of models its smallest candidate and that one's number of parameters."""
    listed: dict[str, list[str]] = printed(LISTING, folder)
    tried = {module: sorted(names, key=size)[:candidates] for module, names in listed.items()}
    counts: dict[str, int] = json.loads(table.read_text()) if table is not None and table.exists() else {}
    if missing := [name for names in tried.values() for name in names if name not in counts]:
        counts |= printed(COUNTING, folder, missing)
    if table is not None:
        table.write_text(json.dumps(counts, indent=1))
    found = {module: [(counts[name], name) for name in names if name in counts] for module, names in tried.items()}
    return {module: (min(pairs)[1], min(pairs)[0]) for module, pairs in found.items() if pairs}


def chosen(smallest: dict[str, tuple[str, int]], changed: set[str], number: int) -> list[tuple[str, str, int]]:
    """File, model, parameters: changed files first, then by size."""
    first = {Path(path).stem for path in changed}
    order = sorted(smallest, key=lambda module: (module not in first, smallest[module][1]))
    return [(module, *smallest[module]) for module in order[:number]]


def judged(name: str, scratch: Path, way: str) -> whole.Compared:
    """One model before and after; a difference that the original has from itself is told as such."""
    found = whole.compared(name, scratch / "ran" / "original", scratch / "ran" / way)
    if found.verdict != "differs":
        return found
    whole.run(scratch / "original", scratch / "ran" / "again", [name])
    itself = whole.compared(name, scratch / "ran" / "original", scratch / "ran" / "again")
    return found if itself.verdict == "equal" else whole.Compared(name, "cannot run", where="no two runs are equal")


def compare(names: list[tuple[str, str, int]], done: dict[str, Fixed], scratch: Path) -> int:
    """Run the models everywhere and print a line for each; how many differ somewhere."""
    totals: dict[str, Counter[str]] = {way: Counter() for way in done}
    for few in (names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE)):
        models = [name for _, name, _ in few]
        whole.run(scratch / "original", scratch / "ran" / "original", models)
        for way, fixed in done.items():
            whole.run(fixed.folder, scratch / "ran" / way, models, fixed.changed)
            for module, name, count in few:
                found = judged(name, scratch, way)
                places = of_edits(module, name, fixed, scratch, way)
                totals[way][f"{found.verdict}{'' if places else ', no edit of its file reached'}"] += 1
                print(line(way, module, count, found, places), flush=True)
        shutil.rmtree(scratch / "ran")
    for way, counts in totals.items():
        print(f"{way}: {'; '.join(f'{count} {verdict}' for verdict, count in counts.items())}")
    return sum(count for counts in totals.values() for told, count in counts.items() if told.startswith("differs"))


def of_edits(module: str, name: str, fixed: Fixed, scratch: Path, way: str) -> str:
    """`3 of 4 edits`, or nothing where none was reached."""
    file = next((path for path in fixed.changed if Path(path).stem == module), None)
    if file is None:
        return ""
    places = whole.edits(scratch / "original", fixed.folder, file)
    count = whole.reached(name, scratch / "ran" / way, fixed.folder, file, places)
    return f"{count} of {len(places)} edits" if count else ""


def line(way: str, module: str, count: int, found: whole.Compared, places: str) -> str:
    """What became of one model in one copy."""
    difference = f" by {found.difference:.1e}" if found.verdict == "differs" else f" {found.tensors} tensors"
    parts = (
        f"{way:7}{module:24}{found.name:36}{count / 1e6:7.1f} M {places or 'no edit':>14}  {found.verdict}{difference}"
    )
    return f"{parts}  {found.where}".rstrip()


def told(way: str, done: Fixed) -> Iterator[str]:
    """What `fix` did."""
    rest = "" if way != "proved" else f", in {done.proved_only} of them everything written is proved"
    spent = f"{sum(done.seconds.values()):.0f} s in {len(done.seconds)} calls"
    yield f"{way}: {len(done.changed)} files changed{rest}; {spent}"
    yield from (f"  {count:5} {name}" for name, count in sorted(done.verdicts.items()))


def main() -> int:
    """Fix, choose, compare; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=["models"])
    parser.add_argument("--ways", action="append", choices=list(WAYS))
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--candidates", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--keep", type=Path, help="leave the copies here")
    arguments = parser.parse_args()
    arguments.ways = arguments.ways or list(WAYS)
    found = importlib.util.find_spec("timm")
    if found is None or found.origin is None:
        parser.error("timm is not installed here")
    with tempfile.TemporaryDirectory() as name:
        scratch = (arguments.keep or Path(name)).resolve()
        whole.copied(Path(found.origin).parent, scratch / "original")
        done = fix(Path(found.origin).parent, scratch, arguments)
        for way, fixed in done.items():
            print(*told(way, fixed), sep="\n", flush=True)
        changed = {path for fixed in done.values() for path in fixed.changed}
        names = chosen(counted(scratch / "original", arguments.candidates, arguments.table), changed, arguments.models)
        return int(compare(names, done, scratch) > 0)


if __name__ == "__main__":
    sys.exit(main())
