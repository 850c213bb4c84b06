"""Two runs side by side, in a process that never ran user code: which observables differ, and by how much.

Note [Tolerance]
    Equal bits are equal.  Otherwise two tensors agree if max|a-b| <= n eps max|reference| over the finite elements,
    with NaN and infinities in the same places; n is 16, and 2 for types of 16 bits and fewer, whose 16 eps would let
    a wrong gradient pass.  Integers, flags, shapes and types agree exactly or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fixinplace.verify.aliasing import memory, sharing
from fixinplace.verify.jobs import Comparison, Difference, Json
from fixinplace.verify.observe import neutral

_ROLE = {"value": "forward-differs", "state": "state-differs", "gradient": "gradient-differs"}


@dataclass(frozen=True)
class Side:
    """One run's records: values by path, backwards in order, and the blob that holds the elements."""

    values: dict[str, Json]
    others: dict[str, Json]
    backwards: dict[str, Json]
    gradients: dict[str, list[Json]]
    blob: bytes
    stdout: str


@dataclass
class Finder:
    """Collects differences; `exact` asks for equal bits, `excluded` are paths that are not looked at."""

    reference: Side
    candidate: Side
    excluded: frozenset[str]
    exact: bool
    found: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    values: int = 0
    gradients: int = 0
    largest: float = 0.0
    follows_default: bool = True


def compare(reference: Path, candidate: Path, excluded: frozenset[str], exact: bool) -> Comparison:
    """All differences between two runs, the gravest first."""
    finder = Finder(read(reference), read(candidate), excluded, exact)
    _values(finder)
    _backwards(finder)
    _aliasing(finder)
    _surroundings(finder)
    return Comparison(
        tuple(finder.found),
        finder.values,
        finder.gradients,
        finder.largest,
        finder.follows_default,
        tuple(dict.fromkeys(finder.notes)),
    )


