"""Two runs side by side, in a process that never ran user code: which observables differ, and by how much."""

from __future__ import annotations

import re
from pathlib import Path

from fixinplace.verify.aliasing import Memory, memory, sharing
from fixinplace.verify.backwards import compare_backwards, left_out
from fixinplace.verify.finder import Finder, short
from fixinplace.verify.jobs import BELOW, LEFT_OUT, Comparison, Json
from fixinplace.verify.sides import Side, read

_SHOWN_PAIRS = 5
_MISSING = {"state": "state-differs", "gradient": "gradient-missing"}
_EXTRA = {"state": "state-differs", "gradient": "gradient-differs"}
_VARIABLE = re.compile(r"\w+ in [^()]*\(\)")
_LAST_STEP = re.compile(r"(?:\[[^\]]*\]|\.[^.\[\]]*)$")


def compare(
    reference: Path, candidate: Path, excluded: frozenset[str], exact: bool, rough: Path | None = None
) -> Comparison:
    """All differences between two runs, in the order in which things were recorded.

    rough: the run of the reference in the program's own types, where these two are in float64.
    """
    finder = Finder(read(reference), read(candidate), excluded, exact)
    finder.rough = None if rough is None else read(rough)
    _values(finder)
    compare_backwards(finder)
    _aliasing(finder)
    _surroundings(finder)
    _output(finder)
    return Comparison(
        tuple(finder.found),
        finder.values,
        finder.gradients,
        finder.largest,
        finder.follows_default,
        tuple(dict.fromkeys(finder.notes)),
        tuple(dict.fromkeys(finder.rounding)),
    )


def _values(finder: Finder) -> None:
    ours, theirs = finder.reference.values, finder.candidate.values
    events = finder.reference.backwards
    unasked = {key for event in events for key in left_out(finder.reference, finder.candidate, event)}
    for path, row in ours.items():
        if finder.skips(path):
            continue
        if row["role"] == "gradient" and row.get("key") in unasked:
            finder.report(
                LEFT_OUT, path, f"`{path}` is not what it was: a backward of the rewritten version leaves it out"
            )
            continue
        if path in theirs:
            finder.pair(path, row, theirs[path])
        else:
            reason = _MISSING.get(row["role"], "forward-differs")
            finder.report(reason, _home(finder, path), f"`{path}` does not exist in the rewritten version")
    for path, row in theirs.items():
        if path not in ours and not finder.skips(path):
            _extra(finder, path, row)


def _extra(finder: Finder, path: str, row: Json) -> None:
    """A new global or variable is a name more, nothing that was there has changed; anything else is a difference."""
    name = re.split(r"[.\[]", path, maxsplit=1)[0]
    if name.isidentifier() and name not in finder.reference.values:
        finder.notes.append(f"the rewritten version has a new global `{name}`")
    elif (variable := _VARIABLE.match(path)) is not None and variable[0] not in finder.reference.values:
        finder.notes.append(f"the rewritten version has a new variable `{variable[0]}`")
    else:
        sentence = f"`{path}` exists only in the rewritten version"
        finder.report(_EXTRA.get(row["role"], "forward-differs"), _home(finder, path), sentence)


def _home(finder: Finder, path: str) -> str:
    """What to exclude where a path comes and goes from run to run: all of the container that it is in."""
    if not finder.exact:
        return path
    above = _LAST_STEP.sub("", path)
    return above + BELOW if above and above != path else path


def _aliasing(finder: Finder) -> None:
    both = {path for path in finder.reference.values.keys() & finder.candidate.values if not finder.skips(path)}
    ours, theirs = (sharing(_places(side, both)) for side in (finder.reference, finder.candidate))
    if ours is None or theirs is None:
        finder.notes.append("too many tensors share storage to compare which")
        return
    lost, new = ours - theirs, theirs - ours
    for pairs, words in ((lost, "share storage in the original only"), (new, "share storage only when rewritten")):
        for one, two in sorted(pairs)[:_SHOWN_PAIRS]:
            finder.report("aliasing-differs", one, f"`{one}` and `{two}` {words}")


def _places(side: Side, paths: set[str]) -> list[Memory]:
    """Where tensors lie; gradients are left out, the engine decides what they share."""
    rows = (row for path, row in side.values.items() if path in paths and row["role"] != "gradient")
    return [place for row in rows if (place := memory(row)) is not None]


def _surroundings(finder: Finder) -> None:
    for path, row in finder.reference.others.items():
        other = finder.candidate.others.get(path, {})
        if finder.skips(path):
            continue
        if row["kind"] == "random" and row["digest"] != other.get("digest"):
            finder.report("random-state-differs", path, f"the random state of {path} differs at the end")
        elif row["kind"] == "setting" and row["text"] != other.get("text"):
            finder.report("state-differs", path, f"torch ends with {other.get('text')}, not {row['text']}")
        elif row["kind"] == "exit" and row["text"] != other.get("text"):
            sentence = f"the rewritten version leaves with exit code {other.get('text')}, not {row['text']}"
            finder.report("output-differs", path, sentence, numeric=True)


def _output(finder: Finder) -> None:
    """Text may differ in the digits of a rounded number, hence `numeric`."""
    ours, theirs = finder.reference.stdout, finder.candidate.stdout
    if ours == theirs or finder.skips("stdout"):
        return
    lines, others = ours.splitlines(), theirs.splitlines()
    unequal = (i for i, pair in enumerate(zip(lines, others, strict=False)) if pair[0] != pair[1])
    index = next(unequal, min(len(lines), len(others)))
    line, other = (short(each[index]) if index < len(each) else "missing" for each in (lines, others))
    sentence = f"line {index + 1} of the output is {other!r} in the rewritten version, not {line!r}"
    finder.report("output-differs", "stdout", sentence, numeric=True)
