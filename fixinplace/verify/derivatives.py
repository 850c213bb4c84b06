"""Gradients against a derivative that was taken another way: direction by direction, backward by backward.

Note [How exact a derivative is]
    A gradient and a derivative are the same sum in another order, through other kernels.  Rounding separates them by
    some eps of the sum of all absolute terms, more in deep programs, and without bound where the program itself
    cancels.  Tolerated is 2^20 eps in float64 (2e-10 of that sum) and 2^10 eps in float32 (1e-4).  Types of 16 bits
    are not compared: nothing that would be tolerated there tells a right gradient from a wrong one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import torch

from fixinplace.verify.directions import direction, inner
from fixinplace.verify.gradients import PARTIAL
from fixinplace.verify.jobs import Json, Slope
from fixinplace.verify.sides import Side, elements, read
from fixinplace.verify.tolerance import distance

_COARSE = 1e-5
_RESULT = "gradient of "


def slack(eps: float) -> float:
    """What two ways to one sum may be apart, as a part of the sum of its absolute terms."""
    return (2.0**20 if eps < 1e-12 else 2.0**10) * eps


def slopes(forward: Path, candidate: Path, number: int) -> list[Slope]:
    """Each derivative that the run `forward` took in direction `number`, with what the gradients of the other say."""
    ours, theirs = read(forward), read(candidate)
    freed = {event for event, row in theirs.backwards.items() if row.get("freed")}  # recorded by its own backward
    rows = ours.derivatives.items()
    return [_slope(ours, theirs, event, row, number) for event, row in rows if event not in freed]


def _slope(ours: Side, theirs: Side, event: str, row: Json, number: int) -> Slope:
    def without(obstacle: str, asked: tuple[str, ...] = ()) -> Slope:
        return Slope(event, row["value"], 0.0, 0.0, row["eps"], 0, obstacle, asked)

    other = theirs.backwards.get(event)
    if other is None:
        return without("it does not happen in the run with gradients")
    if row["eps"] > _COARSE:
        return without("a type of 16 bits is too coarse to tell")
    parts = _parts(theirs, event)
    if why := next((why for each in parts if (why := _lacks(theirs.backwards[each]))), ""):
        asked = _asked(theirs.gradients.get(event, []), row["leaves"]) if why == PARTIAL and len(parts) == 1 else ()
        if not asked or {leaf["key"] for leaf in row["leaves"] if not leaf["still"]} != {*asked}:
            return without(why, asked)
    if why := _other_roots(ours, theirs, event, row["eps"]):
        return without(why)
    found = scale = 0.0
    leaves = [leaf for each in parts for leaf in theirs.gradients.get(each, []) if not leaf.get("passed")]
    for leaf in leaves:
        part = _part(leaf, row["leaves"], theirs.blob, number)
        if isinstance(part, str):
            return without(part)
        found, scale = found + part[0], scale + part[1]
    if not math.isfinite(found + row["value"]):
        return without("a derivative or a gradient is not finite")
    tolerance = slack(row["eps"]) * (scale + row["scale"])
    return Slope(event, row["value"], found, tolerance, row["eps"], len(leaves))


def _parts(side: Side, event: str) -> list[str]:
    """A backward and those that checkpoints run inside it, see Note [Parts of one backward]."""
    return [event, *(path for path in side.backwards if path.startswith(f"{event}: "))]


def _lacks(row: Json) -> str:
    """Why the recorded gradients of one backward are not all of them; empty if they are."""
    return str(row.get("failed") or row.get("partial") or "")


def _asked(gradients: list[Json], known: list[Json]) -> tuple[str, ...]:
    """Keys of the leaves whose gradients were asked for; none if one of them cannot be told."""
    found = [[leaf["key"] for leaf in known if _may_be(each, leaf)] for each in gradients]
    return tuple(keys[0] for keys in found) if all(len(keys) == 1 for keys in found) else ()


def _other_roots(ours: Side, theirs: Side, event: str, eps: float) -> str:
    """Why the two runs do not differentiate the same thing; the cotangents count as well."""
    for path in _roots(ours, event):
        row, other = ours.values[path], theirs.values.get(path)
        if other is None:
            return "something else is differentiated in the run with gradients"
        if (row["dtype"], row["shape"]) != (other["dtype"], other["shape"]):
            return "what is differentiated has another type or shape in the run with gradients"
        if row.get("digest") == other.get("digest"):
            continue
        values, others = elements(row, ours.blob), elements(other, theirs.blob)
        if values is None or others is None:
            return "its value was too large to be kept"
        deviation, _ = distance(values, others, values.dtype)
        finite = values[torch.isfinite(values)].abs()
        if deviation > slack(eps) * float(finite.max() if finite.numel() else 0.0):
            return "its value differs in the run with gradients"
    return ""


def _roots(side: Side, event: str) -> Iterator[str]:
    """Paths of what one backward differentiates and weighs with."""
    if event.startswith(_RESULT):
        yield event.removeprefix(_RESULT)
    for word in ("root", "cotangent"):
        paths = (f"{event}: {word} {index}" for index in itertools.count())
        yield from itertools.takewhile(side.values.__contains__, paths)


def _part(leaf: Json, known: list[Json], blob: bytes, number: int) -> tuple[float, float] | str:
    """What one leaf's gradients add to the derivative, and the sum of the absolute terms; or why it cannot be told.

    Among leaves of equal value a leaf is the one with its name, see Note [Directions].
    """
    received = [each for each in leaf["received"] if each is not None]
    if not received:
        return 0.0, 0.0
    alike = [each for each in known if _may_be(leaf, each)]
    same = [each for each in alike if each["leaf"] and each["leaf"] == leaf["leaf"]]
    keys = [each["key"] for each in (alike if len(alike) < 2 else same)]
    name = f"the leaf `{leaf['leaf']}`" if leaf["leaf"] else "a leaf"
    if not alike:
        return f"{name} was not seen to be used in forward mode"
    if len(keys) != 1:
        return f"{name} cannot be told from another one of equal value"
    found = scale = 0.0
    moved = direction(number, keys[0], leaf["shape"], getattr(torch, leaf["dtype"])).reshape(-1)
    for gradient in received:
        values = elements(gradient, blob)
        if values is None:
            return f"the gradient of {name} was too large to be kept"
        one, two = inner(values, moved)
        found, scale = found + one, scale + two
    return found, scale


def _may_be(leaf: Json, known: Json) -> bool:
    same = all(known[key] == leaf.get(key) for key in ("shape", "dtype"))
    return same and leaf["value"] in (known["now"], known["attached"])
