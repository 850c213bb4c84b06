"""Collects what differs between two runs, one pair of records at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from fixinplace.verify.jobs import BELOW, Difference, Json
from fixinplace.verify.sides import Side, elements
from fixinplace.verify.tolerance import FAR, distance, is_numeric, largest, rounding, same_bits

REASON = {
    "value": "forward-differs",
    "state": "state-differs",
    "gradient": "gradient-differs",
    "argument": "hidden-caller",
}
_NARROW = ("float32", "complex64", "bfloat16", "float16")


@dataclass
class Finder:
    """The differences so far between two sides.

    exact: only equal bits are equal, which tells what changes from run to run.
    excluded: paths that are not looked at, and with `BELOW` at their end all that lie below.
    rough: the run of the reference's version in its own types, where these two are in float64.
    rounding: paths of tensors that are nothing but rounding, see Note [Nothing but rounding].
    follows_default: every compared tensor of a type narrower than float64 has the same bits on both sides.
    """

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
    rough: Side | None = None
    rounding: list[str] = field(default_factory=list)

    def skips(self, path: str) -> bool:
        """True if the path is excluded, by itself or with what it lies in."""
        if path in self.excluded:
            return True
        above = (each.removesuffix(BELOW) for each in self.excluded if each.endswith(BELOW))
        return any(path.startswith(each) for each in above)

    def report(self, reason: str, path: str, sentence: str, numeric: bool = False, far: bool = False) -> None:
        """A difference; `numeric` if rounding could explain it, `far` if only where nothing else is there."""
        self.found.append(Difference(reason, path, sentence, numeric, far))

    def pair(self, path: str, row: Json, other: Json) -> None:
        """Compare what two runs recorded at one path."""
        reason = REASON[row["role"]]
        if row["kind"] != other["kind"]:
            words = f"a {_kind(other)} in the rewritten version, not a {_kind(row)}"
            self.report(reason, path, f"`{path}` is {words}")
        elif row["kind"] == "tensor":
            self.tensor(path, reason, row, other, None if self.rough is None else self.rough.values.get(path))
        elif row["kind"] == "plain":
            self._plain(path, reason, row, other)
        elif row["kind"] == "folded":
            self._folded(path, reason, row, other)
        else:
            self._container(path, reason, row, other)

    def tensor(self, path: str, reason: str, row: Json, other: Json, rough: Json | None = None) -> None:
        """Compare two recorded tensors: facts first, then elements; rough: the first one in its program's own type."""
        self.values += row["role"] != "gradient"
        self.gradients += row["role"] == "gradient"
        facts = [key for key in ("dtype", "shape", "device", "layout") if row[key] != other[key]]
        for key in facts:
            name = "dtype-differs" if key == "dtype" and row["role"] != "argument" else reason
            self.report(name, path, f"`{path}` has {key} {other[key]} in the rewritten version, not {row[key]}")
        if row["role"] != "gradient":
            self._autograd_facts(path, row, other)
        if not facts:
            self._elements(path, reason, row, other, rough)

    def _autograd_facts(self, path: str, row: Json, other: Json) -> None:
        if row["requires_grad"] != other["requires_grad"]:
            lost = row["requires_grad"]
            words = "no longer requires grad" if lost else "requires grad only"
            name = "gradient-missing" if lost else "state-differs"
            name = REASON["argument"] if row["role"] == "argument" else name
            self.report(name, path, f"`{path}` {words} in the rewritten version")
        if row["leaf"] != other["leaf"]:
            self.notes.append(f"`{path}` is {'' if other['leaf'] else 'no longer '}a leaf in the rewritten version")

    def _elements(self, path: str, reason: str, row: Json, other: Json, rough: Json | None) -> None:
        if "digest" not in row and "unread" not in row and "unread" not in other:
            return  # a sparse tensor, whose parts have paths of their own
        if "unread" in row or "unread" in other:
            self.notes.append(f"the elements of `{path}` cannot be read: {row.get('unread', other.get('unread'))}")
            return
        least = self._rounding(path, row, rough)
        if row["digest"] == other["digest"]:
            return
        ours, theirs = elements(row, self.reference.blob), elements(other, self.candidate.blob)
        if ours is None or theirs is None:
            self.report("over-memory", path, f"`{path}` differs and was too large to be kept for a closer look")
        elif not same_bits(ours, theirs):
            self.follows_default &= row["dtype"] not in _NARROW
            self._deviation(path, reason, ours, theirs, least)

    def _rounding(self, path: str, row: Json, rough: Json | None) -> float:
        """What the two may be apart by rounding alone."""
        ours = elements(row, self.reference.blob)
        known = None if rough is None or self.rough is None else elements(rough, self.rough.blob)
        if ours is None or known is None or known.shape != ours.shape or not is_numeric(ours.dtype):
            return 0.0
        least = rounding(known, ours.dtype)
        if not least or largest(ours) > least:
            return 0.0
        self.rounding.append(path)
        return least

    def _deviation(self, path: str, reason: str, ours: torch.Tensor, theirs: torch.Tensor, least: float) -> None:
        numeric = is_numeric(ours.dtype)
        deviation, tolerance = distance(ours, theirs, ours.dtype)
        tolerance = max(tolerance, least)
        if numeric and not self.exact and deviation <= tolerance:
            self.largest = max(self.largest, deviation)
            return
        sentence = f"`{path}` differs: largest deviation {deviation:.3g}, tolerance {tolerance:.3g}"
        self.report(reason, path, sentence, numeric, not deviation <= FAR * largest(ours))

    def _plain(self, path: str, reason: str, row: Json, other: Json) -> None:
        self.values += 1
        if (row["type"], row["text"]) == (other["type"], other["text"]):
            return
        numeric, far = bool(row["number"] and row["type"] == other["type"]), False
        if numeric and not self.exact:
            ours, theirs = (torch.tensor([complex(each["text"])], dtype=torch.complex128) for each in (row, other))
            deviation, tolerance = distance(ours, theirs, torch.complex128)
            if deviation <= tolerance:
                self.largest = max(self.largest, deviation)
                return
            far = not deviation <= FAR * largest(ours)
        words = f"{short(other['text'])} in the rewritten version, not {short(row['text'])}"
        self.report(reason, path, f"`{path}` is {words}", numeric, far)

    def _folded(self, path: str, reason: str, row: Json, other: Json) -> None:
        self.values += row["values"]
        if row["digest"] != other["digest"]:
            self.report(reason, path, f"`{path}` holds other values in the rewritten version")

    def _container(self, path: str, reason: str, row: Json, other: Json) -> None:
        self.values += row["kind"] == "container"
        for key, word in (("type", "a"), ("length", "of length"), ("to", "the same object as")):
            if row.get(key) != other.get(key):
                sentence = f"`{path}` is {word} {other.get(key)} in the rewritten version, not {word} {row.get(key)}"
                self.report("aliasing-differs" if key == "to" else reason, path, sentence)


def short(text: str) -> str:
    """At most 60 characters of a text, for a sentence."""
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(row: Json) -> str:
    return str(row.get("type") or row["kind"])