def read(folder: Path) -> Side:
    """The records of a run; raises OSError or ValueError if they are not complete."""
    values: dict[str, Json] = {}
    others: dict[str, Json] = {}
    backwards: dict[str, Json] = {}
    gradients: dict[str, list[Json]] = {}
    with (folder / "manifest.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["kind"] in ("random", "setting"):
                others[row["path"]] = row
            elif row["kind"] == "backward":
                backwards[row["path"]] = row
            elif row["kind"] == "gradient":
                gradients.setdefault(row["path"], []).append(row)
            else:
                values[row["path"]] = row
    stdout = (folder / "stdout").read_bytes().decode("utf-8", "backslashreplace")
    return Side(values, others, backwards, gradients, (folder / "blob").read_bytes(), neutral(stdout))


def _values(finder: Finder) -> None:
    theirs = finder.candidate.values
    for path, row in finder.reference.values.items():
        if path in finder.excluded:
            continue
        if path not in theirs:
            reason = "gradient-missing" if row["role"] == "gradient" else _ROLE[row["role"]]
            _report(finder, reason, path, f"`{path}` does not exist in the rewritten version")
        else:
            _pair(finder, path, row, theirs[path])
    for path, row in theirs.items():
        if path not in finder.reference.values and path not in finder.excluded:
            _extra(finder, path, row)


def _extra(finder: Finder, path: str, row: Json) -> None:
    if path.isidentifier() and row["role"] != "gradient":
        finder.notes.append(f"the rewritten version has a new global `{path}`")
    elif not path.partition(".")[0].isidentifier() or path.partition(".")[0] in finder.reference.values:
        _report(finder, _ROLE[row["role"]], path, f"`{path}` exists only in the rewritten version")


def _pair(finder: Finder, path: str, row: Json, other: Json) -> None:
    reason = _ROLE[row["role"]]
    if row["kind"] != other["kind"]:
        _report(finder, reason, path, f"`{path}` is a {_kind(other)} in the rewritten version, not a {_kind(row)}")
    elif row["kind"] == "tensor":
        _tensor(finder, path, reason, row, other)
    elif row["kind"] == "plain":
        _plain(finder, path, reason, row, other)
    else:
        finder.values += row["kind"] == "container"
        for key, word in (("type", "a"), ("length", "of length"), ("to", "the same object as")):
            if row.get(key) != other.get(key):
                sentence = f"`{path}` is {word} {other.get(key)} in the rewritten version, not {word} {row.get(key)}"
                _report(finder, "aliasing-differs" if key == "to" else reason, path, sentence)


def _kind(row: Json) -> str:
    return str(row.get("type") or row["kind"])


def _plain(finder: Finder, path: str, reason: str, row: Json, other: Json) -> None:
    finder.values += 1
    if (row["type"], row["text"]) == (other["type"], other["text"]):
        return
    sentence = f"`{path}` is {_short(other['text'])} in the rewritten version, not {_short(row['text'])}"
    if row["number"] and other["number"] and row["type"] == other["type"] and not finder.exact:
        ours, theirs = (torch.tensor(complex(each["text"]), dtype=torch.complex128) for each in (row, other))
        deviation, tolerance = distance(ours, theirs, torch.float64)
        if deviation <= tolerance:
            finder.largest = max(finder.largest, deviation)
            return
    _report(finder, reason, path, sentence, numeric=bool(row["number"]))


def _tensor(finder: Finder, path: str, reason: str, row: Json, other: Json) -> None:
    finder.values += row["role"] != "gradient"
    finder.gradients += row["role"] == "gradient"
    facts = [key for key in ("dtype", "shape", "device", "layout") if row[key] != other[key]]
    for key in facts:
        name = "dtype-differs" if key == "dtype" else reason
        _report(finder, name, path, f"`{path}` has {key} {other[key]} in the rewritten version, not {row[key]}")
    if row.get("requires_grad") != other.get("requires_grad"):
        name = "gradient-missing" if row["requires_grad"] else "state-differs"
        words = "no longer requires grad" if row["requires_grad"] else "requires grad only"
        _report(finder, name, path, f"`{path}` {words} in the rewritten version")
    if row.get("leaf") != other.get("leaf"):
        finder.notes.append(f"`{path}` is {'' if other['leaf'] else 'no longer '}a leaf in the rewritten version")
    if not facts:
        _elements(finder, path, reason, row, other)


def _elements(finder: Finder, path: str, reason: str, row: Json, other: Json) -> None:
    if row["dtype"] in ("float32", "complex64", "bfloat16", "float16"):
        finder.follows_default = False
    if "unread" in row or "unread" in other:
        finder.notes.append(f"the elements of `{path}` cannot be read: {row.get('unread', other.get('unread'))}")
        return
    if row["digest"] == other["digest"]:
        return
    ours, theirs = elements(row, finder.reference.blob), elements(other, finder.candidate.blob)
    if ours is None or theirs is None:
        _report(finder, "over-memory", path, f"`{path}` differs and was too large to be kept for a closer look")
        return
    if torch.equal(ours.view(torch.uint8), theirs.view(torch.uint8)):
        return
    numeric = ours.dtype.is_floating_point or ours.dtype.is_complex
    deviation, tolerance = distance(ours, theirs, ours.dtype)
    if numeric and not finder.exact and deviation <= tolerance:
        finder.largest = max(finder.largest, deviation)
        return
    sentence = f"`{path}` differs: largest deviation {deviation:.3g}, tolerance {tolerance:.3g}"
    _report(finder, reason, path, sentence, numeric=numeric)


def elements(row: Json, blob: bytes) -> torch.Tensor | None:
    """The recorded tensor, dense and contiguous; None if only its digest was kept.  Foreign dtypes come as bytes."""
    if "at" not in row:
        return None
    data = torch.frombuffer(bytearray(blob[row["at"] : row["at"] + row["length"]]) or bytearray(1), dtype=torch.uint8)
    dtype = getattr(torch, row["dtype"], None)
    if not isinstance(dtype, torch.dtype) or dtype.itemsize == 0 or "stride" not in row or "q" in row["dtype"]:
        return data
    if 0 in row["shape"] or row["length"] == 0:
        return torch.empty(0, dtype=torch.uint8)
    tensor = data.view(dtype).as_strided(row["shape"], row["stride"])
    tensor = tensor.conj() if row.get("conj") else tensor
    tensor = torch._neg_view(tensor) if row.get("neg") else tensor
    return tensor.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format).reshape(-1)


def distance(reference: torch.Tensor, other: torch.Tensor, dtype: torch.dtype) -> tuple[float, float]:
    """Largest deviation over the finite elements and the tolerance; infinite if NaN or infinities sit elsewhere."""
    if reference.shape != other.shape:
        return float("inf"), 0.0
    if not (dtype.is_floating_point or dtype.is_complex):
        return float((reference.double() - other.double()).abs().max()), 0.0
    wide = torch.complex128 if dtype.is_complex or reference.is_complex() else torch.float64
    ours, theirs = reference.to(wide), other.to(wide)
    finite = torch.isfinite(ours) & torch.isfinite(theirs)
    strange, other_strange = ours[~finite], theirs[~finite]
    same = (strange == other_strange) | (torch.isnan(strange) & torch.isnan(other_strange))
    eps = torch.finfo(dtype).eps
    if not bool(same.all()):
        return float("inf"), 0.0
    if not bool(finite.any()):
        return 0.0, 0.0
    factor = 16 if eps < 1e-5 else 2
    return float((ours[finite] - theirs[finite]).abs().max()), factor * eps * float(ours[finite].abs().max())


