"""Gradients against a derivative that was taken another way: direction by direction, backward by backward.

Note [How exact a derivative is]
    A gradient and a derivative are the same sum in another order, through other kernels.  Rounding separates them by
    some eps of the sum of all absolute terms, more in deep programs, and without bound where the program itself
    cancels.  Tolerated is 2^20 eps in float64 (2e-10 of that sum) and 2^10 eps in float32 (1e-4).  Types of 16 bits
    are not compared: nothing that would be tolerated there tells a right gradient from a wrong one.

Note [Leaves of equal value]
    A gradient finds the direction of its leaf by the leaf's value.  A bias that was written and then wrapped into a
    new parameter leaves two leaves of the same value, with a direction each.  Then every way to tell them apart is
    tried, up to `_MAX_WAYS`, and the nearest counts: a wrong gradient would have to meet the derivative, to the last
    digits that rounding leaves, along another leaf's random direction.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from fixinplace.verify.directions import direction, inner
from fixinplace.verify.jobs import Json, Slope
from fixinplace.verify.sides import Side, elements, read
from fixinplace.verify.tolerance import distance

_COARSE = 1e-5
_MAX_WAYS = 16
_RESULT = "gradient of "
Part = tuple[float, float]


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
    def without(obstacle: str) -> Slope:
        return Slope(event, row["value"], 0.0, 0.0, row["eps"], 0, obstacle)

    other = theirs.backwards.get(event)
    if other is None:
        return without("it does not happen in the run with gradients")
    if row["eps"] > _COARSE:
        return without("a type of 16 bits is too coarse to tell")
    if why := other.get("failed") or other.get("partial"):
        return without(why)
    if why := _other_roots(ours, theirs, event, row["eps"]):
        return without(why)
    leaves = theirs.gradients.get(event, [])
    parts = [_parts(leaf, row["leaves"], theirs.blob, number) for leaf in leaves]
    if why := next((part for part in parts if isinstance(part, str)), ""):
        return without(why)
    ways = [part for part in parts if not isinstance(part, str)]
    if math.prod(map(len, ways)) > _MAX_WAYS:
        return without("leaves of equal value cannot be told from each other")
    found, scale = min(map(_sum, itertools.product(*ways)), key=lambda way: abs(way[0] - row["value"]))
    if not math.isfinite(found + row["value"]):
        return without("a derivative or a gradient is not finite")
    tolerance = slack(row["eps"]) * (scale + row["scale"])
    return Slope(event, row["value"], found, tolerance, row["eps"], len(leaves))


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


def _sum(parts: Iterable[Part]) -> Part:
    found = scale = 0.0
    for part in parts:
        found, scale = found + part[0], scale + part[1]
    return found, scale


def _parts(leaf: Json, known: list[Json], blob: bytes, number: int) -> list[Part] | str:
    """What one leaf's gradients add to the derivative, and the sum of the absolute terms; or why it cannot be told.

    One for each leaf of forward mode that it may be, see Note [Leaves of equal value].
    """
    name = f"the leaf `{leaf['leaf']}`" if leaf["leaf"] else "a leaf"
    received = [each for each in leaf["received"] if each is not None]
    if not received:
        return [(0.0, 0.0)]
    gradients = [values for each in received if (values := elements(each, blob)) is not None]
    if len(gradients) < len(received):
        return f"the gradient of {name} was too large to be kept"
    digests = dict.fromkeys(each["attached"] for each in known if _may_be(leaf, each))
    if not digests:
        return f"{name} was not seen to be used in forward mode"
    directions = (direction(number, each, leaf["shape"], getattr(torch, leaf["dtype"])) for each in digests)
    return [_sum(inner(each, moved.reshape(-1)) for each in gradients) for moved in directions]


def _may_be(leaf: Json, known: Json) -> bool:
    same = all(known[key] == leaf.get(key) for key in ("shape", "dtype"))
    return same and leaf["value"] in (known["now"], known["attached"])
