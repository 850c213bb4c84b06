"""The recorded backwards of two runs side by side, leaf by leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fixinplace.verify.finder import Finder
from fixinplace.verify.jobs import LEFT_OUT, Json
from fixinplace.verify.sides import Side


def compare_backwards(finder: Finder) -> None:
    """Report every backward and every leaf whose gradient is missing, new or different."""
    reference, candidate = finder.reference, finder.candidate
    for path, row in reference.backwards.items():
        if _skipped(finder, path, row, candidate):
            continue
        if path not in candidate.backwards:
            finder.report("gradient-missing", path, f"{path} does not happen in the rewritten version")
        elif "failed" in row:
            finder.notes += [] if row["freed"] else [f"{path} is not compared: {row['failed']}"]
        elif candidate.backwards[path].get("spent"):
            finder.notes.append(
                f"{path} is not compared: the program has had its own backward before an optimizer step"
            )
        elif "failed" in candidate.backwards[path]:
            why = candidate.backwards[path]["failed"]
            finder.report("gradient-missing", path, f"{path} cannot be taken in the rewritten version: {why}")
        else:
            _leaves(finder, path)
    for path, row in candidate.backwards.items():
        if path not in reference.backwards and not _skipped(finder, path, row, reference):
            finder.report("gradient-differs", path, f"{path} happens only in the rewritten version")


def _skipped(finder: Finder, event: str, row: Json, other: Side) -> bool:
    """True for what is excluded, and for the gradient of a tensor whose path itself comes and goes between two runs."""
    of = row.get("of", event)
    return finder.skips(event) or finder.skips(of) or (finder.exact and "of" in row and of not in other.values)


def _leaves(finder: Finder, event: str) -> None:
    ours, theirs = (side.gradients.get(event, []) for side in (finder.reference, finder.candidate))
    rough = {} if finder.rough is None else {each["leaf"]: each for each in finder.rough.gradients.get(event, [])}
    for number, (row, other) in enumerate(matched(ours, theirs), start=1):
        name = (row or other or {}).get("leaf") or f"leaf {number}"
        path = f"{event}: {name}"
        if other is None and row is not None and row.get("key") in left_out(finder.reference, finder.candidate, event):
            finder.report(LEFT_OUT, path, f"{path} is not reached by the rewritten version's backward")
        elif not finder.skips(path):
            known = rough.get(row["leaf"]) if row is not None and row["leaf"] else None
            _leaf(finder, path, _received(row), _received(other), _received(known))


def left_out(reference: Side, candidate: Side, event: str) -> frozenset[int]:
    """Keys of the reference's leaves for which a backward of the other version does not ask, or which it cannot reach.

    Only leaves that learn from another of its backwards: one that has lost every gradient was not left out, it was cut
    off.  And only where this backward still reaches some leaf: else nothing is left that would be equal.
    """
    pairs = list(matched(reference.gradients.get(event, []), candidate.gradients.get(event, [])))
    if not any(row is not None and other is not None and _received(other) for row, other in pairs):
        return frozenset()
    learning = {row["leaf"] for rows in candidate.gradients.values() for row in rows if row["leaf"] and _received(row)}
    gone = [row for row, other in pairs if row is not None and other is None]
    return frozenset(row["key"] for row in gone if "key" in row and row["leaf"] in learning)


def _leaf(finder: Finder, path: str, ours: list[Json], theirs: list[Json], rough: list[Json]) -> None:
    """A missing gradient is not a zero gradient: optimizers pass over the one and step with the other."""
    if len(ours) > len(theirs):
        finder.report("gradient-missing", path, f"{path} receives no gradient in the rewritten version")
    elif len(ours) < len(theirs):
        finder.report("gradient-differs", path, f"{path} receives a gradient only in the rewritten version")
    known = rough if len(rough) == len(ours) else [None] * len(ours)
    for mine, its, one in zip(ours, theirs, known, strict=False):
        finder.tensor(path, "gradient-differs", {"role": "gradient", **mine}, {"role": "gradient", **its}, one)


def _received(row: Json | None) -> list[Json]:
    return [] if row is None else [each for each in row["received"] if each is not None]


def matched(ours: list[Json], theirs: list[Json]) -> Iterator[tuple[Json | None, Json | None]]:
    """Leaves of one backward in pairs: by name, else by any path they are held on, else by shape, dtype and value.

    What `autograd.grad` returned for a leaf is what a backward would have given it, and is named like it.  A name
    decides before likeness does for any leaf: two biases that are zero look alike.
    """
    left, rest = list(theirs), list(ours)
    for same in (_same_name, _same_gradient, _same_path, _alike):
        pairs, rest = _paired(rest, left, same)
        yield from pairs
    yield from ((row, None) for row in rest)
    yield from ((None, other) for other in left)


def _paired(
    rows: list[Json], left: list[Json], same: Callable[[Json, Json], bool]
) -> tuple[list[tuple[Json, Json]], list[Json]]:
    """Each row with the first of those left that is the same, which is taken out; and the rows without one."""
    pairs, rest = [], []
    for row in rows:
        other = next((each for each in left if same(row, each)), None)
        if other is None:
            rest.append(row)
        else:
            left.remove(other)
            pairs.append((row, other))
    return pairs, rest


def _same_name(row: Json, other: Json) -> bool:
    return bool(row["leaf"]) and other["leaf"] == row["leaf"]


def _same_gradient(row: Json, other: Json) -> bool:
    return bool(row["leaf"]) and other.get("named") == row["leaf"]


def _same_path(row: Json, other: Json) -> bool:
    paths = ({row["leaf"], *row.get("also", ())}, {other["leaf"], other.get("named"), *other.get("also", ())})
    return bool((paths[0] & paths[1]) - {None})


def _alike(row: Json, other: Json) -> bool:
    return all(row.get(key) == other.get(key) for key in ("shape", "dtype", "value"))