def _backwards(finder: Finder) -> None:
    reference, candidate = finder.reference, finder.candidate
    for path in reference.backwards:
        if path in finder.excluded:
            continue
        if path not in candidate.backwards:
            _report(finder, "gradient-missing", path, f"{path} does not happen in the rewritten version")
            continue
        ours, theirs = reference.backwards[path].get("failed"), candidate.backwards[path].get("failed")
        if ours:
            finder.notes.append(f"{path} is not compared: {ours}")
        elif theirs:
            _report(finder, "gradient-missing", path, f"{path} cannot be taken in the rewritten version: {theirs}")
        else:
            _leaves(finder, path, reference.gradients.get(path, []), candidate.gradients.get(path, []))
    for path in candidate.backwards:
        if path not in reference.backwards and path not in finder.excluded:
            _report(finder, "gradient-differs", path, f"{path} happens only in the rewritten version")


def _leaves(finder: Finder, event: str, ours: list[Json], theirs: list[Json]) -> None:
    for number, (row, other) in enumerate(matched(ours, theirs), start=1):
        name = (row or other or {}).get("leaf") or f"leaf {number}"
        path = f"{event}: {name}"
        if path in finder.excluded:
            continue
        received = [] if row is None else _received(row)
        other_received = [] if other is None else _received(other)
        if len(received) > len(other_received):
            _report(finder, "gradient-missing", path, f"{path} receives no gradient in the rewritten version")
        elif len(received) < len(other_received):
            _report(finder, "gradient-differs", path, f"{path} receives a gradient only in the rewritten version")
        for mine, its in zip(received, other_received, strict=False):
            base = {"role": "gradient", "path": path}
            _tensor(finder, path, "gradient-differs", base | mine, base | its)


def _received(row: Json) -> list[Json]:
    return [each for each in row["received"] if each is not None]


def matched(ours: list[Json], theirs: list[Json]) -> Iterator[tuple[Json | None, Json | None]]:
    """Leaves of one backward in pairs: by name, else by shape, dtype and value, then in order."""
    left = list(theirs)
    rest = []
    for row in ours:
        other = next((each for each in left if row["leaf"] and each["leaf"] == row["leaf"]), None)
        if other is None:
            rest.append(row)
        else:
            left.remove(other)
            yield row, other
    for row in rest:
        key = [row.get(name) for name in ("shape", "dtype", "value")]
        other = next((each for each in left if [each.get(name) for name in ("shape", "dtype", "value")] == key), None)
        if other is not None:
            left.remove(other)
        yield row, other
    for other in left:
        yield None, other


def _aliasing(finder: Finder) -> None:
    both = finder.reference.values.keys() & finder.candidate.values.keys() - finder.excluded
    sides = []
    for side in (finder.reference, finder.candidate):
        rows = (row for path, row in side.values.items() if path in both and row["role"] != "gradient")
        sides.append(sharing([place for row in rows if (place := memory(row)) is not None]))
    ours, theirs = sides
    if ours is None or theirs is None:
        finder.notes.append("too many tensors share storage to compare which")
        return
    for pairs, words in (
        (ours - theirs, "share storage in the original only"),
        (theirs - ours, "share storage only in the rewritten version"),
    ):
        for one, two in sorted(pairs)[:5]:
            _report(finder, "aliasing-differs", one, f"`{one}` and `{two}` {words}")


def _surroundings(finder: Finder) -> None:
    for path, row in finder.reference.others.items():
        other = finder.candidate.others.get(path, {})
        if path in finder.excluded:
            continue
        if row["kind"] == "random" and row["digest"] != other.get("digest"):
            _report(finder, "random-state-differs", path, f"the random state of {path} differs at the end")
        elif row["kind"] == "setting" and row["text"] != other.get("text"):
            _report(finder, "state-differs", path, f"torch ends with {other.get('text')}, not {row['text']}")
    ours, theirs = finder.reference.stdout, finder.candidate.stdout
    if ours != theirs and "stdout" not in finder.excluded:
        lines, others = ours.splitlines(), theirs.splitlines()
        index = next(
            (i for i, pair in enumerate(zip(lines, others, strict=False)) if pair[0] != pair[1]),
            min(len(lines), len(others)),
        )
        shown = [_short(each[index]) if index < len(each) else "nothing" for each in (lines, others)]
        _report(
            finder,
            "output-differs",
            "stdout",
            f"line {index + 1} of the output is {shown[1]} in the rewritten version, not {shown[0]}",
            numeric=True,
        )


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _report(finder: Finder, reason: str, path: str, sentence: str, numeric: bool = False) -> None:
    finder.found.append(Difference(reason, path, sentence, numeric))
